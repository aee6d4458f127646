//! Looks at processes that run already, without recording them.

use std::time::{Duration, Instant};

use brimline_store::RunFolder;
use brimline_store::series::Sample;

use crate::proc_files;
use crate::processes::Processes;
use crate::sampler;

/// A process, its children and theirs, sampled as often as the caller asks. What is kept does not grow with time.
#[derive(Debug)]
pub struct Watcher {
    processes: Processes,
    start: Instant,
    interval: Duration,
}

impl Watcher {
    /// Watches process `pid` and those below it; `folder` is its run, where it is recorded. `None` when there is no such
    /// process, or it is not ours to look at. `interval` is the time between samples, of which the costly figures take a
    /// small share.
    pub fn new(pid: u32, folder: Option<RunFolder>, interval: Duration) -> Option<Self> {
        proc_files::status(pid)?;
        let mut processes = Processes::new(pid, folder);
        processes.refresh();
        Some(Self { processes, start: Instant::now(), interval })
    }

    /// A sample of every living process with its command; empty once all have ended.
    pub fn sample(&mut self) -> Vec<(Sample, Vec<String>)> {
        self.processes.refresh();
        self.processes.forget_ended();
        let seconds = self.start.elapsed().as_secs_f64();
        let samples = sampler::sample(&mut self.processes, seconds, self.interval);
        let command = |processes: &mut Processes, pid| {
            processes.get_mut(pid).map(|watched| watched.record.command.clone()).unwrap_or_default()
        };
        samples
            .into_iter()
            .map(|sample| {
                let command = command(&mut self.processes, sample.pid);
                (sample, command)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_takes_less_than_a_millisecond_of_cpu_and_ends_with_the_process() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let mut watcher = Watcher::new(child.id(), None, Duration::from_secs(1)).unwrap();
        let before = cpu();
        for _ in 0..200 {
            let samples = watcher.sample();
            assert!(samples.len() == 1 && samples[0].0.rss_bytes > Some(0) && samples[0].1[0] == "sleep");
        }
        let each = (cpu() - before) / 200.0;
        assert!(each < 0.001, "{each} s a sample");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(watcher.sample().is_empty());
        assert!(Watcher::new(child.id(), None, Duration::from_secs(1)).is_none());
    }

    /// User and system seconds of this thread.
    fn cpu() -> f64 {
        let text = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let fields: Vec<&str> = text[text.rfind(')').unwrap() + 1..].split_whitespace().collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
    }
}
