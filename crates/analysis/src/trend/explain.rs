//! Verdicts in words for someone who has never read a heap profile.

use brimline_profile::series::Unit;

use super::report::VerdictReport;
use super::verdict::Verdict;

/// The words a verdict from resident memory alone must carry.
pub const RSS_CAVEAT: &str = "the process grows; not shown to be your code";

/// Growth over the run that is less than this share of the level is called small.
const SMALL: f64 = 0.035;
const SECONDS_PER_DAY: f64 = 86_400.0;

/// Two sentences: what was seen, and what it means. `level` is where the series ended, `length`
/// how long the run was in steps of the slope's axis.
pub(crate) fn explain(report: &VerdictReport, unit: Unit, level: f64, length: f64) -> String {
    let rate = report
        .slope
        .per_iteration
        .or(report.slope.per_request)
        .or(report.slope.per_second)
        .map_or_else(|| "an unknown amount".into(), |value| amount(value, unit));
    let per = report.slope.per;
    let metric = &report.metric;
    match report.verdict {
        Verdict::Steady if report.signal == "rss" => format!(
            "`{metric}` stayed at one level after the start{}. A small leak can hide in pages the process already has, so this is no proof of none.",
            report.slope.high.filter(|high| *high > 0.0).map_or_else(String::new, |high| format!(
                "; growth by more than {} in such a run is ruled out",
                amount(high * length, unit)
            ))
        ),
        Verdict::Steady => format!("`{metric}` stayed at one level after the start. Nothing in it points to a leak."),
        Verdict::WarmUpPlateau => format!(
            "`{metric}` grew at first and then stopped{}. That is what caches and pools do while they fill, not a leak.",
            report.plateau.map_or_else(String::new, |level| format!(" near {}", amount(level, unit)))
        ),
        Verdict::LinearLeak if report.signal == "rss" => {
            format!(
                "`{metric}` grows by about {rate} per {per} and shows no end: {RSS_CAVEAT}. Measure the live heap after a collection to see whether your objects are behind it."
            )
        }
        Verdict::LinearLeak => {
            format!(
                "`{metric}` grows by about {rate} per {per} and shows no end{}. Something is kept {} and never let go.",
                small(report, unit, level),
                if per == "second" { "as the program goes on".to_owned() } else { format!("on every {per}") }
            )
        }
        Verdict::StepwiseGrowth => {
            let caveat = if report.signal == "rss" { format!(": {RSS_CAVEAT}") } else { String::new() };
            format!(
                "`{metric}` climbs in steps, about {rate} per {per} on average, and never comes back{caveat}. Something that happens now and then keeps memory each time."
            )
        }
        Verdict::Spikes => format!(
            "`{metric}` is level but jumps up for short moments. Memory is given back each time, so watch the peak rather than the trend."
        ),
        Verdict::GcSawtooth => format!(
            "`{metric}` rises and falls with garbage collection, and the low points stay level. That is normal: garbage piles up until it is collected."
        ),
        Verdict::FragmentationOrNative => format!(
            "`{metric}` grows while the live heap does not. The allocator's free space or memory outside the managed heap (a C library, buffers, threads) is growing, not your objects."
        ),
        Verdict::Fluctuating => format!(
            "`{metric}` goes up and down by large amounts. Repeat with a constant load to tell growth from load."
        ),
        Verdict::InsufficientData => format!(
            "The values of `{metric}` do not decide between a leak and growth that settles. To know, record {}.",
            report.needs.as_deref().unwrap_or("a longer run")
        ),
    }
}

/// What a leak that is small in this run comes to in a day, or in a million iterations where there is no clock.
fn small(report: &VerdictReport, unit: Unit, level: f64) -> String {
    let slope = &report.slope;
    if report.growth.is_none_or(|growth| growth >= SMALL * level.abs()) {
        return String::new();
    }
    let in_the_long_run = slope.per_second.map(|rate| (rate * SECONDS_PER_DAY, "in a day at this pace".to_owned()));
    let counted =
        slope.per_iteration.or(slope.per_request).map(|rate| (rate * 1e6, format!("in a million {}s", slope.per)));
    in_the_long_run.or(counted).map_or_else(String::new, |(total, when)| {
        format!("; a small leak beside {}, but {} {when}", amount(level, unit), amount(total, unit))
    })
}

/// `1.5 MiB`, `-3 KiB`, `12` for counts.
pub fn amount(value: f64, unit: Unit) -> String {
    if unit != Unit::Bytes {
        return format!("{value:.2}");
    }
    let (mut size, mut names) = (value, ["B", "KiB", "MiB", "GiB", "TiB"].iter());
    let mut name = names.next();
    while size.abs() >= 1024.0 {
        let Some(next) = names.next() else { break };
        size /= 1024.0;
        name = Some(next);
    }
    if size.abs() >= 1e6 {
        return format!("{size:.1e} {}", name.unwrap_or(&"B"));
    }
    let digits = usize::from(size.abs() < 100.0 && size != size.round());
    format!("{size:.digits$} {}", name.unwrap_or(&"B"))
}

/// What a metric means, for `--explain`; `None` for one that is not known.
pub fn metric_meaning(metric: &str) -> Option<&'static str> {
    use brimline_profile::series::Signal;
    let name = metric.to_ascii_lowercase();
    let own = match &*name {
        "pss" => "resident memory with pages that several processes share divided among them",
        "uss" => "resident memory that no other process shares: what ending the process would free",
        "swap" => "memory of the process that was moved to disk",
        "shared" => "resident pages of shared memory (shm_open, tmpfs, shared mappings)",
        "mapped_file" => "resident pages of files: libraries, mapped data; the kernel can drop and reread them",
        "minor_faults" => "pages that the process touched for the first time, so far; served from memory",
        "major_faults" => "pages that had to be read from disk, so far",
        "cgroup" => "memory charged to the control group, page cache included",
        "cgroup_limit" => "the control group's memory limit",
        "cgroup_limit_hits" => "how often the control group met its limit",
        "cgroup_oom_kills" => "processes of the control group killed for memory",
        "load_rate" => "requests, runs or calls per second that the workload made",
        "allocation_rate" => "bytes allocated per second between two captures, freed ones included",
        _ => "",
    };
    if !own.is_empty() {
        return Some(own);
    }
    Some(match Signal::of_metric(metric) {
        Signal::Rss => "memory pages of the process that are in RAM now, freed memory the allocator keeps included",
        Signal::HeapAfterGc => "bytes of objects still reachable after a garbage collection",
        Signal::SiteAfterGc => {
            "bytes allocated at one place in the code and still reachable after a garbage collection"
        }
        Signal::Reserved if ["peak", "max_", "high_water"].iter().any(|part| name.contains(part)) => {
            "the highest value so far, which never falls"
        }
        Signal::Reserved => "memory the runtime or allocator has taken from the system, used or not",
        _ if name.contains("fds") => "file descriptors the process has open: files, sockets, pipes",
        _ if name.contains("threads") => "threads of the process",
        _ if name.contains("goroutines") => "goroutines that have started and not ended",
        Signal::Count => "things that exist at that moment, garbage not yet collected included",
        Signal::Heap
            if ["heap", "traced", "current", "alloc", "live", "used"].iter().any(|part| name.contains(part)) =>
        {
            "bytes of objects in the heap at that moment, garbage not yet collected included"
        }
        Signal::Heap => return None,
    })
}
