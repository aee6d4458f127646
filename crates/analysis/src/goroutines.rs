//! Which goroutines pile up: grouped by where they were created and what they wait for, compared between captures.

use std::collections::{BTreeMap, HashMap};

use brimline_profile::formats::go_goroutines::{Goroutine, GoroutineFrame};
use brimline_profile::{Profile, StackId};

/// What the goroutines of a group have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupKey {
    /// The `go` statement; `None` where the capture does not tell it.
    pub created_by: Option<GoroutineFrame>,
    /// The function that was started.
    pub entry: String,
    /// What they wait for, or `running`.
    pub state: String,
    /// The innermost call of the program itself, or of a package it uses; of the standard library where there is no other.
    pub blocked_at: Option<GoroutineFrame>,
}

/// The goroutines of one group in one capture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// How many.
    pub count: u64,
    /// The longest wait in minutes; `None` where the capture does not tell it.
    pub minutes: Option<u64>,
    /// Calls of one of them, innermost first.
    pub frames: Vec<GoroutineFrame>,
    /// Labels with their values, each with the number of goroutines that have it.
    pub labels: BTreeMap<(String, String), u64>,
}

/// All goroutines of one capture.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Census {
    /// Seconds since the start of the run.
    pub seconds: f64,
    /// How many goroutines there are.
    pub total: u64,
    /// By group.
    pub groups: BTreeMap<GroupKey, Group>,
}

/// A group over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Growth {
    /// What it is.
    pub key: GroupKey,
    /// How many there were in each capture.
    pub counts: Vec<u64>,
    /// The group as last seen.
    pub last: Group,
    /// Time of the first capture that had more than the first one.
    pub since_seconds: Option<f64>,
}

impl Growth {
    /// How many more there are at the end.
    pub fn delta(&self) -> i64 {
        let end = |count: Option<&u64>| count.copied().unwrap_or(0) as i64;
        end(self.counts.last()) - end(self.counts.first())
    }

    /// Whether there never were fewer than a capture before.
    pub fn never_shrank(&self) -> bool {
        self.counts.is_sorted()
    }
}

impl Census {
    /// From goroutines as text; `leaked` keeps those alone that the runtime found to be so.
    pub fn of_text(seconds: f64, goroutines: &[Goroutine], leaked: bool) -> Self {
        let mut census = Self { seconds, ..Self::default() };
        for goroutine in goroutines.iter().filter(|goroutine| !leaked || goroutine.leaked) {
            let key = GroupKey {
                created_by: goroutine.created_by.clone(),
                entry: goroutine.frames.last().map(|frame| frame.function.clone()).unwrap_or_default(),
                state: goroutine.state.clone(),
                blocked_at: blocked_at(&goroutine.frames),
            };
            census.total += 1;
            let group = census.groups.entry(key).or_default();
            group.count += 1;
            group.minutes = group.minutes.max(Some(goroutine.minutes));
            if group.frames.is_empty() {
                group.frames.clone_from(&goroutine.frames);
            }
        }
        census
    }

    /// From the profile `goroutine` or `goroutineleak`, which knows labels, but neither creators nor times.
    pub fn of_profile(seconds: f64, profile: &Profile) -> Self {
        let mut census = Self { seconds, ..Self::default() };
        for (sample, values) in profile.samples() {
            let count = values.first().copied().unwrap_or(0).max(0) as u64;
            let frames = frames(profile, sample.stack);
            let shown: Vec<GoroutineFrame> =
                frames.iter().skip_while(|frame| is_machinery(&frame.function)).cloned().collect();
            let shown = if shown.is_empty() { frames.clone() } else { shown };
            let key = GroupKey {
                created_by: None,
                entry: shown.last().map(|frame| frame.function.clone()).unwrap_or_default(),
                state: waits_for(&frames).to_owned(),
                blocked_at: blocked_at(&shown),
            };
            census.total += count;
            let group = census.groups.entry(key).or_default();
            group.count += count;
            if group.frames.is_empty() {
                group.frames = shown;
            }
            for (name, value) in profile.labels(sample.labels) {
                *group.labels.entry((name.to_owned(), value.to_owned())).or_default() += count;
            }
        }
        census
    }

