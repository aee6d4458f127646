//! Measurements as JSON: an array of numbers, of `[time, value]` pairs or of objects; an object that holds such an array
//! or one array per column; brimline's own `trend --json`; the answer of Prometheus' `query_range`.
//!
//! Objects are read by their keys (see [`super::series_columns`]); one level of nesting (`{"memory": {"rss": 1}}`) is
//! flattened with a dot. JSON lines (one value per line) are accepted as an array.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::series_columns::{
    Columns, DecodedSeries, SeriesDecodeError, SeriesOptions, names_subjects, series_of_columns,
};
use crate::series::{Point, Series, Signal, TimeBase, Unit};

/// Reads measurements in any of the shapes above.
///
/// # Errors
/// The bytes are no JSON, hold no array of measurements, or lack the column asked for.
pub fn decode(bytes: &[u8], options: &SeriesOptions) -> Result<DecodedSeries, SeriesDecodeError> {
    let mut warnings = Vec::new();
    let bytes = &without_nan(bytes);
    let value = match serde_json::from_slice(bytes) {
        Ok(value) => value,
        Err(error) => Value::Array(json_lines(bytes, &mut warnings).ok_or_else(|| malformed(error.to_string()))?),
    };
    let series = series_of_value(&value, options)?;
    let missing: usize =
        series.iter().map(|series| series.points.iter().filter(|point| !point.value.is_finite()).count()).sum();
    if missing > 0 {
        warnings.push(format!("{missing} values are no numbers"));
    }
    Ok(DecodedSeries { series, warnings })
}

/// `NaN`, `Infinity` and `-Infinity` outside strings, which Python's `json` writes, as `null`.
fn without_nan(bytes: &[u8]) -> Cow<'_, [u8]> {
    const WORDS: [&[u8]; 3] = [b"-Infinity", b"Infinity", b"NaN"];
    let mut written: Option<Vec<u8>> = None;
    let (mut at, mut quoted) = (0, false);
    while at < bytes.len() {
        let word = WORDS.into_iter().find(|word| !quoted && bytes[at..].starts_with(word));
        if let Some(word) = word {
            written.get_or_insert_with(|| bytes[..at].to_vec()).extend_from_slice(b"null");
            at += word.len();
            continue;
        }
        let length = if quoted && bytes[at] == b'\\' { 2 } else { 1 };
        quoted ^= bytes[at] == b'"';
        if let Some(written) = &mut written {
            written.extend_from_slice(&bytes[at..(at + length).min(bytes.len())]);
        }
        at += length;
    }
    written.map_or(Cow::Borrowed(bytes), Cow::Owned)
}

fn malformed(problem: String) -> SeriesDecodeError {
    SeriesDecodeError::Malformed { format: "JSON", problem }
}

/// Values one per line; a last line cut short is dropped with a warning.
fn json_lines(bytes: &[u8], warnings: &mut Vec<String>) -> Option<Vec<Value>> {
    let lines: Vec<&[u8]> = bytes.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).collect();
    let mut values = Vec::with_capacity(lines.len());
    for (number, line) in lines.iter().enumerate() {
        match serde_json::from_slice(line) {
            Ok(value) => values.push(value),
            Err(_) if number > 0 && number + 1 == lines.len() => warnings.push("the last line is cut short".into()),
            Err(_) => return None,
        }
    }
    (values.len() > 1).then_some(values)
}

fn series_of_value(value: &Value, options: &SeriesOptions) -> Result<Vec<Series>, SeriesDecodeError> {
    match value {
        Value::Array(rows) => series_of_columns(&columns_of_rows(rows)?, options),
        Value::Object(object) => series_of_object(object, options),
        other => Err(malformed(format!("expected an array of measurements, found `{other}`"))),
    }
}

