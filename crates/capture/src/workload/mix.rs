//! Which requests are made, and how often each: from a workload file, a HAR file or an access log.

mod access_log;
mod file;
mod har;
mod template;

use std::io::Read;
use std::path::Path;
use std::time::Duration;

pub(crate) use template::{Template, splitmix};

use super::WorkloadError;
use crate::http::Url;

/// Files larger than this are no description of a workload; of an access log the first part is read.
const LARGEST: u64 = 256 << 20;

/// Requests by weight, with the settings of the file they came from.
#[derive(Clone, Debug, Default)]
pub struct Mix {
    /// The requests; never empty.
    pub requests: Vec<Request>,
    /// Where to, if the file says so.
    pub target: Option<Url>,
    /// Requests a second.
    pub rate: Option<f64>,
    /// Connections at once.
    pub connections: Option<usize>,
    /// Whether a connection serves several requests.
    pub keep_alive: bool,
    /// How long an answer may take.
    pub timeout: Duration,
    /// What it was made of.
    pub source: Source,
    /// What the mix lacks and what was left out, in words.
    pub lacks: Vec<String>,
}

/// What a mix was made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// A workload file.
    #[default]
    File,
    /// A HAR file.
    Har,
    /// An access log.
    AccessLog,
}

/// One kind of request.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// What it is called in results.
    pub name: String,
    /// How often, relative to the others.
    pub weight: f64,
    /// `GET`, `POST`, ….
    pub method: String,
    /// Paths with their queries, taken in turn.
    pub paths: Vec<Template>,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<Template>,
    /// The status that counts as success; `None` is any below 400.
    pub expect: Option<u16>,
}

impl Request {
    /// A plain `GET`.
    pub(crate) fn get(path: &str) -> Result<Self, WorkloadError> {
        let wrong =
            |reason: String| WorkloadError::spec("a path such as `/items`", reason, "a path starts with a slash");
        Ok(Self {
            name: format!("GET {path}"),
            weight: 1.0,
            method: "GET".into(),
            paths: vec![Template::path(path).map_err(wrong)?],
            headers: Vec::new(),
            body: None,
            expect: None,
        })
    }
}

impl Mix {
    /// One request again and again.
    pub(crate) fn of(request: Request, target: Option<Url>) -> Self {
        Self { requests: vec![request], target, ..Self::empty() }
    }

    fn empty() -> Self {
        Self { keep_alive: true, timeout: Duration::from_secs(10), ..Self::default() }
    }

    /// The mix as a workload file.
    pub fn to_toml(&self) -> String {
        file::write(self)
    }
}

/// Reads a workload file, a HAR file or an access log, told by its content.
pub fn read_mix(path: &Path) -> Result<Mix, WorkloadError> {
    let text = read_text(path)?;
    let shown = path.display().to_string();
    if har::sniffs(&text) {
        return har::read(&text, &shown);
    }
    if access_log::sniffs(&text) {
        return access_log::read(&text, &shown);
    }
    file::read(&text, path)
}

/// Whether a file describes requests.
pub(crate) fn sniffs(path: &Path, text: &str) -> bool {
    har::sniffs(text)
        || access_log::sniffs(text)
        || (path.extension().is_some_and(|end| end == "toml") && file::sniffs(text))
}

/// The text of a file; of a huge one its beginning.
pub(crate) fn read_text(path: &Path) -> Result<String, WorkloadError> {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut bytes));
    read.map_err(|error| {
        WorkloadError::spec("a file that can be read", format!("`{}`: {error}", path.display()), "check the path")
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