    /// Takes creators and times from a capture that has them, where a group can only be one of its groups.
    pub fn explain_by(&mut self, text: &Self) {
        let place = |key: &GroupKey| (key.entry.clone(), key.blocked_at.clone());
        let mut known: HashMap<_, Vec<(&GroupKey, &Group)>> = HashMap::new();
        for (key, group) in &text.groups {
            known.entry(place(key)).or_default().push((key, group));
        }
        for (mut key, mut group) in std::mem::take(&mut self.groups) {
            if let Some([(same, explained)]) = known.get(&place(&key)).map(|found| &found[..]) {
                key.created_by.clone_from(&same.created_by);
                group.minutes = group.minutes.max(explained.minutes);
            }
            self.groups.insert(key, group);
        }
    }

    /// Without creators and lines, so that captures of different kinds can be compared.
    fn plain(&self) -> BTreeMap<GroupKey, u64> {
        let mut groups = BTreeMap::new();
        for (key, group) in &self.groups {
            let key = GroupKey { created_by: None, state: String::new(), ..key.clone() };
            *groups.entry(key).or_insert(0) += group.count;
        }
        groups
    }
}

/// Every group of the last capture with its counts in all of them, most growth first.
///
/// Captures may be of both kinds. Groups are the same where started function and blocking line are: what one of several
/// creators of the same function did is told apart only by the last capture, which shares the earlier counts out by size.
pub fn growth(captures: &[Census]) -> Vec<Growth> {
    let Some(last) = captures.last() else { return Vec::new() };
    let plain: Vec<BTreeMap<GroupKey, u64>> = captures.iter().map(Census::plain).collect();
    let mut rows: Vec<Growth> = last
        .groups
        .iter()
        .map(|(key, group)| {
            let shared = GroupKey { created_by: None, state: String::new(), ..key.clone() };
            let whole = plain.last().and_then(|groups| groups.get(&shared)).copied().unwrap_or(0).max(1);
            let part = |groups: &BTreeMap<GroupKey, u64>| {
                let count = groups.get(&shared).copied().unwrap_or(0);
                (count as f64 * group.count as f64 / whole as f64).round() as u64
            };
            let counts: Vec<u64> = plain.iter().map(part).collect();
            let first = counts.first().copied().unwrap_or(0);
            let since = counts.iter().zip(captures).find(|(count, _)| **count > first);
            Growth {
                key: key.clone(),
                last: group.clone(),
                since_seconds: since.map(|(_, census)| census.seconds),
                counts,
            }
        })
        .collect();
    rows.sort_by_key(|row| (std::cmp::Reverse((row.delta(), row.last.count)), row.key.clone()));
    rows
}

/// What tests have left behind: every goroutine at their end but the main one and that which waits for signals, which never
/// ends. Most first.
pub fn left_over(end: &Census) -> Vec<Growth> {
    let stays = |key: &GroupKey| matches!(key.entry.as_str(), "main.main" | "runtime.main" | "os/signal.loop");
    let mut rows = growth(std::slice::from_ref(end));
    rows.retain(|row| !stays(&row.key));
    for row in &mut rows {
        row.counts = vec![0, row.last.count];
        row.since_seconds = None;
    }
    rows
}

fn frames(profile: &Profile, stack: StackId) -> Vec<GoroutineFrame> {
    profile
        .frames_of(stack)
        .map(|frame| {
            let function = profile.function_of(frame);
            GoroutineFrame {
                function: profile.strings.get(function.name).to_owned(),
                file: profile.strings.get(function.file).to_owned(),
                line: profile.frames[frame.0 as usize].line,
            }
        })
        .collect()
}

/// The innermost call outside the standard library; without one, the innermost that is not the scheduler's.
fn blocked_at(frames: &[GoroutineFrame]) -> Option<GoroutineFrame> {
    frames
        .iter()
        .find(|frame| !is_standard(&frame.function))
        .or_else(|| frames.iter().find(|frame| !is_machinery(&frame.function)))
        .or_else(|| frames.first())
        .cloned()
}

