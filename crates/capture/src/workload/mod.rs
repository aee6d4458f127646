//! Load on a program: one driver for each scheme of `--workload`, all behind [`LoadDriver`].
//!
//! A driver checks what it was given before the program starts ([`LoadDriver::open`]) and then loads it stretch by
//! stretch ([`Load::drive`]): the phases decide when and how long, the driver how.

mod call;
mod child;
mod error;
mod histogram;
mod http;
mod k6;
mod locust;
mod mix;
mod probe;
mod sh;
mod tally;
mod tool;

use std::ffi::OsString;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub use error::WorkloadError;
pub use histogram::{Histogram, Percentiles};
pub use mix::{Mix, Request, Source, read_mix};
pub use probe::ProbeLoad;
pub use tally::{LoadResult, NamedResult, Tally};

use crate::http::Url;
use http::run_mix;

/// A way to put load on a program.
pub trait LoadDriver: Sync {
    /// What stands before the colon in `--workload`.
    fn scheme(&self) -> &'static str;
    /// What stands behind it, in a few words.
    fn takes(&self) -> &'static str;
    /// Whether a file that was named without a scheme is this driver's.
    fn sniffs(&self, path: &Path, text: &str) -> bool {
        let _ = (path, text);
        false
    }
    /// Checks everything that can be checked before the program starts.
    fn open(&self, rest: &str, options: &LoadOptions<'_>) -> Result<Box<dyn Load>, WorkloadError>;
}

/// All drivers, in the order of the help text.
pub static DRIVERS: [&dyn LoadDriver; 5] = [&locust::Locust, &k6::K6, &http::Http, &sh::Sh, &call::Call];

/// What the command line says about the load, whatever drives it.
pub struct LoadOptions<'a> {
    /// Requests a second.
    pub rate: Option<f64>,
    /// Connections at once.
    pub connections: Option<usize>,
    /// Simulated users (locust).
    pub users: Option<u32>,
    /// Users started a second (locust).
    pub spawn_rate: Option<f64>,
    /// Processes of the generator (locust).
    pub processes: Option<u32>,
    /// Calls in each round (`call:`).
    pub calls: Option<u32>,
    /// The program that is loaded, as typed.
    pub command: &'a [OsString],
    /// Folder for tools that brimline installs for itself.
    pub cache: PathBuf,
    /// Asked before something is installed; the text says what.
    pub consent: &'a dyn Fn(&str) -> bool,
}

/// A load that is ready to be driven.
pub trait Load: Debug + Send + Sync {
    /// What is kept with the run: the driver's own words, no secrets.
    fn describe(&self) -> serde_json::Value;

    /// Whether requests go to an address, which must be known before the load starts.
    fn needs_target(&self) -> bool {
        true
    }

    /// The address that the workload itself names.
    fn target(&self) -> Option<&Url> {
        None
    }

    /// Whether the load has an end of its own (a script, a command, a call), so that a round is one whole of it.
    fn has_end(&self) -> bool {
        false
    }

    /// What is counted: `requests`, `runs`, `calls`.
    fn unit(&self) -> &'static str {
        "requests"
    }

    /// What is to be started where the driver brings its own program.
    fn launch(&self) -> Option<Launch> {
        None
    }

    /// Whether the program that [`Self::launch`] gave is ready; `None` where the phases decide.
    fn is_ready(&self) -> Result<Option<bool>, WorkloadError> {
        Ok(None)
    }

    /// The load is over: a program of the driver's own is asked to end.
    fn end(&self) {}

    /// Loads the program until the stretch is over or stopped, and counts in its tally.
    fn drive(&self, stretch: &Stretch<'_>) -> Result<(), WorkloadError>;
}

/// A program that a driver brings.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Its command line.
    pub command: Vec<OsString>,
    /// Further environment.
    pub environment: Vec<(OsString, OsString)>,
}

/// One stretch of load.
#[derive(Debug)]
pub struct Stretch<'a> {
    /// Where requests go to.
    pub target: Option<&'a Url>,
    /// How long; `None` is one whole of what the driver has.
    pub time: Option<Duration>,
    /// Where requests are counted.
    pub tally: &'a Tally,
    /// Ends it early.
    pub stop: &'a Stop,
}

