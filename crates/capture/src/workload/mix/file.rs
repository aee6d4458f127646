//! The workload file: TOML, small enough to write by hand.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::{Mix, Request, Source, Template, WorkloadError};
use crate::http::Url;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    target: Option<String>,
    rate: Option<f64>,
    connections: Option<usize>,
    keep_alive: Option<bool>,
    timeout: Option<f64>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    request: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: Option<String>,
    weight: Option<f64>,
    method: Option<String>,
    path: Option<String>,
    paths: Option<Vec<String>>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Option<String>,
    json: Option<toml::Value>,
    body_file: Option<String>,
    expect: Option<u16>,
}

/// Whether a TOML text describes requests.
pub(super) fn sniffs(text: &str) -> bool {
    text.lines().any(|line| line.trim() == "[[request]]")
}

pub(super) fn read(text: &str, path: &Path) -> Result<Mix, WorkloadError> {
    let shown = path.display();
    let wrong = |found: String| {
        let hint = "docs/workload.md shows a workload file; `brimline workload mix access.log` writes one";
        WorkloadError::spec(format!("a workload file in `{shown}`"), found, hint)
    };
    let file: File = toml::from_str(text).map_err(|error| wrong(error.to_string().trim().to_owned()))?;
    if file.request.is_empty() {
        return Err(wrong("no [[request]] in it".into()));
    }
    let positive = |name: &str, value: Option<f64>| match value {
        Some(value) if !(value > 0.0 && value <= 1e6) => Err(wrong(format!("{name} = {value}"))),
        value => Ok(value),
    };
    let target = file.target.as_deref().map(Url::parse).transpose().map_err(|error| wrong(error.to_string()))?;
    let rate = positive("rate", file.rate)?;
    let timeout = positive("timeout", file.timeout)?.map_or(Duration::from_secs(10), Duration::from_secs_f64);
    if file.connections.is_some_and(|count| !(1..=10_000).contains(&count)) {
        return Err(wrong(format!("connections = {}", file.connections.unwrap_or_default())));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut requests = Vec::new();
    for (number, row) in file.request.into_iter().enumerate() {
        let wrong = |found: String| wrong(format!("in request {}: {found}", number + 1));
        requests.push(request(row, &file.headers, folder).map_err(wrong)?);
    }
    if requests.iter().all(|request| request.weight == 0.0) {
        return Err(wrong("only requests of weight 0".into()));
    }
    let keep_alive = file.keep_alive.unwrap_or(true);
    let connections = file.connections;
    Ok(Mix { requests, target, rate, connections, keep_alive, timeout, source: Source::File, lacks: Vec::new() })
}

fn request(row: Row, common: &BTreeMap<String, String>, folder: &Path) -> Result<Request, String> {
    let method = row.method.unwrap_or_else(|| "GET".into());
    if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Err(format!("method `{}`", method.escape_debug()));
    }
    let paths = match (row.path, row.paths) {
        (Some(path), None) => vec![path],
        (None, Some(paths)) if !paths.is_empty() => paths,
        _ => return Err("expected one of `path` and `paths`".into()),
    };
    let weight = row.weight.unwrap_or(1.0);
    if !(0.0..=1e9).contains(&weight) {
        return Err(format!("weight = {weight}"));
    }
    let mut headers: BTreeMap<String, String> = common.clone();
    let body = match (row.body, row.json, row.body_file) {
        (None, None, None) => None,
        (Some(text), None, None) => Some(Template::parse(&text)),
        (None, Some(value), None) => {
            headers.insert("Content-Type".into(), "application/json".into());
            Some(Template::parse(&serde_json::to_string(&value).map_err(|error| error.to_string())?))
        }
        (None, None, Some(name)) => {
            let bytes = std::fs::read(folder.join(&name)).map_err(|error| format!("body_file `{name}`: {error}"))?;
            Some(Template::literal(&bytes))
        }
        _ => return Err("expected one of `body`, `json` and `body_file`".into()),
    };
    headers.extend(row.headers);
    for (name, value) in &headers {
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(token) || value.chars().any(char::is_control) {
            return Err(format!("header `{}`", name.escape_debug()));
        }
        if ["host", "content-length", "connection", "transfer-encoding"].contains(&name.to_ascii_lowercase().as_str()) {
            return Err(format!("header `{name}`, which is set by brimline"));
        }
    }
    Ok(Request {
        name: row.name.unwrap_or_else(|| format!("{method} {}", paths[0])),
        weight,
        paths: paths
            .iter()
            .map(|path| Template::path(path))
            .collect::<Result<_, _>>()
            .map_err(|path| format!("path {path}"))?,
        method,
        headers: headers.into_iter().collect(),
        body,
        expect: row.expect,
    })
}

