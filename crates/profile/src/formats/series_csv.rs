//! Measurements as text separated by commas, semicolons, tabs or blanks, with or without a header line.
//!
//! Amounts with a unit (`12.5 MiB`, `300kB`) become bytes. Quoted cells are understood (RFC 4180, without line breaks inside quotes); lines that begin with `#` are skipped.
//! A column of words named `class`, `site`, `pid`, … says whom a row is about: one series each.
//! Without a header one column is the values, two are time and value, more are `column_1`, `column_2`, ….

use super::series_columns::{
    Columns, DecodedSeries, SeriesDecodeError, SeriesOptions, names_subjects, series_of_columns, unit_by_name,
};
use super::series_json::seconds_of_text;
use crate::series::Unit;

/// Reads a table of measurements.
///
/// # Errors
/// The bytes are no UTF-8, hold no line with a number, or lack the column asked for.
pub fn decode(bytes: &[u8], options: &SeriesOptions) -> Result<DecodedSeries, SeriesDecodeError> {
    let malformed = |problem: String| SeriesDecodeError::Malformed { format: "CSV", problem };
    let text = std::str::from_utf8(bytes)
        .map_err(|error| malformed(format!("expected UTF-8, found other bytes at byte {}", error.valid_up_to())))?;
    let mut lines = text.trim_start_matches('\u{feff}').lines().filter(|line| {
        let line = line.trim();
        !line.is_empty() && !line.starts_with('#')
    });
    let first = lines.next().ok_or_else(|| malformed("expected lines of values, found an empty file".into()))?;
    let separator = [' ', '\t', ';', ',']
        .into_iter()
        .max_by_key(|&mark| if mark == ' ' { 0 } else { first.matches(mark).count() * 2 })
        .filter(|&mark| first.contains(mark))
        .unwrap_or(' ');
    let head = cells_of(first, separator);
    let headless = head.iter().all(|cell| cell.is_empty() || number_of(cell).is_finite());
    let mut columns = Columns::default();
    if headless {
        columns.names = match head.len() {
            1 => vec!["value".into()],
            2 => vec!["time".into(), "value".into()],
            more => (1..=more).map(|number| format!("column_{number}")).collect(),
        };
        columns.rows.push(head.iter().map(|cell| number_of(cell)).collect());
    } else {
        columns.names = head;
    }
    let width = columns.names.len();
    let mut odd = 0_usize;
    let subject = columns.names.iter().position(|name| names_subjects(name));
    let mut worded = false;
    for line in lines {
        let cells = cells_of(line, separator);
        if let Some(at) = subject {
            let name = cells.get(at).cloned().unwrap_or_default();
            worded |= !name.is_empty() && !number_of(&name).is_finite();
            columns.subjects.push(name);
        }
        let mut row: Vec<f64> = cells.iter().map(|cell| number_of(cell)).collect();
        odd += usize::from(row.len() != width);
        row.resize(width, f64::NAN);
        columns.rows.push(row);
    }
    // Process ids are subjects without being words.
    if !worded && !subject.is_some_and(|at| columns.names[at].eq_ignore_ascii_case("pid")) {
        columns.subjects.clear();
    }
    if !columns.rows.iter().flatten().any(|cell| cell.is_finite()) {
        return Err(malformed("expected lines of numbers, found none".into()));
    }
    let mut warnings = Vec::new();
    if odd > 0 {
        warnings.push(format!("{odd} lines have more or fewer cells than the first line's {width}"));
    }
    Ok(DecodedSeries { series: series_of_columns(&columns, options)?, warnings })
}

fn cells_of(line: &str, separator: char) -> Vec<String> {
    if separator == ' ' {
        return line.split_whitespace().map(str::to_owned).collect();
    }
    let mut cells = vec![String::new()];
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '"' => quoted = !quoted,
            mark if mark == separator && !quoted => cells.push(String::new()),
            other => {
                if let Some(cell) = cells.last_mut() {
                    cell.push(other);
                }
            }
        }
    }
    cells
        .iter()
        .map(|cell| match cell.trim() {
            // `12,5`, as spreadsheets write it in the countries where they put semicolons between cells.
            number if separator == ';' && number.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b',' | b'-')) => {
                number.replacen(',', ".", 1)
            }
            other => other.to_owned(),
        })
        .collect()
}

