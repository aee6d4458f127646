//! The user's k6 script, unchanged: held back until the phase begins, followed through its CSV output.
//!
//! k6 (AGPL-3.0) is run as a program of its own. Its REST interface listens on a free port of this machine, and no usage
//! report is sent.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::child::{Child, ended_how, last_words};
use super::tally::Named;
use super::{Load, LoadDriver, LoadOptions, Stretch, WorkloadError, tool};
use crate::http::{Kept, Trust, Url};

/// The release that brimline is tested with.
const VERSION: &str = "v1.8.1";
/// How long k6 may take to compile a script and start its users.
const START: Duration = Duration::from_secs(60);
/// A threshold was crossed.
const THRESHOLDS: i32 = 99;
/// Stopped by SIGINT.
const INTERRUPTED: i32 = 105;

/// The driver.
#[derive(Debug)]
pub(crate) struct K6;

impl LoadDriver for K6 {
    fn scheme(&self) -> &'static str {
        "k6"
    }

    fn takes(&self) -> &'static str {
        "SCRIPT"
    }

    fn sniffs(&self, path: &Path, text: &str) -> bool {
        let script = path.extension().is_some_and(|end| ["js", "ts", "mjs"].iter().any(|known| end == *known));
        script && ["'k6", "\"k6"].iter().any(|quoted| text.contains(&format!("from {quoted}")))
    }

    fn open(&self, rest: &str, options: &LoadOptions<'_>) -> Result<Box<dyn Load>, WorkloadError> {
        let script = tool::script(rest, "a k6 script")?;
        let places = [options.cache.join("k6"), go_bin().join("k6")];
        let program = tool::find("k6", "BRIMLINE_K6", &places).ok_or_else(|| WorkloadError::NoTool {
            tool: "k6",
            reason: format!("not in PATH nor at {}", places.map(|place| place.display().to_string()).join(" nor at ")),
            hint: format!(
                "`GOBIN={} go install go.k6.io/k6@{VERSION}` builds it in some minutes; BRIMLINE_K6 names another one",
                options.cache.display()
            ),
        })?;
        let output = quiet(&mut Command::new(&program))
            .arg("inspect")
            .arg(&script)
            .output()
            .map_err(|error| WorkloadError::broken(format!("`{}` did not start: {error}", program.display())))?;
        if !output.status.success() {
            let reason = last_words(&String::from_utf8_lossy(&output.stderr));
            return Err(WorkloadError::Script { tool: "k6", script: rest.to_owned(), reason });
        }
        let inspected: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        Ok(Box::new(K6Load { program, script, options: inspected }))
    }
}

/// Where `go install` puts programs.
fn go_bin() -> PathBuf {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    named("GOBIN")
        .or_else(|| Some(named("GOPATH")?.join("bin")))
        .or_else(|| Some(named("HOME")?.join("go/bin")))
        .unwrap_or_default()
}

/// Nothing is reported, fetched or asked.
fn quiet(command: &mut Command) -> &mut Command {
    command
        .env("K6_NO_USAGE_REPORT", "true")
        .env("K6_AUTO_EXTENSION_RESOLUTION", "false")
        .env("K6_NO_COLOR", "true")
        .stdin(std::process::Stdio::null())
}

#[derive(Debug)]
struct K6Load {
    program: PathBuf,
    script: PathBuf,
    options: Value,
}

impl K6Load {
    /// Whether the script sets a pace of its own, so that what it dropped is known.
    fn is_open(&self) -> bool {
        let scenarios = self.options["scenarios"].as_object();
        scenarios.is_some_and(|scenarios| {
            scenarios.values().any(|one| one["executor"].as_str().is_some_and(|name| name.ends_with("arrival-rate")))
        })
    }

