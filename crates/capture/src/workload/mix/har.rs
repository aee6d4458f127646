//! HAR 1.2, as browsers' developer tools save it (<http://www.softwareishard.com/blog/har-12-spec/>). Order and pauses are
//! not kept: the entries become a mix. Cookies and credentials stay behind.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Mix, Request, Source, Template, WorkloadError};
use crate::http::Url;

/// Headers that change what a server does and hold no secret.
const KEPT: [&str; 4] = ["accept", "content-type", "accept-language", "x-requested-with"];

pub(super) fn sniffs(text: &str) -> bool {
    text.trim_start().starts_with('{') && text.contains("\"log\"") && text.contains("\"entries\"")
}

pub(super) fn read(text: &str, shown: &str) -> Result<Mix, WorkloadError> {
    let wrong = |found: String| {
        WorkloadError::spec(format!("a HAR file in `{shown}`"), found, "save it anew from the browser's network panel")
    };
    let value: Value = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    let entries = value["log"]["entries"].as_array().ok_or_else(|| wrong("no `log.entries`".into()))?;
    let mut hosts: BTreeMap<String, usize> = BTreeMap::new();
    for entry in entries {
        if let Some((host, _)) = split(entry["request"]["url"].as_str().unwrap_or_default()) {
            *hosts.entry(host).or_insert(0) += 1;
        }
    }
    let (host, _) = hosts
        .iter()
        .max_by_key(|(_, count)| **count)
        .ok_or_else(|| wrong(format!("{} entries without an http URL", entries.len())))?;
    let mut lacks = Vec::new();
    let mut order: Vec<Request> = Vec::new();
    let mut dropped_headers = false;
    let mut first = f64::INFINITY;
    for entry in entries {
        let request = &entry["request"];
        let Some((_, path)) = split(request["url"].as_str().unwrap_or_default()).filter(|(own, _)| own == host) else {
            continue;
        };
        first = first.min(entry["time"].as_f64().unwrap_or(f64::INFINITY));
        let method = request["method"].as_str().unwrap_or("GET").to_owned();
        let Ok(template) = Template::path(&path.replace('{', "%7B")) else { continue };
        let mut headers = Vec::new();
        for header in request["headers"].as_array().into_iter().flatten() {
            let (Some(name), Some(value)) = (header["name"].as_str(), header["value"].as_str()) else { continue };
            let lower = name.to_ascii_lowercase();
            if KEPT.contains(&lower.as_str()) && !value.chars().any(char::is_control) {
                headers.push((name.to_owned(), value.to_owned()));
            }
            dropped_headers |= ["cookie", "authorization"].contains(&lower.as_str());
        }
        let body = request["postData"]["text"].as_str().map(|text| Template::literal(text.as_bytes()));
        let same = |known: &&mut Request| known.method == method && known.paths[0] == template && known.body == body;
        if let Some(known) = order.iter_mut().find(same) {
            known.weight += 1.0;
            continue;
        }
        let bare = path.split('?').next().unwrap_or_default();
        let name = format!("{method} {bare}");
        order.push(Request { name, weight: 1.0, method, paths: vec![template], headers, body, expect: None });
    }
    if order.is_empty() {
        return Err(wrong("no request that can be made again".into()));
    }
    order.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    if dropped_headers {
        lacks.push("cookies and credentials, which are not copied from a HAR file: add them under `headers`".into());
    }
    let others: Vec<String> =
        hosts.iter().filter(|(other, _)| *other != host).map(|(other, count)| format!("{count} to {other}")).collect();
    if !others.is_empty() {
        lacks.push(format!("requests to other hosts ({})", others.join(", ")));
    }
    // The address in the file is where it was recorded, often a production host: the target is asked for or found.
    Ok(Mix { requests: order, source: Source::Har, lacks, ..Mix::empty() })
}

/// Host and path with query of an http URL.
fn split(url: &str) -> Option<(String, String)> {
    let (scheme, rest) = url.split_once("://")?;
    if !["http", "https"].contains(&scheme) {
        return None;
    }
    let rest = rest.split('#').next()?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    Url::parse(&format!("{scheme}://{host}")).ok()?;
    let path = if path.is_empty() { "/" } else { path };
    Some((format!("{scheme}://{}", host.rsplit('@').next()?), path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_the_main_host_become_a_mix_without_secrets() {
        let text = r#"{"log":{"version":"1.2","entries":[
            {"request":{"method":"GET","url":"https://shop.example/items?page=2","headers":[{"name":"Cookie","value":"s=1"},{"name":"Accept","value":"*/*"}]}},
            {"request":{"method":"GET","url":"https://shop.example/items?page=2","headers":[]}},
            {"request":{"method":"POST","url":"https://shop.example/cart","headers":[{"name":"Content-Type","value":"application/json"}],"postData":{"text":"{\"n\":1}"}}},
            {"request":{"method":"GET","url":"https://cdn.example/a.js","headers":[]}},
            {"request":{"method":"GET","url":"data:,x","headers":[]}}]}}"#;
        assert!(sniffs(text));
        let mix = read(text, "a.har").unwrap();
        assert_eq!(mix.requests.len(), 2);
        assert_eq!((mix.requests[0].weight, &*mix.requests[0].name), (2.0, "GET /items"));
        assert_eq!(mix.requests[0].headers, [("Accept".to_owned(), "*/*".to_owned())]);
        assert_eq!(mix.requests[1].body.as_ref().unwrap().to_string(), r#"{"n":1}"#);
        assert_eq!(mix.target, None);
        assert_eq!(mix.lacks.len(), 2, "{:?}", mix.lacks);
        assert!(!mix.to_toml().contains("s=1"));
    }

    #[test]
    fn a_file_without_requests_is_refused() {
        for text in [
            r#"{"log":{"entries":[]}}"#,
            r#"{"log":{"entries":[{"request":{"url":"ftp://x"}}]}}"#,
            "{\"log\": {\"entries\": [}",
        ] {
            assert!(read(text, "a.har").is_err(), "{text}");
        }
    }
}
