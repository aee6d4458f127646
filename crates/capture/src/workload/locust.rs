//! The user's locustfile, unchanged: `HttpUser`, `FastHttpUser` and whatever else locust runs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use super::child::{Child, ended_how, last_words};
use super::tally::{Named, Tally};
use super::{Load, LoadDriver, LoadOptions, Stretch, WorkloadError, tool};

/// The release that brimline installs for itself and is tested with.
const VERSION: &str = "2.47.0";
/// A second locustfile: counts are written four times a second and at once, where locust itself takes five seconds.
const COUNTS: &str =
    "import locust.stats as stats\nstats.CSV_STATS_INTERVAL_SEC = stats.CSV_STATS_FLUSH_INTERVAL_SEC = 0.25\n";
/// Users where nobody says.
const USERS: u32 = 10;

/// The driver.
#[derive(Debug)]
pub(crate) struct Locust;

impl LoadDriver for Locust {
    fn scheme(&self) -> &'static str {
        "locust"
    }

    fn takes(&self) -> &'static str {
        "LOCUSTFILE"
    }

    fn sniffs(&self, path: &Path, text: &str) -> bool {
        let imports = |line: &str| line.starts_with("from locust") || line.starts_with("import locust");
        path.extension().is_some_and(|end| end == "py") && text.lines().any(|line| imports(line.trim_start()))
    }

    fn open(&self, rest: &str, options: &LoadOptions<'_>) -> Result<Box<dyn Load>, WorkloadError> {
        let file = tool::script(rest, "a locustfile")?;
        let own = options.cache.join(format!("locust-{VERSION}/bin/locust"));
        let program = match tool::find("locust", "BRIMLINE_LOCUST", std::slice::from_ref(&own)) {
            Some(program) => program,
            None => install(&own, options)?,
        };
        let output = Command::new(&program)
            .arg("-f")
            .arg(&file)
            .args(["--list", "--loglevel", "ERROR"])
            .stdin(std::process::Stdio::null())
            .output()
            .map_err(|error| WorkloadError::broken(format!("`{}` did not start: {error}", program.display())))?;
        if !output.status.success() {
            let reason = last_words(&String::from_utf8_lossy(&output.stderr));
            return Err(WorkloadError::Script { tool: "locust", script: rest.to_owned(), reason });
        }
        let listed = String::from_utf8_lossy(&output.stdout).into_owned();
        let classes =
            listed.lines().skip(1).map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect();
        Ok(Box::new(LocustLoad {
            program,
            file,
            classes,
            users: options.users.unwrap_or(USERS),
            spawn_rate: options.spawn_rate,
            processes: options.processes,
        }))
    }
}

/// A virtual environment of brimline's own, made once.
fn install(own: &Path, options: &LoadOptions<'_>) -> Result<PathBuf, WorkloadError> {
    let folder = options.cache.join(format!("locust-{VERSION}"));
    let missing = |reason: String| WorkloadError::NoTool {
        tool: "locust",
        reason,
        hint: format!(
            "`pip install locust=={VERSION}`, or --yes to let brimline install it into {}; BRIMLINE_LOCUST names another one",
            folder.display()
        ),
    };
    if !(options.consent)(&format!("install locust {VERSION} from the Python package index into {}", folder.display()))
    {
        return Err(missing("not in PATH, and not to be installed".into()));
    }
    let run = |program: &Path, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).stdin(std::process::Stdio::null()).output();
        let output = output.map_err(|error| missing(format!("`{}` did not start: {error}", program.display())))?;
        if output.status.success() {
            return Ok(());
        }
        Err(missing(last_words(&String::from_utf8_lossy(&output.stderr))))
    };
    // Scripts of a virtual environment name its folder, so it is made in place, and removed when that fails.
    let outcome = run(Path::new("python3"), &["-m", "venv", &folder.to_string_lossy()]).and_then(|()| {
        let package = format!("locust=={VERSION}");
        run(&folder.join("bin/pip"), &["install", "--quiet", "--disable-pip-version-check", &package])
    });
    if let Err(error) = outcome {
        // What is left of it would only be in the way.
        let _ = std::fs::remove_dir_all(&folder);
        return Err(error);
    }
    Ok(own.to_owned())
}

#[derive(Debug)]
struct LocustLoad {
    program: PathBuf,
    file: PathBuf,
    classes: Vec<String>,
    users: u32,
    spawn_rate: Option<f64>,
    processes: Option<u32>,
}

/// A row of locust's `--json-file`.
#[derive(Deserialize)]
struct Row {
    name: String,
    #[serde(default)]
    method: String,
    num_requests: u64,
    num_failures: u64,
    start_time: Option<f64>,
    last_request_timestamp: Option<f64>,
    /// Milliseconds (rounded by locust to two digits) and how often.
    response_times: std::collections::BTreeMap<String, u64>,
}

impl Load for LocustLoad {
    fn describe(&self) -> Value {
        json!({
            "from": self.file.display().to_string(), "program": self.program.display().to_string(), "users": self.users,
            "spawn_rate": self.spawn_rate, "processes": self.processes, "classes": self.classes,
        })
    }