    fn once(
        &self,
        stretch: &Stretch<'_>,
        deadline: Option<Instant>,
        all: &mut Followed,
    ) -> Result<bool, WorkloadError> {
        let port = tool::free_port()?;
        let address = format!("127.0.0.1:{port}");
        let mut command = Command::new(&self.program);
        quiet(&mut command).args(["run", "--quiet", "--no-color", "--no-usage-report", "--paused"]);
        command.args(["--summary-mode=disabled", "--out", "csv=-", "--address", &address]).arg(&self.script);
        if let Some(target) = stretch.target {
            command.env("BASE_URL", target.to_string());
        }
        let followed = Arc::new(Mutex::new(Followed::default()));
        let writer = Arc::clone(&followed);
        let mut child = Child::start(&mut command, "k6", move |line| {
            writer.lock().unwrap_or_else(PoisonError::into_inner).take(line);
        })?;
        let base = (stretch.tally.done(), stretch.tally.failed());
        let rest = Rest { url: Url::parse(&address).map_err(WorkloadError::broken)? };
        let start = Instant::now();
        while !child.has_ended()? {
            if rest.is_paused() {
                rest.resume();
                break;
            }
            if stretch.stop.is_set() {
                break;
            }
            if start.elapsed() > START {
                return Err(WorkloadError::broken(format!("k6 was not ready within {} s", START.as_secs())));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let loaded = Instant::now();
        let count = || {
            let followed = followed.lock().unwrap_or_else(PoisonError::into_inner);
            stretch.tally.set(base.0 + followed.done(), base.1 + followed.failed);
        };
        loop {
            let look = Instant::now() + Duration::from_millis(200);
            let until = deadline.map_or(look, |deadline| deadline.min(look));
            let ended = child.wait(Some(until), stretch.stop)?;
            count();
            if ended {
                break;
            }
            if stretch.stop.is_set() || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                child.end(libc::SIGINT)?;
                break;
            }
        }
        stretch.tally.lasted(loaded.elapsed());
        let (status, said) = child.finish();
        count();
        all.merge(&followed.lock().unwrap_or_else(PoisonError::into_inner));
        match status.and_then(|status| status.code()) {
            Some(0 | INTERRUPTED) => {}
            Some(THRESHOLDS) => {
                let line = said.lines().find(|line| line.contains("thresholds")).unwrap_or("a threshold was crossed");
                stretch.tally.cross(format!("k6: {}", message(line)));
            }
            _ if stretch.stop.is_set() => {}
            _ => {
                let words = last_words(&said);
                return Err(WorkloadError::broken(format!("k6 ended with {}: {}", ended_how(status), message(&words))));
            }
        }
        Ok(deadline.is_some_and(|deadline| Instant::now() < deadline) && !stretch.stop.is_set())
    }
}

/// The message of a line of k6's log.
fn message(line: &str) -> &str {
    line.split_once("msg=\"").and_then(|(_, rest)| rest.rsplit_once('"')).map_or(line, |(message, _)| message)
}

impl Load for K6Load {
    fn describe(&self) -> Value {
        let mut options = self.options.clone();
        if let Some(options) = options.as_object_mut() {
            options.retain(|name, value| {
                !value.is_null()
                    && ["scenarios", "stages", "vus", "duration", "iterations", "thresholds", "rps"]
                        .contains(&name.as_str())
            });
        }
        json!({ "from": self.script.display().to_string(), "program": self.program.display().to_string(), "options": options })
    }

    fn has_end(&self) -> bool {
        true
    }

    fn drive(&self, stretch: &Stretch<'_>) -> Result<(), WorkloadError> {
        let deadline = stretch.time.map(|time| Instant::now() + time);
        let mut all = Followed::default();
        let outcome = loop {
            match self.once(stretch, deadline, &mut all) {
                // A script that does nothing would be started without end.
                Ok(true) if all.done() > 0 => {}
                Ok(_) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        for (name, named) in &all.names {
            let shown = stretch
                .target
                .map(ToString::to_string)
                .map_or_else(|| name.clone(), |base| name.replacen(&base, "", 1));
            stretch.tally.add(&shown, named);
        }
        for (failure, count) in &all.failures {
            stretch.tally.fail(failure, *count);
        }
        if self.is_open() && all.iterations > 0 {
            // The pace is of iterations; a dropped one is as many requests as the others made.
            let share = (all.iterations + all.dropped) as f64 / all.iterations as f64;
            stretch.tally.offer((all.done() as f64 * share).round() as u64);
        }
        if all.dropped > 0 {
            stretch.tally.note(format!("k6 dropped {} iterations: too few virtual users for the rate", all.dropped));
        }
        outcome
    }
}

/// What k6's CSV has said so far.
#[derive(Debug, Default)]
struct Followed {
    /// Place of the columns, from the first line.
    columns: BTreeMap<String, usize>,
    requests: u64,
    failed: u64,
    iterations: u64,
    dropped: u64,
    names: BTreeMap<String, Named>,
    failures: BTreeMap<String, u64>,
}

impl Followed {
    /// Requests; of a script that speaks something else than HTTP its iterations.
    fn done(&self) -> u64 {
        if self.requests > 0 { self.requests } else { self.iterations }
    }

    fn take(&mut self, line: &str) {
        let first = line.split(',').next().unwrap_or_default();
        let value = |fields: &[String]| fields.get(2).and_then(|value| value.parse::<f64>().ok()).unwrap_or(0.0);
        match first {
            "metric_name" => {
                self.columns = fields(line).into_iter().enumerate().map(|(at, name)| (name, at)).collect();
            }
            "iterations" => self.iterations += value(&fields(line)) as u64,
            "dropped_iterations" => self.dropped += value(&fields(line)) as u64,
            "http_req_duration" => {
                let fields = fields(line);
                let column = |name: &str| {
                    self.columns.get(name).and_then(|at| fields.get(*at)).map(String::as_str).unwrap_or_default()
                };
                let name = format!("{} {}", column("method"), column("name"));
                let status = column("status").to_owned();
                let failed = column("expected_response") == "false";
                let kind = if status == "0" || status.is_empty() {
                    column("error").to_owned()
                } else {
                    format!("status {status}")
                };
                self.requests += 1;
                let named = self.names.entry(name).or_default();
                named.done += 1;
                named.latency.add_many((value(&fields) * 1e3) as u64, 1);
                if failed {
                    named.failed += 1;
                    self.failed += 1;
                    *self.failures.entry(kind).or_insert(0) += 1;
                }
            }
            _ => {}
        }
    }

    fn merge(&mut self, other: &Self) {
        self.requests += other.requests;
        self.failed += other.failed;
        self.iterations += other.iterations;
        self.dropped += other.dropped;
        for (name, named) in &other.names {
            let own = self.names.entry(name.clone()).or_default();
            own.done += named.done;
            own.failed += named.failed;
            own.latency.merge(&named.latency);
        }
        for (failure, count) in &other.failures {
            *self.failures.entry(failure.clone()).or_insert(0) += count;
        }
    }
}

/// The fields of a line of CSV.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                if let Some(last) = fields.last_mut() {
                    last.push('"');
                }
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            letter => {
                if let Some(last) = fields.last_mut() {
                    last.push(letter);
                }
            }
        }
    }
    fields
}

