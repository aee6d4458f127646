//! How Go's collector does, and what to change where it does badly.

use brimline_profile::formats::go_memstats::MemStats;

/// Collections that take more of the processor's time than this slow a program down.
const HIGH_SHARE: f64 = 0.10;
/// From this share of the limit on, the collector works against it.
const NEAR_LIMIT: f64 = 0.9;
/// Of the control group's limit the program should take no more than this, so that the rest fits too.
const GROUP_SHARE: f64 = 0.9;
/// Less than this is not worth an advice.
const WORTH: u64 = 32 << 20;

/// The collector's settings and figures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Collector {
    /// Collections made.
    pub count: u64,
    /// Of these, asked for.
    pub forced: u64,
    /// Median and highest pause of the latest collections, nanoseconds.
    pub pauses_ns: Option<(u64, u64)>,
    /// Share of the processor's time since the start.
    pub cpu_share: f64,
    /// Heap size at which the next one begins.
    pub next_target: u64,
    /// Percent; `None` for off.
    pub gogc: Option<u64>,
    /// Bytes; `None` without a limit.
    pub memory_limit: Option<u64>,
    /// Bytes that the runtime holds from the system, what it gave back not counted.
    pub held: u64,
    /// Reachable bytes.
    pub live: u64,
}

impl Collector {
    /// From the statistics and the settings `GOGC` and `GOMEMLIMIT`.
    pub fn new(stats: &MemStats, live: u64, gogc: Option<&str>, limit: Option<&str>) -> Self {
        let mut pauses = stats.pauses_ns.clone();
        pauses.sort_unstable();
        Self {
            count: stats.num_gc,
            forced: stats.num_forced_gc,
            pauses_ns: pauses.last().map(|highest| (pauses[pauses.len() / 2], *highest)),
            cpu_share: stats.gc_cpu_fraction,
            next_target: stats.next_gc,
            gogc: match gogc {
                Some("off") => None,
                Some(text) => text.parse().ok().or(Some(100)),
                None => Some(100),
            },
            memory_limit: limit.and_then(memory_limit),
            held: stats.sys.saturating_sub(stats.heap_released),
            live,
        }
    }

    /// What to do, one sentence each; `group` is the control group's limit, `foreign` are resident bytes that are not Go's.
    pub fn advice(&self, group: Option<u64>, foreign: u64, bytes: fn(i64) -> String) -> Vec<String> {
        let bytes = |value: u64| bytes(value as i64);
        let mut advice = Vec::new();
        let presses = self.memory_limit.filter(|limit| self.held as f64 >= NEAR_LIMIT * *limit as f64);
        match presses {
            Some(limit) if self.live as f64 >= NEAR_LIMIT * limit as f64 => advice.push(format!(
                "live objects ({}) fill GOMEMLIMIT ({}): the collector runs without end and cannot help; raise the limit above {} or hold less",
                bytes(self.live),
                bytes(limit),
                bytes(self.live * 3 / 2)
            )),
            Some(limit) if self.cpu_share >= HIGH_SHARE => advice.push(format!(
                "the collector takes {:.0} % of the processor to stay below GOMEMLIMIT ({}); {} of it are live: raise the limit",
                self.cpu_share * 100.0,
                bytes(limit),
                bytes(self.live)
            )),
            _ if self.cpu_share >= HIGH_SHARE => advice.push(format!(
                "the collector takes {:.0} % of the processor: a higher GOGC (now {}) trades memory for it",
                self.cpu_share * 100.0,
                self.gogc.map_or("off".to_owned(), |percent| percent.to_string())
            )),
            _ => {}
        }
        match (group, self.memory_limit) {
            (Some(group), Some(limit)) if limit > group => advice.push(format!(
                "GOMEMLIMIT ({}) lies above the control group's limit ({}): the kernel kills before the collector presses; set GOMEMLIMIT to {}",
                bytes(limit),
                bytes(group),
                bytes((group as f64 * GROUP_SHARE) as u64)
            )),
            (Some(group), None) => advice.push(format!(
                "the control group allows {} and GOMEMLIMIT is not set: the heap may grow to twice its live size before a collection; set GOMEMLIMIT to about {}",
                bytes(group),
                bytes((group as f64 * GROUP_SHARE) as u64)
            )),
            _ => {}
        }
        if self.gogc.is_none() && self.memory_limit.is_none() {
            advice.push("GOGC is off and there is no GOMEMLIMIT: nothing is ever collected".to_owned());
        }
        if foreign > WORTH && foreign > self.held {
            advice.push(format!(
                "most of the resident memory ({}) is not Go's: look at cgo and mmap, no Go profile shows it",
                bytes(foreign)
            ));
        }
        advice
    }
}

/// `GOMEMLIMIT`: bytes, or with one of the units B, KiB, MiB, GiB, TiB; `None` for `off` and for what Go refuses.
pub fn memory_limit(text: &str) -> Option<u64> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let shift = match unit {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => return None,
    };
    let limit = number.parse::<u64>().ok()?.checked_mul(1 << shift)?;
    // The runtime's word for no limit.
    (limit < i64::MAX as u64).then_some(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: i64) -> String {
        format!("{value}")
    }

    #[test]
    fn a_limit_that_is_full_is_told_from_one_that_presses() {
        let stats = |share| MemStats { sys: 100, heap_released: 5, gc_cpu_fraction: share, ..MemStats::default() };
        let advice =
            |live, share| Collector::new(&stats(share), live, None, Some("100B")).advice(None, 0, text).join("; ");
        assert!(advice(95, 0.3).contains("fill GOMEMLIMIT"), "{}", advice(95, 0.3));
        assert!(advice(50, 0.3).contains("to stay below GOMEMLIMIT"));
        assert_eq!(advice(50, 0.01), "");
        let other = Collector::new(&stats(0.2), 50, Some("50"), None).advice(Some(1000), 0, text);
        assert!(other[0].contains("now 50") && other[1].contains("about 900"), "{other:?}");
        assert!(Collector::new(&stats(0.0), 1, Some("off"), None).advice(None, 0, text)[0].contains("nothing is ever"));
    }

    #[test]
    fn limits_are_read_as_go_does() {
        assert_eq!(memory_limit("512MiB"), Some(512 << 20));
        assert_eq!(memory_limit("1000"), Some(1000));
        for text in ["off", "", "1G", "-1", "9223372036854775807"] {
            assert_eq!(memory_limit(text), None, "{text}");
        }
    }
}
