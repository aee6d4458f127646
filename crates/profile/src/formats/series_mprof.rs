//! `memory_profiler`'s `mprof run` files: `MEM <MiB> <epoch seconds>`, `CHLD <number> <MiB> <epoch seconds>` for children.
//!
//! `FUNC` lines and the command line are left out. What is measured is the resident set, in MiB, as psutil gives it.

use super::series_columns::{DecodedSeries, SeriesDecodeError};
use crate::series::{Point, Series, Signal, Unit};

const MIB: f64 = 1024.0 * 1024.0;

/// Whether the text looks like such a file.
pub(crate) fn sniff(text: &str) -> bool {
    text.lines().take(20).any(|line| line.starts_with("CMDLINE ") || sample_of(line).is_some())
}

/// Reads the process and its children, one series each.
///
/// # Errors
/// No line holds a measurement.
pub(crate) fn decode(text: &str) -> Result<DecodedSeries, SeriesDecodeError> {
    let mut decoded = DecodedSeries::default();
    let mut skipped = 0_usize;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if line.starts_with("CMDLINE") || line.starts_with("FUNC") {
            continue;
        }
        let Some((subject, point)) = sample_of(line) else {
            skipped += 1;
            continue;
        };
        let at = decoded.series.iter().position(|series| series.subject == subject).unwrap_or_else(|| {
            decoded.series.push(Series {
                metric: "rss".into(),
                subject,
                unit: Unit::Bytes,
                signal: Some(Signal::Rss),
                ..Series::default()
            });
            decoded.series.len() - 1
        });
        decoded.series[at].points.push(point);
    }
    if decoded.series.is_empty() {
        return Err(SeriesDecodeError::Malformed {
            format: "mprof",
            problem: "expected lines such as `MEM 12.5 1790000000.0`, found none".into(),
        });
    }
    if skipped > 0 {
        decoded.warnings.push(format!("{skipped} lines are no measurements"));
    }
    Ok(decoded)
}

fn sample_of(line: &str) -> Option<(String, Point)> {
    let mut cells = line.split_whitespace();
    let subject = match cells.next()? {
        "MEM" => String::new(),
        "CHLD" => format!("child {}", cells.next()?),
        _ => return None,
    };
    let mebibytes: f64 = cells.next()?.parse().ok()?;
    let seconds: f64 = cells.next()?.parse().ok()?;
    Some((subject, Point::new(seconds, mebibytes * MIB)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn process_and_children_are_told_apart() {
        let text =
            "CMDLINE python x.py\nMEM 1.5 1790000000.0\nCHLD 1 2 1790000000.1\nFUNC f 1 2 3 4\nMEM 2 1790000001.0\n";
        assert!(sniff(text));
        let read = decode(text).unwrap();
        assert_eq!(read.series.len(), 2);
        assert_eq!(read.series[0].points[1], Point::new(1_790_000_001.0, 2.0 * MIB));
        assert_eq!(read.series[1].subject, "child 1");
        assert!(decode("CMDLINE python x.py\n").is_err() && !sniff("MEM a b"));
    }
}