fn series_of_object(object: &Map<String, Value>, options: &SeriesOptions) -> Result<Vec<Series>, SeriesDecodeError> {
    if let Some(Value::Array(list)) = object.get("series") {
        let series: Vec<Series> = list.iter().filter_map(own_series).collect();
        if !series.is_empty() {
            return Ok(series);
        }
    }
    if let Some(result) = object.get("data").and_then(|data| data.get("result")).and_then(Value::as_array) {
        return Ok(result.iter().filter_map(range_series).collect());
    }
    let arrays: Vec<(&String, &Vec<Value>)> =
        object.iter().filter_map(|(key, value)| value.as_array().map(|array| (key, array))).collect();
    if let Some((_, rows)) = arrays
        .iter()
        .filter(|(_, rows)| matches!(rows.first(), Some(Value::Object(_) | Value::Array(_))))
        .max_by_key(|(_, rows)| rows.len())
    {
        return series_of_columns(&columns_of_rows(rows)?, options);
    }
    let height = arrays.iter().map(|(_, column)| column.len()).max().unwrap_or(0);
    if height == 0 {
        return Err(malformed("expected an array of measurements, found an object without one".into()));
    }
    let columns = Columns {
        subjects: Vec::new(),
        names: arrays.iter().map(|(key, _)| (*key).clone()).collect(),
        rows: (0..height)
            .map(|at| arrays.iter().map(|(_, column)| column.get(at).map_or(f64::NAN, number_of)).collect())
            .collect(),
    };
    series_of_columns(&columns, options)
}

/// One entry of `trend --json`.
fn own_series(value: &Value) -> Option<Series> {
    let points = value.get("points")?.as_array()?;
    let unit = match value.get("unit").and_then(Value::as_str) {
        Some("bytes") | None => Unit::Bytes,
        Some("count") => Unit::Count,
        Some(_) => Unit::Unknown,
    };
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let numbered = text("time") == "point_number";
    let counter = |key: &str, at: usize| value.get(key)?.get(at)?.as_f64();
    Some(Series {
        metric: text("metric"),
        subject: text("subject"),
        unit,
        time: if numbered { TimeBase::PointNumber } else { TimeBase::Clock },
        signal: value.get("signal").and_then(Value::as_str).and_then(Signal::by_name),
        points: points
            .iter()
            .enumerate()
            .filter_map(|(at, pair)| {
                let seconds = number_of(pair.get(0)?);
                Some(Point {
                    seconds,
                    value: number_of(pair.get(1)?),
                    iteration: counter("iterations", at).or(numbered.then_some(seconds)),
                    requests: counter("requests", at),
                })
            })
            .collect(),
        ..Series::default()
    })
}

/// One entry of a Prometheus range query: `{"metric": {…}, "values": [[seconds, "text"], …]}`.
fn range_series(value: &Value) -> Option<Series> {
    let labels = value.get("metric")?.as_object()?;
    let name = labels.get("__name__").and_then(Value::as_str).unwrap_or("value");
    let subject: Vec<String> = labels
        .iter()
        .filter(|(key, _)| *key != "__name__")
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    let points = value.get("values")?.as_array()?;
    Some(Series {
        metric: name.to_owned(),
        subject: subject.join(","),
        unit: if name.ends_with("bytes") { Unit::Bytes } else { Unit::Unknown },
        points: points
            .iter()
            .filter_map(|pair| Some(Point::new(number_of(pair.get(0)?), number_of(pair.get(1)?))))
            .collect(),
        ..Series::default()
    })
}