/// A request to end, which is looked at often.
#[derive(Debug, Default)]
pub struct Stop(AtomicBool);

impl Stop {
    /// Asks for the end.
    pub fn set(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether the end was asked for.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// Waits for the end at most this long; whether it came.
    pub(crate) fn wait_for(&self, time: Duration) -> bool {
        !self.sleep_until(Instant::now() + time)
    }

    /// Sleeps until `moment`; `false` when the end was asked for before.
    pub(crate) fn sleep_until(&self, moment: Instant) -> bool {
        const LOOK: Duration = Duration::from_millis(200);
        loop {
            if self.is_set() {
                return false;
            }
            let left = moment.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(LOOK));
        }
    }
}

/// Reads `locust:FILE`, `k6:FILE`, `http:FILE`, `sh:CMD`, `call:pkg.mod:func`, or the name of a file that tells by its
/// content which of them it is.
pub fn open(text: &str, options: &LoadOptions<'_>) -> Result<(&'static str, Box<dyn Load>), WorkloadError> {
    let driver_of = |scheme: &str| DRIVERS.into_iter().find(|driver| driver.scheme() == scheme);
    if let Some((scheme, rest)) = text.split_once(':')
        && let Some(driver) = driver_of(scheme)
    {
        if rest.trim().is_empty() {
            return Err(WorkloadError::spec(
                format!("{} after `{scheme}:`", driver.takes()),
                "nothing",
                "`brimline run --help` has examples",
            ));
        }
        return Ok((driver.scheme(), driver.open(rest, options)?));
    }
    let path = Path::new(text);
    if !path.is_file() {
        let known: Vec<String> =
            DRIVERS.iter().map(|driver| format!("{}:{}", driver.scheme(), driver.takes())).collect();
        return Err(WorkloadError::spec(
            format!("one of {} or a file", known.join(", ")),
            format!("`{text}`"),
            "for example `--workload locust:locustfile.py`",
        ));
    }
    let content = mix::read_text(path)?;
    let fitting: Vec<&dyn LoadDriver> = DRIVERS.into_iter().filter(|driver| driver.sniffs(path, &content)).collect();
    match fitting[..] {
        [driver] => Ok((driver.scheme(), driver.open(text, options)?)),
        _ => Err(WorkloadError::spec(
            "a locustfile, a k6 script, a workload file, a HAR file or an access log",
            format!("`{text}`, which is none of them for sure"),
            format!("say which: `--workload locust:{text}`, `k6:{text}`, `http:{text}`"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scheme_of(name: &str, text: &str) -> Result<&'static str, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let found: Vec<_> =
            DRIVERS.iter().filter(|driver| driver.sniffs(&path, text)).map(|driver| driver.scheme()).collect();
        if let [one] = found[..] { Ok(one) } else { Err(format!("{found:?}")) }
    }

    #[test]
    fn files_tell_whose_they_are() {
        assert_eq!(
            scheme_of("l.py", "from locust import HttpUser, task\nclass A(HttpUser):\n    pass\n"),
            Ok("locust")
        );
        assert_eq!(scheme_of("s.js", "import http from 'k6/http';\nexport default function () {}\n"), Ok("k6"));
        assert_eq!(scheme_of("w.toml", "[[request]]\npath = '/'\n"), Ok("http"));
        assert_eq!(scheme_of("a.har", r#"{"log":{"entries":[]}}"#), Ok("http"));
        let line = "1.2.3.4 - - [01/Jan/2026:00:00:00 +0000] \"GET /a HTTP/1.1\" 200 12\n";
        assert_eq!(scheme_of("access.log", line), Ok("http"));
        assert!(scheme_of("app.py", "import flask\n").is_err());
        assert!(scheme_of("x.js", "console.log('k6')\n").is_err());
    }

    #[test]
    fn doubt_is_an_error() {
        let options = LoadOptions {
            rate: None,
            connections: None,
            users: None,
            spawn_rate: None,
            processes: None,
            calls: None,
            command: &[],
            cache: PathBuf::new(),
            consent: &|_| false,
        };
        for text in ["", "nothing.py", "http:", "gatling:x"] {
            let error = open(text, &options).unwrap_err();
            assert!(error.to_string().starts_with("expected "), "{error}");
            assert!(!error.hint().is_empty());
        }
    }
}
