//! Slash-separated paths, cleaned and cut as Go's `path/filepath` does on Unix.

/// The shortest path equal to `path`: no `.`, no `//`, `..` resolved where possible.
pub(crate) fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|&last| last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            _ => parts.push(part),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".into(),
        (false, false) => parts.join("/"),
    }
}

/// The last element of `path`.
pub(crate) fn base(path: &str) -> &str {
    let trimmed = path.trim_end_matches('/');
    match (path.is_empty(), trimmed.is_empty()) {
        (true, _) => ".",
        (false, true) => "/",
        _ => trimmed.rsplit('/').next().unwrap_or(trimmed),
    }
}

/// `path` without the prefixes of `trim` (colon-separated), or, if `trim` is empty, without everything up to the last
/// element of a directory of `search`.
pub(crate) fn trim_source<'p>(path: &'p str, trim: &str, search: &str) -> &'p str {
    if trim.is_empty() {
        for directory in search.split(':').filter(|_| !search.is_empty()) {
            let want = format!("/{}/", base(directory));
            if let Some(found) = path.find(&want) {
                return &path[found + want.len()..];
            }
        }
    }
    let given = trim.split(':').filter(|_| !trim.is_empty());
    for prefix in given.chain(["/proc/self/cwd/./", "/proc/self/cwd/"]) {
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        if let Some(rest) = path.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('/')) {
            return rest;
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cleans_cuts_and_trims() {
        for (path, expected) in
            [("a//b/./c/..", "a/b"), ("/../x", "/x"), ("", "."), ("../a/../..", "../.."), ("/", "/")]
        {
            assert_eq!(clean(path), expected, "{path}");
        }
        assert_eq!(base("/usr/lib/x.so"), "x.so");
        assert_eq!(trim_source("/build/app/main.go", "/build", ""), "app/main.go");
        assert_eq!(trim_source("/far/app/main.go", "", "/home/me/app"), "main.go");
        assert_eq!(trim_source("/proc/self/cwd/main.go", "", ""), "main.go");
    }
}