/// k6's REST interface.
struct Rest {
    url: Url,
}

impl Rest {
    /// Whether k6 waits for the start.
    fn is_paused(&self) -> bool {
        self.ask("GET", "").is_some_and(|answer| answer.contains("\"paused\":true"))
    }

    fn resume(&self) {
        let body = r#"{"data":{"type":"status","id":"default","attributes":{"paused":false}}}"#;
        // If it is not heard, k6 stays paused, and the stretch tells of no requests.
        let _ = self.ask("PATCH", body);
    }

    fn ask(&self, method: &str, body: &str) -> Option<String> {
        use std::io::{Read, Write};
        let mut stream = Kept::open(&self.url, Trust::Any, Duration::from_secs(2)).ok()?;
        let request = format!(
            "{method} /v1/status HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = Vec::new();
        stream.take(64 << 10).read_to_end(&mut answer).ok()?;
        Some(String::from_utf8_lossy(&answer).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "metric_name,timestamp,metric_value,check,error,error_code,expected_response,group,method,name,proto,scenario,service,status,subproto,tls_version,url,extra_tags,metadata";

    #[test]
    fn follows_the_csv_among_other_lines() {
        let mut followed = Followed::default();
        for line in [
            "some text of handleSummary",
            HEADER,
            "http_req_duration,1,1.500000,,,,true,,GET,http://h/items,HTTP/1.1,a,,200,,,http://h/items,,",
            "http_req_duration,1,20,,\"dial: \"\"x\"\", no\",1212,false,,GET,\"http://h/a,b\",HTTP/1.1,a,,0,,,u,,",
            "http_req_duration,1,2,,,1500,false,,POST,http://h/o,HTTP/1.1,a,,503,,,u,,",
            "iterations,1,1.000000,,,,,,,,,a,,,,,,,",
            "dropped_iterations,1,3.000000,,,,,,,,,a,,,,,,,",
            "http_reqs,1,1.000000,,,,true,,GET,http://h/items,HTTP/1.1,a,,200,,,http://h/items,,",
        ] {
            followed.take(line);
        }
        assert_eq!((followed.done(), followed.failed, followed.iterations, followed.dropped), (3, 2, 1, 3));
        assert_eq!(followed.names["GET http://h/a,b"].failed, 1);
        assert_eq!(followed.failures.keys().collect::<Vec<_>>(), ["dial: \"x\", no", "status 503"]);
        assert!((followed.names["GET http://h/items"].latency.quantile(1.0) as i64 - 1500).abs() < 10);
    }

    #[test]
    fn a_log_line_gives_its_message() {
        assert_eq!(
            message("time=\"x\" level=error msg=\"thresholds on metrics 'a' have been crossed\""),
            "thresholds on metrics 'a' have been crossed"
        );
        assert_eq!(message("plain"), "plain");
    }
}