/// Most paths of a request that are written out.
const WRITTEN_PATHS: usize = 20;

/// A mix as such a file.
pub(super) fn write(mix: &Mix) -> String {
    let mut text = String::from("# brimline run --workload http:THIS_FILE -- CMD\n");
    let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
    if let Some(target) = &mix.target {
        let _ = writeln!(text, "target = {}", quoted(&target.to_string()));
    }
    if let Some(rate) = mix.rate {
        let _ = writeln!(text, "rate = {rate:.1}");
    }
    if let Some(connections) = mix.connections {
        let _ = writeln!(text, "connections = {connections}");
    }
    for line in &mix.lacks {
        let _ = writeln!(text, "# lacks: {}", line.replace(['\n', '\r'], " "));
    }
    for request in &mix.requests {
        let _ = writeln!(text, "\n[[request]]\nname = {}\nweight = {}", quoted(&request.name), request.weight);
        if request.method != "GET" {
            let _ = writeln!(text, "method = {}", quoted(&request.method));
        }
        match &request.paths[..] {
            [path] => {
                let _ = writeln!(text, "path = {}", quoted(&path.to_string()));
            }
            paths => {
                let paths: Vec<String> =
                    paths.iter().take(WRITTEN_PATHS).map(|path| quoted(&path.to_string())).collect();
                let _ = writeln!(text, "paths = [{}]", paths.join(", "));
            }
        }
        if !request.headers.is_empty() {
            let headers: Vec<String> =
                request.headers.iter().map(|(name, value)| format!("{} = {}", quoted(name), quoted(value))).collect();
            let _ = writeln!(text, "headers = {{ {} }}", headers.join(", "));
        }
        if let Some(body) = &request.body {
            let _ = writeln!(text, "body = {}", quoted(&body.to_string()));
        }
        if let Some(expect) = request.expect {
            let _ = writeln!(text, "expect = {expect}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
target = "http://127.0.0.1:8000"
rate = 50
timeout = 2.5
headers = { Accept = "application/json" }

[[request]]
path = "/items?page={n}"
weight = 5

[[request]]
name = "order"
method = "POST"
path = "/orders"
json = { item = 3, tags = ["a"] }
expect = 201
"#;

    #[test]
    fn what_is_written_is_read_back() {
        let mix = read(FILE, Path::new("w.toml")).unwrap();
        assert_eq!((mix.rate, mix.timeout, mix.requests.len()), (Some(50.0), Duration::from_millis(2500), 2));
        assert_eq!(mix.requests[0].name, "GET /items?page={n}");
        assert_eq!(mix.requests[1].body.as_ref().unwrap().to_string(), r#"{"item":3,"tags":["a"]}"#);
        let again = read(&mix.to_toml(), Path::new("w.toml")).unwrap();
        assert_eq!(again.requests, mix.requests);
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        for (text, expected) in [
            ("", "no [[request]]"),
            ("[[request]]", "request 1: expected one of `path` and `paths`"),
            ("[[request]]\npath = 'x'", "request 1: path `x`"),
            ("[[request]]\npath = '/x'\nwieght = 3", "unknown field `wieght`"),
            ("rate = -1\n[[request]]\npath = '/x'", "rate = -1"),
            ("[[request]]\npath = '/x'\nheaders = { 'a b' = 'c' }", "header `a b`"),
            ("[[request]]\npath = '/x'\nheaders = { Host = 'c' }", "header `Host`, which is set by brimline"),
            ("[[request]]\npath = '/x'\nbody = 'a'\njson = 1", "expected one of `body`"),
            ("[[request]]\npath = '/x'\nweight = 0", "only requests of weight 0"),
            ("[[request]", "line 1"),
        ] {
            let error = read(text, Path::new("w.toml")).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