/// The import path of a function: `net/http` of `net/http.(*conn).serve`.
pub fn package_of(function: &str) -> &str {
    let begin = function.rfind('/').map_or(0, |at| at + 1);
    let end = function[begin..].find('.').map_or(function.len(), |at| begin + at);
    &function[..end]
}

/// Standard packages have no dot in their path's first part; `main` is the program's own, and so is what a module without
/// a dot in its name has below it, which cannot be told from here unless its first part is none of the library's.
fn is_standard(function: &str) -> bool {
    const FIRST: [&str; 46] = [
        "archive",
        "bufio",
        "bytes",
        "cmp",
        "compress",
        "container",
        "context",
        "crypto",
        "database",
        "debug",
        "embed",
        "encoding",
        "errors",
        "expvar",
        "flag",
        "fmt",
        "go",
        "hash",
        "html",
        "image",
        "index",
        "internal",
        "io",
        "iter",
        "log",
        "maps",
        "math",
        "mime",
        "net",
        "os",
        "path",
        "plugin",
        "reflect",
        "regexp",
        "runtime",
        "slices",
        "sort",
        "strconv",
        "strings",
        "structs",
        "sync",
        "syscall",
        "testing",
        "text",
        "time",
        "unicode",
    ];
    let package = package_of(function);
    let first = package.split('/').next().unwrap_or(package);
    FIRST.contains(&first)
}

/// The runtime and what stands between it and the operation that waits.
fn is_machinery(function: &str) -> bool {
    let package = package_of(function);
    package == "runtime" || package.starts_with("internal/") || function.starts_with("sync.runtime_")
}

/// What a goroutine waits for, by the innermost calls of its stack; the words are those of Go's own texts.
fn waits_for(frames: &[GoroutineFrame]) -> &'static str {
    const STATES: [(&str, &str); 17] = [
        ("runtime.chanrecv", "chan receive"),
        ("runtime.chansend", "chan send"),
        ("runtime.selectgo", "select"),
        ("runtime.block", "select (no cases)"),
        ("internal/poll.runtime_pollWait", "IO wait"),
        ("runtime.netpollblock", "IO wait"),
        ("sync.runtime_SemacquireRWMutexR", "sync.RWMutex.RLock"),
        ("sync.runtime_SemacquireRWMutex", "sync.RWMutex.Lock"),
        ("sync.runtime_SemacquireMutex", "sync.Mutex.Lock"),
        ("internal/sync.runtime_SemacquireMutex", "sync.Mutex.Lock"),
        ("sync.runtime_SemacquireWaitGroup", "sync.WaitGroup.Wait"),
        ("sync.runtime_notifyListWait", "sync.Cond.Wait"),
        ("sync.runtime_Semacquire", "semacquire"),
        ("time.Sleep", "sleep"),
        ("runtime.timeSleep", "sleep"),
        ("syscall.Syscall", "syscall"),
        ("runtime.cgocall", "syscall"),
    ];
    // The scheduler's own calls come first, then the operation.
    for frame in frames.iter().take(6) {
        let known = STATES.iter().find(|(prefix, _)| frame.function.starts_with(prefix));
        if let Some((_, state)) = known {
            return state;
        }
        if !is_machinery(&frame.function) {
            break;
        }
    }
    "running"
}

#[cfg(test)]
mod tests {
    use brimline_profile::formats::go_goroutines::goroutines;
    use brimline_profile::{Precision, ProfileBuilder, ValueType};

    use super::*;