fn number_of(cell: &str) -> f64 {
    let amount = || {
        let (number, unit) = cell.split_at(cell.find(|letter: char| letter.is_ascii_alphabetic())?);
        let (scale, Unit::Bytes) = unit_by_name(unit)? else { return None };
        Some(number.trim().parse::<f64>().ok()? * scale)
    };
    cell.parse().ok().or_else(|| seconds_of_text(cell)).or_else(amount).unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> DecodedSeries {
        decode(text.as_bytes(), &SeriesOptions::default()).unwrap()
    }

    #[test]
    fn semicolons_bring_decimal_commas() {
        let series = read("time;rss_mb\n0;1,5\n0,5;-2\n").series;
        assert_eq!(series[0].points[0].value, 1.5 * 1_048_576.0);
        assert_eq!((series[0].points[1].seconds, series[0].points[1].value), (0.5, -2.0 * 1_048_576.0));
        assert!(!read("time,rss_mb\n0,\"1,234\"\n1,5\n").series[0].points[0].value.is_finite());
    }

    #[test]
    fn another_start_time_is_a_restart() {
        let series = read("timestamp,rss,process_start_time_seconds\n100,1,50\n110,2,50.2\n120,1,115\n").series;
        let marks: Vec<_> = series[0].marks.iter().map(|mark| (mark.seconds, mark.restart)).collect();
        assert_eq!((series.len(), marks), (1, vec![(120.0, true)]));
        // Alone it is the time itself.
        assert_eq!(read("start_time,rss\n100,1\n110,2\n").series[0].points[1].seconds, 110.0);
    }

    #[test]
    fn columns_without_a_number_are_named() {
        let error = decode(b"timestamp,rss_mb\n1,NaN\n2,\n", &SeriesOptions::default()).unwrap_err();
        assert_eq!(error.to_string(), "found no number in `rss_mb`");
    }

    #[test]
    fn header_names_the_columns() {
        let read = read("timestamp;rss_kb;comment\n0;10;\"a;b\"\n1;20;c\n");
        assert_eq!(read.series.len(), 1);
        assert_eq!(read.series[0].points[1].value, 20480.0);
        assert!(read.warnings.is_empty());
    }

    #[test]
    fn rows_are_told_apart_by_their_subject() {
        let read = read("seconds,class,live_bytes\n0,Order,1\n0,User,5\n1,Order,2\n1,User,5\n").series;
        assert_eq!((read.len(), read[0].subject.as_str(), read[1].subject.as_str()), (2, "Order", "User"));
        assert_eq!(read[0].points[1].value, 2.0);
    }

    #[test]
    fn headless_pairs_are_time_and_value() {
        let read = read("0.5,100\n1.0,nan\n1.5,120\n2.0\n");
        let points = &read.series[0].points;
        assert_eq!((points[0].seconds, points[0].value, points.len()), (0.5, 100.0, 4));
        assert!(points[1].value.is_nan() && points[3].value.is_nan());
        assert_eq!(read.warnings.len(), 1);
    }

    #[test]
    fn blanks_separate_and_units_count() {
        let read = read("time rss\n0 1.5MiB\n1   300kB\n");
        assert_eq!(read.series[0].points[0].value, 1.5 * 1_048_576.0);
        assert_eq!(read.series[0].points[1].value, 300.0 * 1024.0);
    }

    #[test]
    fn dates_become_seconds() {
        let read = read("time,rss\n2026-11-22T10:00:00Z,1\n2026-11-22T10:01:00Z,2\n");
        assert_eq!(read.series[0].points[1].seconds - read.series[0].points[0].seconds, 60.0);
    }

    #[test]
    fn text_without_numbers_is_refused() {
        assert!(decode(b"hello world\nand more\n", &SeriesOptions::default()).is_err());
        assert!(decode(b"", &SeriesOptions::default()).is_err());
        assert!(decode(b"\xff\xfe", &SeriesOptions::default()).is_err());
    }
}
