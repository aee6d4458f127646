//! Access logs: the request line in quotes as nginx, Apache, gunicorn, uvicorn and werkzeug write it, and gin's own.
//! A log keeps no bodies, so requests that had one are counted and left out.

use std::collections::{BTreeMap, HashMap};

use super::{Mix, Request, Source, Template, WorkloadError};

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
/// Distinct paths of a route that are requested.
const MOST_PATHS: usize = 1000;
/// Routes rarer than this share of the requests are told, not made.
const RARE: f64 = 0.001;
/// Lines that are looked at to tell a log.
const SNIFFED: usize = 20;

/// One line.
#[derive(Debug, PartialEq)]
struct Line<'a> {
    method: &'a str,
    path: &'a str,
    status: Option<u16>,
}

pub(super) fn sniffs(text: &str) -> bool {
    let lines = || text.lines().filter(|line| !line.trim().is_empty()).take(SNIFFED);
    let fitting = lines().filter(|line| parse(line).is_some()).count();
    fitting > 0 && fitting * 2 >= lines().count()
}

fn parse(line: &str) -> Option<Line<'_>> {
    for method in METHODS {
        for (at, _) in line.match_indices(method) {
            let rest = &line[at + method.len()..];
            // "GET /path HTTP/1.1" 200
            if line[..at].ends_with('"')
                && let Some((inside, after)) = rest.strip_prefix(' ').and_then(|rest| rest.split_once('"'))
                && let Some((path, _)) = inside.rsplit_once(" HTTP/")
                && path.starts_with('/')
            {
                return Some(Line { method, path, status: status(after) });
            }
            // [GIN] 2026/01/02 - 15:04:05 | 200 |     1.2ms |       127.0.0.1 | GET      "/path"
            if let Some(path) = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next())
                && path.starts_with('/')
                && line[..at].trim_end().ends_with('|')
            {
                return Some(Line { method, path, status: line[..at].split('|').nth(1).and_then(status) });
            }
        }
    }
    None
}

fn status(text: &str) -> Option<u16> {
    text.split(|c: char| !c.is_ascii_digit()).find(|word| word.len() == 3)?.parse().ok()
}

pub(super) fn read(text: &str, shown: &str) -> Result<Mix, WorkloadError> {
    #[derive(Default)]
    struct Route<'a> {
        count: usize,
        paths: BTreeMap<&'a str, usize>,
        failed: usize,
    }
    let mut routes: HashMap<(String, String), Route<'_>> = HashMap::new();
    let (mut total, mut skipped) = (0_usize, 0_usize);
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let Some(line) = parse(line) else {
            skipped += 1;
            continue;
        };
        total += 1;
        let route = routes.entry((line.method.to_owned(), route(line.path))).or_default();
        route.count += 1;
        route.failed += usize::from(line.status.is_some_and(|status| status >= 400));
        if route.paths.len() < MOST_PATHS || route.paths.contains_key(line.path) {
            *route.paths.entry(line.path).or_insert(0) += 1;
        }
    }
    let mut rows: Vec<((String, String), Route<'_>)> = routes.into_iter().collect();
    rows.sort_by(|a, b| b.1.count.cmp(&a.1.count).then_with(|| a.0.cmp(&b.0)));
    let share = |count: usize| 100.0 * count as f64 / total.max(1) as f64;
    let mut requests = Vec::new();
    let mut lacks = Vec::new();
    let (mut rare, mut rare_count) = (0, 0);
    for ((method, route), found) in rows {
        if !["GET", "HEAD", "OPTIONS"].contains(&method.as_str()) {
            lacks
                .push(format!("{method} {route} ({:.1} % of the requests): a log keeps no bodies", share(found.count)));
            continue;
        }
        if found.failed * 2 > found.count {
            lacks.push(format!("{method} {route} ({:.1} %), which mostly failed", share(found.count)));
            continue;
        }
        if (found.count as f64) < RARE * total as f64 && !requests.is_empty() {
            rare += 1;
            rare_count += found.count;
            continue;
        }
        let mut paths: Vec<(&str, usize)> = found.paths.into_iter().collect();
        paths.sort_by_key(|path| std::cmp::Reverse(path.1));
        let paths: Vec<Template> =
            paths.iter().filter_map(|(path, _)| Template::path(&path.replace('{', "%7B")).ok()).collect();
        if !paths.is_empty() {
            requests.push(Request {
                name: format!("{method} {route}"),
                weight: found.count as f64,
                method,
                paths,
                headers: Vec::new(),
                body: None,
                expect: None,
            });
        }
    }
    if rare > 0 {
        lacks.push(format!("{rare} rare routes, {:.1} % of the requests together", share(rare_count)));
    }
    if skipped > 0 {
        lacks.push(format!("{skipped} lines that are no requests"));
    }
    if requests.is_empty() {
        return Err(WorkloadError::spec(
            format!("requests without bodies in the access log `{shown}`"),
            format!("{total} requests, none of that kind"),
            "write a workload file by hand: docs/workload.md",
        ));
    }
    Ok(Mix { requests, source: Source::AccessLog, lacks, ..Mix::empty() })
}

