//! Which of the series formats a file is in, told by its first characters.

use super::series_columns::{DecodedSeries, SeriesDecodeError, SeriesOptions};
use super::{series_csv, series_json, series_mprof, series_prometheus};

/// Reads measurements of any known format: JSON, Prometheus text, mprof, CSV or columns apart by blanks.
///
/// # Errors
/// The bytes are in none of them, or lack the column asked for.
pub fn decode(bytes: &[u8], options: &SeriesOptions) -> Result<DecodedSeries, SeriesDecodeError> {
    let first = bytes.trim_ascii_start().first().copied();
    // A lone number may be JSON or CSV; both read it as the same single value.
    if matches!(first, Some(b'[' | b'{')) {
        return series_json::decode(bytes, options);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) if series_mprof::sniff(text) => series_mprof::decode(text),
        Ok(text) if is_exposition(text) => series_prometheus::decode(bytes, options),
        _ => series_csv::decode(bytes, options),
    }
}

/// `# HELP` and `# TYPE` lines, or names with a number behind: Prometheus' exposition format.
fn is_exposition(text: &str) -> bool {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    if lines.clone().take(50).any(|line| line.starts_with("# HELP ") || line.starts_with("# TYPE ")) {
        return true;
    }
    lines.find(|line| !line.starts_with('#')).is_some_and(|line| {
        series_prometheus::sample_of(line)
            .is_some_and(|(name, ..)| name.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_told_apart() {
        for (text, metric, points) in [
            ("[1, 2, 3]", "value", 3),
            ("{\"t\": 0, \"rss\": 1}\n{\"t\": 1, \"rss\": 2}\n", "rss", 2),
            ("process_resident_memory_bytes 5\nprocess_resident_memory_bytes 6\n", "process_resident_memory_bytes", 2),
            ("CMDLINE python\nMEM 1 0\nMEM 2 1\n", "rss", 2),
            ("t,heap_used\n0,5\n1,6\n", "heap_used", 2),
            ("  time   rss_kb  \n 0  5\n 1   6\n", "rss_kb", 2),
            ("100\n120\n", "value", 2),
        ] {
            let read = decode(text.as_bytes(), &SeriesOptions::default()).unwrap().series;
            assert_eq!((read[0].metric.as_str(), read[0].points.len()), (metric, points), "{text}");
        }
        for text in ["", "\u{0}\u{1}", "hello world\n", "%PDF-1.4"] {
            assert!(decode(text.as_bytes(), &SeriesOptions::default()).is_err(), "{text:?}");
        }
    }
}