    fn drive(&self, stretch: &Stretch<'_>) -> Result<(), WorkloadError> {
        let folder = tempfile::tempdir().map_err(WorkloadError::broken)?;
        let results = folder.path().join("results");
        let counts = folder.path().join("counts.py");
        std::fs::write(&counts, COUNTS).map_err(WorkloadError::broken)?;
        let mut files = self.file.clone().into_os_string();
        files.push(",");
        files.push(counts);
        let mut command = Command::new(&self.program);
        command.arg("-f").arg(files).args(["--headless", "--only-summary", "--loglevel", "WARNING"]);
        command.args(["--exit-code-on-error", "0", "-u", &self.users.to_string()]);
        command.args(["-r", &self.spawn_rate.unwrap_or(f64::from(self.users)).to_string()]);
        command.arg("--csv").arg(&results).arg("--csv-full-history").arg("--json-file").arg(&results);
        if let Some(target) = stretch.target {
            command.args(["--host", &target.to_string()]).env("BASE_URL", target.to_string());
        }
        if let Some(time) = stretch.time {
            command.args(["-t", &format!("{}s", time.as_secs_f64().ceil().max(1.0))]);
        }
        if let Some(processes) = self.processes.filter(|processes| *processes > 1) {
            let port = tool::free_port()?.to_string();
            command.args(["--processes", &processes.to_string(), "--master-port", &port, "--master-bind-port", &port]);
            command.args(["--master-bind-host", "127.0.0.1", "--master-host", "127.0.0.1"]);
        }
        let mut child = Child::start(&mut command, "locust", |_| ())?;
        // Starting Python and the users takes seconds of which nothing is known.
        let deadline = stretch.time.map(|time| Instant::now() + time + Duration::from_secs(30));
        let base = (stretch.tally.done(), stretch.tally.failed());
        let history = folder.path().join("results_stats_history.csv");
        loop {
            let ended = child.wait(Some(Instant::now() + Duration::from_millis(200)), stretch.stop)?;
            if let Some((done, failed)) = totals(&history) {
                stretch.tally.set(base.0 + done, base.1 + failed);
            }
            if ended {
                break;
            }
            if stretch.stop.is_set() || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                child.end(libc::SIGTERM)?;
                break;
            }
        }
        let (status, said) = child.finish();
        let read = std::fs::read(results.with_extension("json"));
        let rows = read
            .map_err(WorkloadError::broken)
            .and_then(|bytes| serde_json::from_slice::<Vec<Row>>(&bytes).map_err(WorkloadError::broken));
        if let Ok(rows) = &rows {
            count(rows, base, stretch.tally);
        }
        for line in said.lines().filter(|line| line.contains("/ERROR/") || line.contains("/WARNING/")).take(5) {
            stretch.tally.note(format!("locust: {}", line.rsplit(": ").next().unwrap_or(line)));
        }
        if stretch.stop.is_set() {
            return Ok(());
        }
        if !status.is_some_and(|status| status.success()) {
            let words = last_words(&said);
            return Err(WorkloadError::broken(format!("locust ended with {}: {words}", ended_how(status))));
        }
        rows.map(|_| ())
    }
}

/// Adds what `rows` say to a tally that had counted `base` before.
fn count(rows: &[Row], base: (u64, u64), tally: &Tally) {
    let sum = |get: fn(&Row) -> u64| rows.iter().map(get).sum::<u64>();
    tally.set(base.0 + sum(|row| row.num_requests), base.1 + sum(|row| row.num_failures));
    let first = rows.iter().filter_map(|row| row.start_time).fold(f64::INFINITY, f64::min);
    let last = rows.iter().filter_map(|row| row.last_request_timestamp).fold(0.0, f64::max);
    tally.lasted(Duration::from_secs_f64((last - first).clamp(0.0, 1e9)));
    for row in rows {
        let mut named = Named { done: row.num_requests, failed: row.num_failures, ..Named::default() };
        for (milliseconds, count) in &row.response_times {
            let micros = milliseconds.parse::<f64>().unwrap_or(0.0) * 1e3;
            named.latency.add_many(micros as u64, *count);
        }
        tally.add(format!("{} {}", row.method, row.name).trim(), &named);
        tally.fail(&format!("failed {} {}", row.method, row.name), row.num_failures);
    }
}

/// Requests and failures so far, from the last line about all of them.
fn totals(history: &Path) -> Option<(u64, u64)> {
    let text = std::fs::read_to_string(history).ok()?;
    let mut lines = text.lines();
    let columns: Vec<&str> = lines.next()?.split(',').collect();
    let column = |name: &str| columns.iter().position(|column| column.trim_matches('"') == name);
    let (done, failed) = (column("Total Request Count")?, column("Total Failure Count")?);
    // Names may hold commas; the row about all has none.
    let row: Vec<&str> = lines.rfind(|line| line.contains(",Aggregated,"))?.split(',').collect();
    let number = |at: usize| row.get(at)?.trim_matches('"').parse::<f64>().ok().map(|number| number as u64);
    Some((number(done)?, number(failed)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_locust_writes() {
        let text = r#"[{"name":"/items","method":"GET","start_time":100.5,"last_request_timestamp":105.5,"num_requests":10,"num_failures":2,
            "response_times":{"1":8,"120":2},"num_fail_per_sec":{}}]"#;
        let rows: Vec<Row> = serde_json::from_str(text).unwrap();
        let tally = Tally::default();
        count(&rows, (0, 0), &tally);
        let result = tally.result();
        assert_eq!((result.requests, result.errors, result.achieved_rate), (10, 2, 2.0));
        assert_eq!(result.by_name[0].name, "GET /items");
        assert!((result.latency_ms.unwrap().max - 120.0).abs() < 1.0);
    }

    #[test]
    fn the_history_s_last_row_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("h.csv");
        let text = "Timestamp,User Count,Type,Name,Requests/s,Total Request Count,Total Failure Count\n\
                    1,5,GET,\"/a,b\",1,7,0\n1,5,,Aggregated,1,7,0\n2,5,,Aggregated,1,19,3\n3,5,,Aggre";
        std::fs::write(&path, text).unwrap();
        assert_eq!(totals(&path), Some((19, 3)));
    }
}
