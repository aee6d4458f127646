//! What to record, resolved from the user's options.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use brimline_store::{Location, RunName};

use crate::go::GoPlan;
use crate::node::NodePlan;
use crate::phases::PhasePlan;

/// Everything [`crate::record`] needs to know.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The command as typed; the first word is looked up in `PATH`.
    pub command: Vec<OsString>,
    /// Where runs are kept.
    pub store: Location,
    /// The user's name for the run.
    pub name: Option<RunName>,
    /// The tracker's shared object, or why the run has no allocation tracking.
    pub tracker: Result<PathBuf, String>,
    /// Further environment for the program, such as settings of the tracker.
    pub environment: Vec<(OsString, OsString)>,
    /// Time between two samples.
    pub interval: Duration,
    /// When to take snapshots unasked.
    pub triggers: SnapshotTriggers,
    /// What to do about Go programs.
    pub go: GoPlan,
    /// What to do about Node programs; `None` leaves them alone.
    pub node: Option<NodePlan>,
    /// The load to put on the program, and what happens around it.
    pub phases: Option<PhasePlan>,
}

impl Plan {
    /// A plan with the defaults: a sample a second, no snapshots unasked.
    pub fn new(command: Vec<OsString>, store: Location, tracker: Result<PathBuf, String>) -> Self {
        Self {
            command,
            store,
            name: None,
            tracker,
            environment: Vec::new(),
            interval: Duration::from_secs(1),
            triggers: SnapshotTriggers::default(),
            go: GoPlan::default(),
            node: None,
            phases: None,
        }
    }
}

/// When to take snapshots unasked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SnapshotTriggers {
    /// Again and again after this time.
    pub every: Option<Duration>,
    /// When brimline receives this signal, which then is not passed on to the program.
    pub on_signal: Option<i32>,
    /// Once for each threshold, when memory first reaches it.
    pub at: Vec<SnapshotThreshold>,
}

/// An amount of memory that triggers a snapshot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SnapshotThreshold {
    /// Resident bytes of all processes of the run together.
    Bytes(u64),
    /// This share (0 to 1) of the memory limit: the control group's use against its limit, else the run's resident
    /// bytes against the machine's memory.
    Share(f64),
}

impl SnapshotThreshold {
    /// Reads `85%`, `1.5G`, `800M`, `1GiB`, `1000000`; units are powers of 1024.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some(percent) = text.strip_suffix('%') {
            let share = percent.trim().parse::<f64>().ok()? / 100.0;
            return (share > 0.0 && share <= 1.0).then_some(Self::Share(share));
        }
        let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let number = number.parse::<f64>().ok().filter(|number| *number > 0.0)?;
        let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kb" | "kib" => 1 << 10,
            "m" | "mb" | "mib" => 1 << 20,
            "g" | "gb" | "gib" => 1 << 30,
            "t" | "tb" | "tib" => 1 << 40,
            _ => return None,
        };
        Some(Self::Bytes((number * factor as f64) as u64))
    }
}

impl std::fmt::Display for SnapshotThreshold {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Share(share) => write!(formatter, "{:.0}%", share * 100.0),
            Self::Bytes(bytes) if *bytes >= 1 << 30 => {
                write!(formatter, "{:.1}G", *bytes as f64 / (1_u64 << 30) as f64)
            }
            Self::Bytes(bytes) => write!(formatter, "{:.1}M", *bytes as f64 / (1_u64 << 20) as f64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SnapshotThreshold;

    #[test]
    fn reads_shares_and_sizes() {
        assert_eq!(SnapshotThreshold::parse("85%"), Some(SnapshotThreshold::Share(0.85)));
        assert_eq!(SnapshotThreshold::parse("1.5G"), Some(SnapshotThreshold::Bytes(3 << 29)));
        assert_eq!(SnapshotThreshold::parse("800 MiB"), Some(SnapshotThreshold::Bytes(800 << 20)));
        assert_eq!(SnapshotThreshold::parse("1000"), Some(SnapshotThreshold::Bytes(1000)));
        for text in ["", "%", "0%", "120%", "-1G", "x", "1Q", "0"] {
            assert_eq!(SnapshotThreshold::parse(text), None, "{text}");
        }
    }
}