/// A path with numbers, UUIDs and long hexadecimal words replaced, without its query.
fn route(path: &str) -> String {
    let bare = path.split(['?', '#']).next().unwrap_or(path);
    let is_id = |word: &str| {
        let hex = word.len() >= 8 && word.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        !word.is_empty()
            && (word.bytes().all(|byte| byte.is_ascii_digit()) || hex && word.bytes().any(|b| b.is_ascii_digit()))
    };
    let words: Vec<&str> = bare.split('/').map(|word| if is_id(word) { "{id}" } else { word }).collect();
    words.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_logs_of_common_servers() {
        let line = |method, path, status| Some(Line { method, path, status: Some(status) });
        for (text, expected) in [
            (
                "1.2.3.4 - bob [10/Oct/2025:13:55:36 -0700] \"GET /a?b=1 HTTP/1.0\" 200 2326 \"http://x/GET\" \"Mozilla\"",
                line("GET", "/a?b=1", 200),
            ),
            ("INFO:     127.0.0.1:51234 - \"POST /orders HTTP/1.1\" 201 Created", line("POST", "/orders", 201)),
            ("127.0.0.1 - - [23/Nov/2026 13:00:00] \"GET /items HTTP/1.1\" 404 -", line("GET", "/items", 404)),
            (
                "[GIN] 2026/01/02 - 15:04:05 | 200 |      1.2ms |       127.0.0.1 | GET      \"/ping\"",
                line("GET", "/ping", 200),
            ),
            ("{\"request\":\"GET /x HTTP/2.0\",\"status\":200}", line("GET", "/x", 200)),
            ("starting up", None),
            ("\"GET /x", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn the_mix_has_the_log_s_shares_and_says_what_it_lacks() {
        let mut text: String = (0..90)
            .flat_map(|at| ["h - - [t] \"GET /items/".into(), at.to_string(), "?q=1 HTTP/1.1\" 200 1\n".into()])
            .collect();
        for _ in 0..10 {
            text.push_str("h - - [t] \"GET / HTTP/1.1\" 200 1\nh - - [t] \"POST /cart HTTP/1.1\" 200 1\n");
        }
        text.push_str("h - - [t] \"GET /wp-login.php HTTP/1.1\" 404 1\nnoise\n");
        assert!(sniffs(&text));
        let mix = read(&text, "access.log").unwrap();
        let rows: Vec<(&str, f64, usize)> =
            mix.requests.iter().map(|row| (&*row.name, row.weight, row.paths.len())).collect();
        assert_eq!(rows, [("GET /items/{id}", 90.0, 90), ("GET /", 10.0, 1)]);
        let lacks = mix.lacks.join("\n");
        for expected in ["POST /cart (9.0 % of the requests)", "wp-login.php", "1 lines"] {
            assert!(lacks.contains(expected), "{lacks}");
        }
    }

    #[test]
    fn identifiers_become_one_route() {
        assert_eq!(route("/u/42/o/3f2b8c1e-0000-4000-8000-123456789abc?x=1"), "/u/{id}/o/{id}");
        assert_eq!(route("/deadbeef/facade00"), "/deadbeef/{id}");
    }
}
