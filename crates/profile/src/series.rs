//! `Series`: one metric of one subject over time.
//!
//! A series is plain data in the order it was recorded. Nothing is sorted, repaired or judged here: a clock that jumped
//! and a process that restarted are facts the analysis wants to see.

/// What a number measures, and how a count of it is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Bytes.
    #[default]
    Bytes,
    /// Things: objects, goroutines, listeners, descriptors.
    Count,
    /// A number nobody gave a unit for.
    Unknown,
}

impl Unit {
    /// The name used in files: `bytes`, `count` or `unknown`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Count => "count",
            Self::Unknown => "unknown",
        }
    }
}

/// What the seconds of a series mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeBase {
    /// Seconds of a clock, relative or since the epoch.
    #[default]
    Clock,
    /// The points carry no time: the seconds are the point's number, and no slope per second exists.
    PointNumber,
}

/// Where in the program's cycle the values were taken, best first.
///
/// The signal decides more than any test (RESIN, OSDI 2022; Matias et al., ISSREW 2016): live bytes after a collection
/// are nearly free of noise, resident memory is mostly allocator behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Signal {
    /// Live bytes or objects of one allocation site, class or goroutine group, after a collection.
    SiteAfterGc,
    /// All live bytes of the heap, after a collection.
    HeapAfterGc,
    /// The heap whenever it was looked at, garbage included.
    Heap,
    /// Resident memory of the process as the kernel counts it.
    Rss,
    /// Memory the allocator or runtime has reserved, and high-water marks: evidence, not judged beside other series.
    Reserved,
    /// Things the system or the runtime counts: descriptors, threads, goroutines, listeners.
    Count,
}

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Seconds as [`TimeBase`] says.
    pub seconds: f64,
    /// The value in the series' unit; not finite where the source held no number.
    pub value: f64,
    /// Iterations of the workload finished so far, where the source counted them.
    pub iteration: Option<f64>,
    /// Requests served so far, where the source counted them.
    pub requests: Option<f64>,
}

impl Point {
    /// A point without counters.
    pub fn new(seconds: f64, value: f64) -> Self {
        Self { seconds, value, iteration: None, requests: None }
    }
}

/// Something that happened at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// On the clock of the points.
    pub seconds: f64,
    /// What the user or the recorder called it.
    pub name: String,
    /// Whether the process was started anew here, so the values before and after belong to different lives.
    pub restart: bool,
}

/// A named stretch of the run: `warm-up`, `load`, `settle`.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// The user's or the workload driver's name.
    pub name: String,
    /// First second that belongs to it.
    pub start: f64,
    /// First second that does not.
    pub end: f64,
}

/// One metric of one subject, in recorded order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// What was measured, in snake case: `rss`, `heap_used`, `traced`.
    pub metric: String,
    /// Whom it was measured of: a process, an allocation site, a class; empty when the file has one subject.
    pub subject: String,
    /// Unit of the values.
    pub unit: Unit,
    /// What the seconds mean.
    pub time: TimeBase,
    /// Which rung of the signal ladder the values stand on; `None` lets the metric's name decide.
    pub signal: Option<Signal>,
    /// The measurements.
    pub points: Vec<Point>,
    /// Moments worth knowing, in any order.
    pub marks: Vec<Mark>,
    /// Named stretches, in any order.
    pub phases: Vec<Phase>,
}

impl Series {
    /// A series of values without time: each point's second and iteration are its number.
    pub fn from_values(metric: &str, unit: Unit, values: &[f64]) -> Self {
        let points = values
            .iter()
            .enumerate()
            .map(|(at, &value)| Point { iteration: Some(at as f64), ..Point::new(at as f64, value) })
            .collect();
        Self { metric: metric.into(), unit, time: TimeBase::PointNumber, points, ..Self::default() }
    }

    /// The rung the values stand on: as stated, else by the metric's name, else the plain heap.
    pub fn signal(&self) -> Signal {
        self.signal.unwrap_or_else(|| match Signal::of_metric(&self.metric) {
            Signal::Heap if self.unit == Unit::Count => Signal::Count,
            signal => signal,
        })
    }
}

impl Signal {
    /// The name used in options and output.
    pub fn name(self) -> &'static str {
        match self {
            Self::SiteAfterGc => "site_after_gc",
            Self::HeapAfterGc => "heap_after_gc",
            Self::Heap => "heap",
            Self::Rss => "rss",
            Self::Reserved => "reserved",
            Self::Count => "count",
        }
    }

    /// The signal with that [`Signal::name`].
    pub fn by_name(name: &str) -> Option<Self> {
        [Self::SiteAfterGc, Self::HeapAfterGc, Self::Heap, Self::Rss, Self::Reserved, Self::Count]
            .into_iter()
            .find(|signal| signal.name() == name)
    }

    /// What a metric of this name most likely is; names that say nothing count as the plain heap.
    pub fn of_metric(metric: &str) -> Self {
        let name = metric.to_ascii_lowercase();
        let has = |part: &str| name.contains(part);
        if has("site") && has("after_gc") {
            Self::SiteAfterGc
        } else if has("after_gc") || has("post_gc") || has("postgc") || has("aftergc") {
            Self::HeapAfterGc
        } else if ["peak", "max_rss", "high_water", "reserved", "heap_total", "heap_sys", "arena"]
            .iter()
            .any(|part| has(part))
        {
            Self::Reserved
        } else if ["rss", "pss", "resident", "vmrss", "working_set", "container_memory"].iter().any(|part| has(part)) {
            Self::Rss
        } else {
            Self::Heap
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_without_time_count_their_points() {
        let series = Series::from_values("heap_used", Unit::Bytes, &[5.0, 6.0]);
        assert_eq!(series.time, TimeBase::PointNumber);
        assert_eq!(series.points[1].iteration, Some(1.0));
        assert_eq!(series.signal(), Signal::Heap);
    }

    #[test]
    fn signals_are_known_by_name() {
        for (metric, signal) in [
            ("process_resident_memory_bytes", Signal::Rss),
            ("rss_mb", Signal::Rss),
            ("heap_after_gc", Signal::HeapAfterGc),
            ("heapTotal_reserved", Signal::Reserved),
            ("current_mb", Signal::Heap),
            ("go_memstats_heap_alloc_bytes", Signal::Heap),
        ] {
            assert_eq!(Signal::of_metric(metric), signal, "{metric}");
        }
        assert_eq!(Signal::by_name("rss"), Some(Signal::Rss));
        assert_eq!(Signal::by_name("memory"), None);
    }
}
