//! Go's goroutines as text (`goroutine?debug=2`, and what a panic or SIGQUIT prints).
//!
//! ```text
//! goroutine 18 [chan receive, 5 minutes]:
//! main.worker(0xc000012345, {0x1, 0x2})
//!         /src/app/main.go:42 +0x25
//! created by main.start in goroutine 1
//!         /src/app/main.go:30 +0x91
//! ```
//!
//! Written by all versions; `in goroutine N` since Go 1.21, labels in the brackets since 1.26 under a setting.

/// One goroutine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Goroutine {
    /// Its number; numbers are given in the order of creation and never twice.
    pub id: u64,
    /// What it does or waits for: `running`, `chan receive`, `select`, `IO wait`, `sync.Mutex.Lock`, …
    pub state: String,
    /// Minutes it has waited; 0 for less than one.
    pub minutes: u64,
    /// Whether the runtime has found that it can never run again.
    pub leaked: bool,
    /// Its calls, innermost first.
    pub frames: Vec<GoroutineFrame>,
    /// The function with the `go` statement; `None` for the main goroutine.
    pub created_by: Option<GoroutineFrame>,
}

/// A call of a goroutine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GoroutineFrame {
    /// Qualified name, without arguments.
    pub function: String,
    /// Source file.
    pub file: String,
    /// 1-based line, 0 when unknown.
    pub line: u32,
}

/// All goroutines of a text; what cannot be read is left out.
pub fn goroutines(text: &str) -> Vec<Goroutine> {
    let mut all: Vec<Goroutine> = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(goroutine) = head(line) {
            all.push(goroutine);
            continue;
        }
        let Some(current) = all.last_mut() else { continue };
        if line.is_empty() || line.starts_with(['\t', ' ']) {
            continue;
        }
        let (created, call) = match line.strip_prefix("created by ") {
            Some(rest) => (true, rest.split(" in goroutine ").next().unwrap_or(rest)),
            None => (false, line),
        };
        let place = lines.peek().and_then(|next| next.strip_prefix('\t')).map(place);
        let Some((file, number)) = place else { continue };
        let frame = GoroutineFrame { function: without_arguments(call, created).to_owned(), file, line: number };
        if created {
            current.created_by = Some(frame);
        } else {
            current.frames.push(frame);
        }
    }
    all
}

/// `goroutine 18 [chan receive, 5 minutes, locked to thread]:`
fn head(line: &str) -> Option<Goroutine> {
    let (id, rest) = line.strip_prefix("goroutine ")?.split_once(' ')?;
    let words = rest.get(rest.find('[')? + 1..rest.rfind(']')?)?;
    let mut parts = words.split(", ");
    let mut goroutine = Goroutine { id: id.parse().ok()?, state: parts.next()?.to_owned(), ..Goroutine::default() };
    for part in parts {
        if let Some(minutes) = part.strip_suffix(" minutes") {
            goroutine.minutes = minutes.parse().unwrap_or(0);
        }
    }
    goroutine.leaked = goroutine.state.contains("(leaked)");
    // `(leaked)` and `(scan)` say nothing about what is waited for.
    if let Some(at) = goroutine.state.find(" (") {
        let known = ["(leaked)", "(scan)", "(durable)"];
        if known.iter().any(|word| goroutine.state[at + 1..].starts_with(word)) {
            goroutine.state.truncate(at);
        }
    }
    Some(goroutine)
}

/// `main.(*Hub).run(0xc000, {…})` without the arguments; names of methods have brackets too.
fn without_arguments(call: &str, created: bool) -> &str {
    if created || !call.ends_with(')') {
        return call;
    }
    // The arguments are the last pair of brackets that closes at the end.
    let mut depth = 0_i32;
    for (at, c) in call.char_indices().rev() {
        match c {
            ')' => depth += 1,
            '(' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &call[..at];
        }
    }
    call
}

/// `/src/app/main.go:42 +0x25`
fn place(text: &str) -> (String, u32) {
    let text = text.split(" +0x").next().unwrap_or(text);
    match text.rsplit_once(':') {
        Some((file, line)) => (file.to_owned(), line.trim().parse().unwrap_or(0)),
        None => (text.to_owned(), 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_states_calls_and_creators() {
        let text = "goroutine 1 [running]:\nmain.main()\n\t/src/main.go:9 +0x1d\n\n\
            goroutine 18 [chan receive (leaked), 5 minutes, locked to thread]:\nmain.(*Hub).run(0xc000012345, {0x1, 0x2})\n\t/src/hub.go:42 +0x25\n\
            main.start.func1()\n\t/src/hub.go:31 +0x25\ncreated by main.start in goroutine 1\n\t/src/hub.go:30 +0x91\n\n\
            goroutine 19 [select (no cases)]:\nmain.forever(...)\n\t/src/hub.go:50\n";
        let all = goroutines(text);
        let states: Vec<_> =
            all.iter().map(|one| (one.id, one.state.as_str(), one.minutes, one.frames.len())).collect();
        assert_eq!(all.iter().filter(|one| one.leaked).count(), 1);
        assert_eq!(states, [(1, "running", 0, 1), (18, "chan receive", 5, 2), (19, "select (no cases)", 0, 1)]);
        let frame =
            |function: &str, line| GoroutineFrame { function: function.into(), file: "/src/hub.go".into(), line };
        assert_eq!(all[1].frames, [frame("main.(*Hub).run", 42), frame("main.start.func1", 31)]);
        assert_eq!(all[1].created_by, Some(frame("main.start", 30)));
        assert_eq!(all[2].frames, [frame("main.forever", 50)]);
        for cut in 0..text.len() {
            goroutines(&text[..cut]);
        }
    }
}