fn columns_of_rows(rows: &[Value]) -> Result<Columns, SeriesDecodeError> {
    let mut columns = Columns::default();
    match rows.iter().find(|row| !row.is_null()) {
        None => return Err(malformed("expected measurements, found an empty array".into())),
        Some(Value::Number(_) | Value::String(_)) => {
            columns.names = vec!["value".into()];
            columns.rows = rows.iter().map(|row| vec![number_of(row)]).collect();
        }
        Some(Value::Array(_)) => {
            columns.names = vec!["time".into(), "value".into()];
            let cell = |row: &Value, at: usize| row.get(at).map_or(f64::NAN, number_of);
            columns.rows = rows.iter().map(|row| vec![cell(row, 0), cell(row, 1)]).collect();
        }
        Some(Value::Object(_)) => {
            let mut flat_rows = Vec::with_capacity(rows.len());
            for row in rows {
                let mut cells = Vec::new();
                let mut subject = String::new();
                if let Value::Object(object) = row {
                    flatten(object, "", &mut cells);
                    subject = subject_of(object);
                }
                columns.subjects.push(subject);
                for (name, _) in &cells {
                    if !columns.names.contains(name) {
                        columns.names.push(name.clone());
                    }
                }
                flat_rows.push(cells);
            }
            let at: std::collections::HashMap<&String, usize> =
                columns.names.iter().enumerate().map(|(at, name)| (name, at)).collect();
            for cells in &flat_rows {
                let mut row = vec![f64::NAN; columns.names.len()];
                for (name, value) in cells {
                    row[at[name]] = *value;
                }
                columns.rows.push(row);
            }
        }
        Some(other) => return Err(malformed(format!("expected numbers, pairs or objects, found `{other}`"))),
    }
    Ok(columns)
}

/// Whom an object is about: the first of its texts whose key says so, or a process id.
fn subject_of(object: &Map<String, Value>) -> String {
    let found = object.iter().find_map(|(key, value)| match value {
        Value::String(text) if names_subjects(key) && text.parse::<f64>().is_err() => Some(text.clone()),
        Value::Number(number) if key == "pid" => Some(number.to_string()),
        _ => None,
    });
    found.unwrap_or_default()
}

/// Numbers and dates of an object and of the objects directly in it; everything else is left out.
fn flatten(object: &Map<String, Value>, prefix: &str, cells: &mut Vec<(String, f64)>) {
    for (key, value) in object {
        match value {
            Value::Object(inner) if prefix.is_empty() => flatten(inner, &format!("{key}."), cells),
            Value::Number(_) | Value::Null => cells.push((format!("{prefix}{key}"), number_of(value))),
            Value::String(text) => {
                if let Some(number) = text.parse().ok().or_else(|| seconds_of_text(text)) {
                    cells.push((format!("{prefix}{key}"), number));
                }
            }
            _ => {}
        }
    }
}

fn number_of(value: &Value) -> f64 {
    match value {
        Value::Number(number) => number.as_f64().unwrap_or(f64::NAN),
        Value::String(text) => text.parse().ok().or_else(|| seconds_of_text(text)).unwrap_or(f64::NAN),
        _ => f64::NAN,
    }
}

