//! Decides when a snapshot is due.

use std::time::Duration;

use crate::cgroup::MemoryGroup;
use crate::plan::{SnapshotThreshold, SnapshotTriggers};
use crate::proc_files;
use crate::signals::signal_name;

/// From this share of a threshold on, memory is looked at more often.
const NEAR: f64 = 0.7;

/// A snapshot to take now: its name and what asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) name: String,
    pub(crate) trigger: String,
    /// Memory may run out: better soon than clean.
    pub(crate) is_urgent: bool,
}

/// The triggers of one run.
#[derive(Debug)]
pub(crate) struct Triggers {
    plan: SnapshotTriggers,
    group: Option<MemoryGroup>,
    physical: Option<u64>,
    next_every: Option<Duration>,
    every_count: u32,
    signal_count: u32,
    fired: Vec<bool>,
}

impl Triggers {
    pub(crate) fn new(plan: &SnapshotTriggers) -> Self {
        let has_share = plan.at.iter().any(|threshold| matches!(threshold, SnapshotThreshold::Share(_)));
        Self {
            plan: plan.clone(),
            group: if has_share { crate::cgroup::memory_group() } else { None },
            physical: if has_share { proc_files::physical_memory() } else { None },
            next_every: plan.every,
            every_count: 0,
            signal_count: 0,
            fired: vec![false; plan.at.len()],
        }
    }

    /// Whether a threshold is still to be met, so that memory must be looked at between samples.
    pub(crate) fn watches_memory(&self) -> bool {
        self.fired.contains(&false)
    }

    /// When the next snapshot by time is due.
    pub(crate) fn next_time(&self) -> Option<Duration> {
        self.next_every
    }

    /// A snapshot by time.
    pub(crate) fn by_time(&mut self, elapsed: Duration) -> Option<Due> {
        let every = self.plan.every?;
        let next = self.next_every?;
        if elapsed < next {
            return None;
        }
        // After a pause (suspend, a stop by Ctrl-Z) one snapshot, not one for each time missed.
        let periods = (elapsed.as_nanos() / every.as_nanos().max(1)) as u32 + 1;
        self.next_every = Some(every.saturating_mul(periods));
        self.every_count += 1;
        let trigger = format!("every {}s", every.as_secs_f64());
        Some(Due { name: format!("every-{}", self.every_count), trigger, is_urgent: false })
    }

    /// Whether `signal` asks for a snapshot.
    pub(crate) fn by_signal(&mut self, signal: i32) -> Option<Due> {
        (self.plan.on_signal == Some(signal)).then(|| {
            self.signal_count += 1;
            let name = signal_name(signal);
            Due {
                name: format!("{}-{}", name.to_ascii_lowercase(), self.signal_count),
                trigger: format!("signal {name}"),
                is_urgent: false,
            }
        })
    }

    /// A program of the run got SIGUSR2 and has no use for it.
    pub(crate) fn by_program(&mut self) -> Due {
        self.signal_count += 1;
        let name = format!("sigusr2-{}", self.signal_count);
        Due { name, trigger: "SIGUSR2 to the program".to_owned(), is_urgent: false }
    }

    /// Snapshots whose threshold is met by `rss` resident bytes, and whether another threshold is near.
    pub(crate) fn by_memory(&mut self, rss: u64) -> (Vec<Due>, bool) {
        let mut due = Vec::new();
        let mut is_near = false;
        for (threshold, fired) in self.plan.at.iter().zip(&mut self.fired) {
            if *fired {
                continue;
            }
            let fraction = match threshold {
                SnapshotThreshold::Bytes(bytes) => rss as f64 / *bytes as f64,
                SnapshotThreshold::Share(share) => used_share(self.group.as_ref(), self.physical, rss) / share,
            };
            if fraction >= 1.0 {
                *fired = true;
                due.push(Due { name: format!("at-{threshold}"), trigger: format!("at {threshold}"), is_urgent: true });
            } else if fraction >= NEAR {
                is_near = true;
            }
        }
        (due, is_near)
    }
}

fn used_share(group: Option<&MemoryGroup>, physical: Option<u64>, rss: u64) -> f64 {
    // The group's own count holds page cache, which the kernel drops before it kills: the run's resident bytes alone
    // would miss other processes in the group, the group's count would fire on a big copy. The file cache is bounded
    // by what is not resident, so the larger of both is used only when the run itself holds at least half of it.
    match (group, physical) {
        (Some(group), _) => {
            let usage = group.usage().unwrap_or(rss);
            let used = if rss.saturating_mul(2) >= usage { usage.max(rss) } else { rss };
            used as f64 / group.limit.max(1) as f64
        }
        (None, Some(physical)) => rss as f64 / physical.max(1) as f64,
        (None, None) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fires_once_for_each_threshold_and_says_when_near() {
        let plan = SnapshotTriggers { at: vec![SnapshotThreshold::Bytes(1000)], ..SnapshotTriggers::default() };
        let mut triggers = Triggers::new(&plan);
        assert_eq!(triggers.by_memory(600), (vec![], false));
        assert_eq!(triggers.by_memory(700), (vec![], true));
        assert_eq!(triggers.by_memory(1000).0.len(), 1);
        assert!(!triggers.watches_memory());
        assert_eq!(triggers.by_memory(2000), (vec![], false));
    }

    #[test]
    fn keeps_time_over_a_pause() {
        let every = Some(Duration::from_secs(10));
        let mut triggers = Triggers::new(&SnapshotTriggers { every, ..SnapshotTriggers::default() });
        assert_eq!(triggers.by_time(Duration::from_secs(9)), None);
        assert_eq!(triggers.by_time(Duration::from_secs(10)).unwrap().name, "every-1");
        assert_eq!(triggers.by_time(Duration::from_secs(11)), None);
        assert_eq!(triggers.by_time(Duration::from_secs(95)).unwrap().name, "every-2");
        assert_eq!(triggers.next_time(), Some(Duration::from_secs(100)));
    }
}