    /// Workers that wait for a channel, and a server that waits for connections.
    fn text(workers: u64) -> Vec<Goroutine> {
        let mut text = "goroutine 1 [IO wait]:\ninternal/poll.runtime_pollWait(0x1)\n\t/go/netpoll.go:1\nnet/http.(*Server).Serve()\n\t/go/server.go:2\nmain.main()\n\t/src/main.go:3\n\n".to_owned();
        for id in 0..workers {
            let number = id + 2;
            let head = format!("goroutine {number} [chan receive, {id} minutes]:\n");
            let calls = "main.wait(0x1)\n\t/src/main.go:10\nmain.worker(0x1)\n\t/src/main.go:20\n";
            text.extend([&head, calls, "created by main.start in goroutine 1\n\t/src/main.go:30\n\n"]);
        }
        goroutines(&text)
    }

    fn profile(workers: i64) -> Profile {
        let types = vec![ValueType { name: "goroutine".into(), unit: "count".into() }];
        let mut builder = ProfileBuilder::new(types, Precision::Exact);
        let mut stack = StackId::ROOT;
        for (name, line) in [
            ("main.worker", 20),
            ("main.wait", 10),
            ("runtime.chanrecv1", 5),
            ("runtime.chanrecv", 4),
            ("runtime.gopark", 3),
        ] {
            let function = builder.function(name, "/src/main.go", 1);
            let frame = builder.frame(function, line);
            stack = builder.stack(stack, frame);
        }
        let labels = builder.label_set(&[("route", "/work")]);
        builder.add(stack, labels, &[workers]);
        builder.finish()
    }

    #[test]
    fn groups_by_creator_state_and_place() {
        let census = Census::of_text(1.0, &text(3), false);
        assert_eq!((census.total, census.groups.len()), (4, 2));
        let (key, group) = census.groups.iter().find(|(key, _)| key.state == "chan receive").unwrap();
        assert_eq!(key.created_by.as_ref().unwrap().line, 30);
        assert_eq!((key.blocked_at.as_ref().unwrap().line, group.count, group.minutes), (10, 3, Some(2)));
    }

    #[test]
    fn profiles_tell_the_same_groups_and_are_explained_by_texts() {
        let mut census = Census::of_profile(1.0, &profile(5));
        census.explain_by(&Census::of_text(1.0, &text(3), false));
        let (key, group) = census.groups.iter().next().unwrap();
        assert_eq!((key.state.as_str(), key.entry.as_str(), group.count), ("chan receive", "main.worker", 5));
        assert_eq!(key.created_by.as_ref().unwrap().function, "main.start");
        assert_eq!(group.labels[&("route".to_owned(), "/work".to_owned())], 5);
    }

    #[test]
    fn growth_is_told_over_captures_of_both_kinds() {
        let rows = growth(&[
            Census::of_text(1.0, &text(2), false),
            Census::of_profile(2.0, &profile(7)),
            Census::of_text(3.0, &text(9), false),
        ]);
        assert_eq!(
            (rows[0].key.entry.as_str(), rows[0].counts.as_slice(), rows[0].delta()),
            ("main.worker", &[2, 7, 9][..], 7)
        );
        assert!(rows[0].never_shrank() && rows[0].since_seconds == Some(2.0));
        assert_eq!(rows.iter().filter(|row| row.delta() > 0).count(), 1);
        assert_eq!(growth(&[]), []);
    }

    #[test]
    fn tests_leave_all_but_the_main_goroutine() {
        let rows = left_over(&Census::of_text(3.0, &text(2), false));
        assert_eq!(
            rows.iter().map(|row| (row.key.entry.as_str(), row.delta())).collect::<Vec<_>>(),
            [("main.worker", 2)]
        );
        assert_eq!(left_over(&Census::of_text(3.0, &text(0), false)), []);
    }

    #[test]
    fn packages_are_read_from_functions() {
        assert_eq!(package_of("github.com/gin-gonic/gin.(*Engine).ServeHTTP"), "github.com/gin-gonic/gin");
        assert_eq!(package_of("gopkg.in/yaml%2ev3.Unmarshal"), "gopkg.in/yaml%2ev3");
        assert_eq!(package_of("main.main.func1"), "main");
        assert!(is_standard("net/http.(*conn).serve") && !is_standard("example.com/net.F") && !is_standard("main.f"));
    }
}