/// Seconds since the epoch of a date such as `2026-11-22T10:00:00.5Z`, `2026-11-22 10:00:00` or with `+02:00`.
///
/// Only the form of RFC 3339 (a blank for the `T` and a missing zone, read as UTC, are accepted); else `None`.
pub(crate) fn seconds_of_text(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    if bytes.len() < 19
        || bytes[4] != b'-'
        || bytes[7] != b'-'
        || !matches!(bytes[10], b'T' | b' ')
        || bytes[13] != b':'
    {
        return None;
    }
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute) = (number(11, 13)?, number(14, 16)?);
    let zone_at = text[19..].find(['Z', '+', '-', ' ']).map_or(text.len(), |at| at + 19);
    let second: f64 = text.get(17..zone_at)?.parse().ok()?;
    let zone = text[zone_at..].trim();
    let offset = match zone.as_bytes().first() {
        Some(sign @ (b'+' | b'-')) => {
            let digits: String = zone[1..].chars().filter(char::is_ascii_digit).collect();
            let hours: i64 = digits.get(0..2)?.parse().ok()?;
            let minutes: i64 = digits.get(2..4).map_or(Some(0), |part| part.parse().ok())?;
            (hours * 60 + minutes) * if *sign == b'+' { 60 } else { -60 }
        }
        _ => 0,
    };
    // Days since the epoch of a proleptic Gregorian date (H. Hinnant, "chrono-compatible low-level date algorithms").
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some((days * 86_400 + hour * 3_600 + minute * 60 - offset) as f64 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Series> {
        decode(text.as_bytes(), &SeriesOptions::default()).unwrap().series
    }

    #[test]
    fn numbers_pairs_and_objects() {
        assert_eq!(read("[1, 2, null, 4]")[0].points.len(), 4);
        assert_eq!(read("[[0, 10], [0.5, 12]]")[0].points[1], Point::new(0.5, 12.0));
        let series = read(r#"[{"timestamp": "2026-11-22T10:00:00Z", "current_mb": 1.5, "peak_mb": 2, "label": "x"}]"#);
        assert_eq!(series.len(), 2);
        assert_eq!(series[0].points[0].value, 1.5 * 1_048_576.0);
        assert_eq!(series[1].metric, "peak_mb");
    }

    #[test]
    fn pythons_nan_is_a_missing_number() {
        let series = read(r#"[{"heap_mb": NaN, "note": "NaN \" NaN"}, {"heap_mb": -Infinity}, {"heap_mb": 3.0}]"#);
        let finite: Vec<bool> = series[0].points.iter().map(|point| point.value.is_finite()).collect();
        assert_eq!(finite, [false, false, true]);
    }

    #[test]
    fn objects_around_arrays() {
        assert_eq!(read(r#"{"samples": [{"t": 1, "rss": 5}, {"t": 2, "rss": 6}], "name": "x"}"#)[0].points.len(), 2);
        assert_eq!(read(r#"{"timestamps": [0, 1], "heap_used": [7, 8]}"#).len(), 1);
        let own =
            r#"{"schema": "brimline.trend/1", "series": [{"metric": "rss", "unit": "bytes", "points": [[0, 1]]}]}"#;
        assert_eq!((read(own)[0].metric.as_str(), read(own)[0].points.len()), ("rss", 1));
        let range = r#"{"data": {"result": [{"metric": {"__name__": "process_resident_memory_bytes", "pod": "a"},
            "values": [[1.0, "5"], [2.0, "6"]]}]}}"#;
        assert_eq!((read(range)[0].subject.as_str(), read(range)[0].points[1].value), ("pod=a", 6.0));
    }

    #[test]
    fn nested_keys_join_with_a_dot() {
        let series = read(r#"[{"time": 0, "memory": {"heapUsed": 4096, "rss": 9}}]"#);
        assert_eq!(series[0].metric, "memory.heapUsed");
        assert_eq!(series.len(), 2);
    }

    #[test]
    fn json_lines_may_be_cut_short() {
        let text = b"{\"t\": 0, \"rss\": 1}\n{\"t\": 1, \"rss\": 2}\n{\"t\": 2, \"r";
        let read = decode(text, &SeriesOptions::default()).unwrap();
        assert_eq!((read.series[0].points.len(), read.warnings.len()), (2, 1));
    }

    #[test]
    fn other_json_is_refused() {
        for text in ["", "{", "3", "[]", "{}", "[true]", "{\"a\": \"b\"}", "[{\"a\": \"b\"}]"] {
            assert!(decode(text.as_bytes(), &SeriesOptions::default()).is_err(), "{text}");
        }
    }

    #[test]
    fn dates_follow_the_calendar() {
        assert_eq!(seconds_of_text("1970-01-01T00:00:00Z"), Some(0.0));
        assert_eq!(seconds_of_text("2000-03-01 12:30:15.25"), Some(951_913_815.25));
        assert_eq!(seconds_of_text("2026-11-22T10:00:00+02:00"), Some(1_795_334_400.0));
        assert_eq!(seconds_of_text("not a date at all, no"), None);
    }
}
