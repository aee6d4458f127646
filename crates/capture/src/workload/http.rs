//! The built-in load: requests by weight at a fixed pace over a few connections.

mod connection;
mod engine;

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;

pub(crate) use engine::run_mix;

use super::mix::{self, Mix, Request};
use super::{Load, LoadDriver, LoadOptions, LoadResult, Stop, Stretch, Tally, WorkloadError, read_mix};
use crate::http::Url;

/// Requests a second where nobody says.
const RATE: f64 = 50.0;
/// Connections where nobody says.
const CONNECTIONS: usize = 10;

/// The driver.
#[derive(Debug)]
pub(crate) struct Http;

impl LoadDriver for Http {
    fn scheme(&self) -> &'static str {
        "http"
    }

    fn takes(&self) -> &'static str {
        "FILE (TOML, HAR, access log) or a path"
    }

    fn sniffs(&self, path: &Path, text: &str) -> bool {
        mix::sniffs(path, text)
    }

    fn open(&self, rest: &str, options: &LoadOptions<'_>) -> Result<Box<dyn Load>, WorkloadError> {
        let path = Path::new(rest);
        let mut mix = if rest.starts_with("//") {
            one_request(&format!("http:{rest}"))?
        } else if !path.is_file() && rest.starts_with('/') {
            Mix::of(Request::get(rest)?, None)
        } else {
            read_mix(path)?
        };
        mix.rate = Some(options.rate.or(mix.rate).unwrap_or(RATE));
        mix.connections = Some(options.connections.or(mix.connections).unwrap_or(CONNECTIONS));
        Ok(Box::new(HttpLoad { mix, from: rest.to_owned(), next: AtomicU64::new(0) }))
    }
}

/// `http://host:port/path?query`.
fn one_request(text: &str) -> Result<Mix, WorkloadError> {
    let wrong =
        |found: String| WorkloadError::spec("a URL such as `http://127.0.0.1:8000/items`", found, "check the URL");
    let url = Url::parse(text).map_err(|error| wrong(error.to_string()))?;
    let authority = text.split_once("://").map_or(text, |(_, rest)| rest);
    let path = authority.find('/').map_or("/", |at| &authority[at..]);
    Ok(Mix::of(Request::get(path)?, Some(url.with_base(""))))
}

/// A mix that is ready.
#[derive(Debug)]
struct HttpLoad {
    mix: Mix,
    from: String,
    /// Number of the next request: over all stretches, so that what the warm-up has asked for is not asked for again.
    next: AtomicU64,
}

impl Load for HttpLoad {
    fn describe(&self) -> serde_json::Value {
        let total: f64 = self.mix.requests.iter().map(|request| request.weight).sum();
        let requests: Vec<_> = self
            .mix
            .requests
            .iter()
            .map(|request| json!({ "name": request.name, "share": request.weight / total, "method": request.method }))
            .collect();
        json!({
            "from": self.from, "rate": self.mix.rate, "connections": self.mix.connections,
            "keep_alive": self.mix.keep_alive, "requests": requests, "lacks": self.mix.lacks,
        })
    }

    fn target(&self) -> Option<&Url> {
        self.mix.target.as_ref()
    }

    fn drive(&self, stretch: &Stretch<'_>) -> Result<(), WorkloadError> {
        let target = stretch.target.ok_or_else(|| WorkloadError::broken("the address of the program is not known"))?;
        let time = stretch.time.unwrap_or(Duration::from_secs(5));
        let first = self.next.load(Ordering::SeqCst);
        let due = run_mix(&self.mix, target, time, first, stretch.tally, stretch.stop);
        self.next.store(first + due, Ordering::SeqCst);
        Ok(())
    }
}

/// Makes the requests of one kind with these numbers, one after the other, and says what came of them.
pub(crate) fn probe_requests(
    request: &Request,
    mix: &Mix,
    target: &Url,
    numbers: Range<u64>,
    stop: &Stop,
) -> LoadResult {
    let tally = Tally::default();
    let alone = Mix { requests: vec![Request { weight: 1.0, ..request.clone() }], ..mix.clone() };
    engine::run_numbers(&alone, target, numbers, &tally, stop);
    tally.result()
}
