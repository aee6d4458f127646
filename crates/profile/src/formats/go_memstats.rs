//! Go's `runtime.MemStats` as `net/http/pprof` writes it behind the heap profile's text (`heap?debug=1`).
//!
//! Lines `# Name = value`, a few with two values `in use / from the system`; written by Go 1.5 and later.
//! Every number is in bytes or a count, as the field of the same name in Go's documentation.

/// The runtime's statistics at one moment. A field that the text lacks is 0.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemStats {
    /// Obtained from the system, reserved address space not counted.
    pub sys: u64,
    /// Bytes allocated, of live objects and of garbage that is not collected yet.
    pub heap_alloc: u64,
    /// Objects of [`Self::heap_alloc`].
    pub heap_objects: u64,
    /// Obtained for the heap.
    pub heap_sys: u64,
    /// In spans without objects, [`Self::heap_released`] included.
    pub heap_idle: u64,
    /// In spans with objects.
    pub heap_inuse: u64,
    /// Given back to the system.
    pub heap_released: u64,
    /// Stacks of goroutines.
    pub stack_inuse: u64,
    /// Those, and the stacks of threads that the system gave.
    pub stack_sys: u64,
    /// The runtime's own bookkeeping: spans, caches, profiling buckets, the collector, other.
    pub metadata_sys: u64,
    /// Ever allocated.
    pub total_alloc: u64,
    /// Heap size at which the next collection begins.
    pub next_gc: u64,
    /// Collections made.
    pub num_gc: u64,
    /// Of these, asked for by the program.
    pub num_forced_gc: u64,
    /// Share of the processor's time that collections took since the start.
    pub gc_cpu_fraction: f64,
    /// Pauses of the latest collections, newest last, at most 256, in nanoseconds.
    pub pauses_ns: Vec<u64>,
    /// Highest resident set, where the runtime tells it.
    pub max_rss: Option<u64>,
}

impl MemStats {
    /// Reads the text; `None` if it holds no statistics.
    pub fn parse(text: &str) -> Option<Self> {
        let mut stats = Self::default();
        let mut seen = false;
        let mut pauses = Vec::new();
        for line in text.lines() {
            let Some((name, value)) = line.strip_prefix("# ").and_then(|line| line.split_once(" = ")) else { continue };
            let (first, second) = value.split_once(" / ").unwrap_or((value, ""));
            let number = || first.trim().parse::<u64>().unwrap_or(0);
            let system = || second.trim().parse::<u64>().unwrap_or(0);
            match name {
                "Sys" => stats.sys = number(),
                "HeapAlloc" => {
                    stats.heap_alloc = number();
                    seen = true;
                }
                "HeapObjects" => stats.heap_objects = number(),
                "HeapSys" => stats.heap_sys = number(),
                "HeapIdle" => stats.heap_idle = number(),
                "HeapInuse" => stats.heap_inuse = number(),
                "HeapReleased" => stats.heap_released = number(),
                "Stack" => (stats.stack_inuse, stats.stack_sys) = (number(), system()),
                "MSpan" | "MCache" => stats.metadata_sys += system(),
                "BuckHashSys" | "GCSys" | "OtherSys" => stats.metadata_sys += number(),
                "TotalAlloc" => stats.total_alloc = number(),
                "NextGC" => stats.next_gc = number(),
                "NumGC" => stats.num_gc = number(),
                "NumForcedGC" => stats.num_forced_gc = number(),
                "GCCPUFraction" => stats.gc_cpu_fraction = value.trim().parse().unwrap_or(0.0),
                "PauseNs" => pauses = list(value),
                "MaxRSS" => stats.max_rss = Some(number()).filter(|value| *value > 0),
                _ => {}
            }
        }
        stats.pauses_ns = in_order(&pauses, stats.num_gc);
        seen.then_some(stats)
    }
}

/// `[1 2 3]`.
fn list(value: &str) -> Vec<u64> {
    let inner = value.trim().trim_start_matches('[').trim_end_matches(']');
    inner.split_whitespace().filter_map(|number| number.parse().ok()).collect()
}

/// The list is a ring in which collection n, counted from 1, has place (n + 255) % 256.
fn in_order(ring: &[u64], count: u64) -> Vec<u64> {
    let length = ring.len() as u64;
    if length == 0 {
        return Vec::new();
    }
    let first = count.saturating_sub(length) + 1;
    (first..=count).map(|number| ring[((number + length - 1) % length) as usize]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "heap profile: 1: 2 [3: 4] @ heap/1048576\n\n# runtime.MemStats\n# Alloc = 5\n# Sys = 100\n\
        # HeapAlloc = 40\n# HeapSys = 60\n# HeapIdle = 15\n# HeapInuse = 45\n# HeapReleased = 10\n# Stack = 4 / 6\n\
        # MSpan = 1 / 2\n# MCache = 1 / 3\n# BuckHashSys = 4\n# GCSys = 5\n# OtherSys = 6\n# NextGC = 80\n\
        # PauseNs = [7 8 9 0]\n# NumGC = 3\n# NumForcedGC = 1\n# GCCPUFraction = 0.25\n# MaxRSS = 123\n";

    #[test]
    fn reads_the_tail_of_the_heap_profile() {
        let stats = MemStats::parse(TEXT).unwrap();
        assert_eq!((stats.heap_alloc, stats.stack_inuse, stats.stack_sys, stats.metadata_sys), (40, 4, 6, 20));
        assert_eq!((stats.num_gc, stats.gc_cpu_fraction, stats.max_rss), (3, 0.25, Some(123)));
        assert_eq!(stats.pauses_ns, [7, 8, 9]);
        assert_eq!(MemStats::parse("<html>"), None);
    }

    #[test]
    fn pauses_come_in_the_order_of_time() {
        assert_eq!(in_order(&[5, 6, 3, 4], 6), [3, 4, 5, 6]);
        assert_eq!(in_order(&[], 6), [0; 0]);
    }
}
