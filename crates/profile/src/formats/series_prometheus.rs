//! Measurements in Prometheus' text exposition format (version 0.0.4): several scrapes one after another, or one file
//! whose samples carry time stamps.
//!
//! Only metrics that measure memory or count objects become series; a request counter in the file becomes the points'
//! request count, and a start time that changes a restart. Histogram buckets, summaries and everything else are left out. Samples without a time stamp are
//! numbered by scrape: a scrape begins when the first metric of the file comes again.

use std::collections::HashMap;

use super::series_columns::{DecodedSeries, SeriesDecodeError, SeriesOptions, restarts};
use crate::series::{Point, Series, TimeBase, Unit};

/// Reads scrapes.
///
/// # Errors
/// The bytes are no UTF-8, hold no sample, or none that measures memory.
pub fn decode(bytes: &[u8], options: &SeriesOptions) -> Result<DecodedSeries, SeriesDecodeError> {
    let malformed = |problem: String| SeriesDecodeError::Malformed { format: "Prometheus text", problem };
    let text = std::str::from_utf8(bytes)
        .map_err(|error| malformed(format!("expected UTF-8, found other bytes at byte {}", error.valid_up_to())))?;
    let mut order: Vec<(String, String)> = Vec::new();
    let mut found: HashMap<(String, String), Vec<Point>> = HashMap::new();
    let mut timed = false;
    let mut skipped = 0_usize;
    let mut requests: HashMap<usize, f64> = HashMap::new();
    let mut started: HashMap<String, Vec<(f64, f64)>> = HashMap::new();
    let mut first: Option<(String, String)> = None;
    let mut scrape = 0_usize;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let Some((name, labels, value, stamp)) = sample_of(line) else {
            skipped += 1;
            continue;
        };
        let key = (name.to_owned(), labels.to_owned());
        match &first {
            None => first = Some(key.clone()),
            Some(first) if *first == key => scrape += 1,
            Some(_) => {}
        }
        timed |= stamp.is_some();
        if name.ends_with("requests_total") {
            *requests.entry(scrape).or_insert(0.0) += value;
            continue;
        }
        if name == "process_start_time_seconds" {
            let moment = stamp.map_or(scrape as f64, |milliseconds| milliseconds / 1e3);
            started.entry(labels.to_owned()).or_default().push((moment, value));
            continue;
        }
        let wanted = options.value.as_ref().map_or_else(|| measures_memory(name), |wanted| wanted == name);
        if !wanted {
            continue;
        }
        let mut point = Point::new(stamp.map_or(scrape as f64, |milliseconds| milliseconds / 1e3), value);
        point.iteration = stamp.is_none().then_some(scrape as f64);
        point.requests = Some(scrape as f64);
        if !found.contains_key(&key) {
            order.push(key.clone());
        }
        found.entry(key).or_default().push(point);
    }
    if first.is_none() {
        return Err(malformed("expected lines of a name and a number, found none".into()));
    }
    if order.is_empty() {
        return Err(SeriesDecodeError::NoValues { found: "other metrics".into() });
    }
    let series = order
        .into_iter()
        .map(|key| {
            let mut points = found.remove(&key).unwrap_or_default();
            for point in &mut points {
                point.requests = point.requests.and_then(|scrape| requests.get(&(scrape as usize)).copied());
            }
            Series {
                marks: restarts(started.get(&key.1).into_iter().flatten().copied()),
                unit: if key.0.ends_with("bytes") { Unit::Bytes } else { Unit::Count },
                metric: key.0,
                subject: key.1,
                time: if timed { TimeBase::Clock } else { TimeBase::PointNumber },
                points,
                ..Series::default()
            }
        })
        .collect();
    let mut warnings = Vec::new();
    if skipped > 0 {
        warnings.push(format!("{skipped} lines are no samples"));
    }
    Ok(DecodedSeries { series, warnings })
}

/// `name{labels} value [milliseconds]`.
pub(crate) fn sample_of(line: &str) -> Option<(&str, &str, f64, Option<f64>)> {
    let name_end = line.find(['{', ' ', '\t'])?;
    let (name, rest) = line.split_at(name_end);
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':')) {
        return None;
    }
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inner) => inner.split_at(inner.rfind('}')?),
        None => ("", rest),
    };
    let mut cells = rest.trim_start_matches('}').split_whitespace();
    let value = match cells.next()? {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        text => text.parse().ok()?,
    };
    let stamp = match cells.next() {
        Some(text) => Some(text.parse().ok()?),
        None => None,
    };
    Some((name, labels, value, stamp))
}

fn measures_memory(name: &str) -> bool {
    let bytes = name.ends_with("bytes")
        && ["memory", "heap", "rss", "resident", "alloc", "stack_inuse"].iter().any(|part| name.contains(part));
    let counts = ["goroutines", "heap_objects", "open_fds", "active_handles", "objects_tracked"];
    (bytes && !name.contains("limit") && !name.contains("virtual")) || counts.iter().any(|part| name.ends_with(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scrapes_one_after_another() {
        let text = "# HELP x y\nprocess_resident_memory_bytes 100\nhttp_requests_total{code=\"200\"} 5\ngo_goroutines 7\n\
                    process_resident_memory_bytes 120\nhttp_requests_total{code=\"200\"} 9\ngo_goroutines 8\n";
        let read = decode(text.as_bytes(), &SeriesOptions::default()).unwrap();
        assert_eq!(read.series.len(), 2);
        let rss = &read.series[0];
        assert_eq!((rss.time, rss.points.len()), (TimeBase::PointNumber, 2));
        assert_eq!((rss.points[1].value, rss.points[1].requests), (120.0, Some(9.0)));
    }

    #[test]
    fn stamps_are_milliseconds() {
        let text = "heap_alloc_bytes{pod=\"a b\"} 1 1000\nheap_alloc_bytes{pod=\"a b\"} NaN 2500\n";
        let read = decode(text.as_bytes(), &SeriesOptions::default()).unwrap();
        assert_eq!(read.series[0].points[1].seconds, 2.5);
        assert_eq!(read.series[0].subject, "pod=\"a b\"");
        assert!(read.series[0].points[1].value.is_nan());
    }

    #[test]
    fn another_start_time_is_a_restart() {
        let scrape = |start: u32| format!("process_start_time_seconds {start}\nprocess_resident_memory_bytes 5\n");
        let text = [scrape(7), scrape(7), scrape(90)].concat();
        let series = decode(text.as_bytes(), &SeriesOptions::default()).unwrap().series;
        let marks: Vec<_> = series[0].marks.iter().map(|mark| (mark.seconds, mark.restart)).collect();
        assert_eq!((series.len(), marks), (1, vec![(2.0, true)]));
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "hello", "up 1\n", "{}"] {
            assert!(decode(text.as_bytes(), &SeriesOptions::default()).is_err(), "{text}");
        }
    }
}
