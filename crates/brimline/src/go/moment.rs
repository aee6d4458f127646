//! One capture with what its texts say.

use brimline_analysis::gc::Collector;
use brimline_profile::formats::go_memstats::MemStats;
use brimline_store::go_capture::{GoCaptureFolder, MEMSTATS, MEMSTATS_BEFORE, METRICS, captures, captures_of};
use brimline_store::{ResolvedRun, RunState, Timestamp};

/// A capture, and where in the run it lies.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    /// Its files.
    pub(crate) capture: GoCaptureFolder,
    /// Seconds since the start of the run.
    pub(crate) seconds: f64,
    /// Seconds until the end of the run, or until now while it goes on; `None` if nobody knows when it ended.
    pub(crate) age: Option<f64>,
}

/// The captures that a RUN means: those of its snapshot, else all, by time; `process` keeps one process's.
pub(crate) fn moments(run: &ResolvedRun, process: Option<u32>) -> anyhow::Result<Vec<Moment>> {
    let (folder, record) = (&run.entry.folder, &run.entry.record);
    let mut found = match &run.snapshot {
        Some(snapshot) => captures_of(folder, &snapshot.name)?,
        None => captures(folder)?,
    };
    found.retain(|capture| process.is_none_or(|wanted| wanted == capture.record.pid));
    let end = match run.entry.state {
        RunState::Ended => record.end.map(|end| end.at),
        RunState::Running => Some(Timestamp::now()),
        RunState::Interrupted => None,
    };
    let moment = |capture: GoCaptureFolder| Moment {
        seconds: capture.record.at.seconds_since(record.start).max(0.0),
        age: end.map(|end| end.seconds_since(capture.record.at).max(0.0)),
        capture,
    };
    Ok(found.into_iter().map(moment).collect())
}

impl Moment {
    /// The statistics after the collection.
    pub(crate) fn after(&self) -> Option<MemStats> {
        self.stats(MEMSTATS)
    }

    /// The statistics before it.
    pub(crate) fn before(&self) -> Option<MemStats> {
        self.stats(MEMSTATS_BEFORE)
    }

    fn stats(&self, file: &str) -> Option<MemStats> {
        MemStats::parse(&self.capture.text(file).ok()??)
    }

    /// The collector's figures, with the settings in force where the program tells them, else those it was started with.
    pub(crate) fn collector(&self) -> Option<Collector> {
        let before = self.before().or_else(|| self.after())?;
        let live = self.after().map_or(before.heap_alloc, |after| after.heap_alloc);
        let variable = |name: &str| {
            self.capture.record.environment.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
        };
        let mut collector = Collector::new(&before, live, variable("GOGC"), variable("GOMEMLIMIT"));
        let metrics = self.capture.text(METRICS).ok().flatten();
        let metrics = metrics.and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
        if let Some(metrics) = metrics {
            // The runtime's words for none are the largest numbers.
            let set =
                |name: &str, none: u64| metrics["metrics"][name].as_u64().map(|value| (value < none).then_some(value));
            collector.gogc = set("/gc/gogc:percent", u64::from(u32::MAX)).unwrap_or(collector.gogc);
            collector.memory_limit = set("/gc/gomemlimit:bytes", i64::MAX as u64).unwrap_or(collector.memory_limit);
        }
        Some(collector)
    }
}
