//! From the sources of a command line to one profile.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::flags::Parsed;
use super::{Host, RunError};
use crate::combine::{Merge, Subtraction, subtract};
use crate::error::ReadError;
use crate::inflate::{Limits, inflate};

use crate::model::{Mapping, Text, View};

/// The inflated bytes of all sources.
#[derive(Debug, Default)]
pub(crate) struct Files {
    sources: Vec<(String, Vec<u8>)>,
    bases: Vec<(String, Vec<u8>)>,
}

impl Files {
    /// Reads all files and URLs. A source that fails is named and left out as long as another one is left.
    pub(crate) fn load(parsed: &Parsed, host: &mut dyn Host) -> Result<Self, RunError> {
        let base = if parsed.base.is_empty() { &parsed.diff_base } else { &parsed.base };
        let sources = load_all(&parsed.sources, "source", parsed, host)?;
        let bases = if base.is_empty() { Vec::new() } else { load_all(base, "base", parsed, host)? };
        Ok(Self { sources, bases })
    }
}

fn load_all(
    names: &[String],
    what: &str,
    parsed: &Parsed,
    host: &mut dyn Host,
) -> Result<Vec<(String, Vec<u8>)>, RunError> {
    let mut loaded = Vec::new();
    let mut problem = None;
    for name in names {
        match load(name, parsed, host) {
            Ok(bytes) => loaded.push((shown(name).into_owned(), bytes)),
            Err(error) if names.len() == 1 => return Err(error),
            Err(error) => {
                if let RunError::Source { message, .. } = &error {
                    writeln!(host.stderr(), "{message}")?;
                }
                problem = Some(error);
            }
        }
    }
    match problem {
        Some(error) if loaded.is_empty() => Err(error),
        Some(_) => {
            writeln!(host.stderr(), "Fetched {} {what} profiles out of {}", loaded.len(), names.len())?;
            Ok(loaded)
        }
        None => Ok(loaded),
    }
}

fn problem(name: &str, reason: &dyn std::fmt::Display, hint: &str) -> RunError {
    let message = format!("failed to read `{}` as pprof profile: {reason}", shown(name));
    RunError::Source { message, hint: hint.into() }
}

/// A source as messages name it: the password of a URL is nobody else's business.
fn shown(name: &str) -> Cow<'_, str> {
    let Some((scheme, rest)) = name.split_once("://") else { return name.into() };
    let authority = &rest[..rest.find(['/', '?']).unwrap_or(rest.len())];
    match authority.rsplit_once('@').and_then(|(who, host)| Some((who.split_once(':')?.0, host))) {
        Some((user, host)) => format!("{scheme}://{user}:xxxxx@{host}{}", &rest[authority.len()..]).into(),
        None => name.into(),
    }
}

fn load(name: &str, parsed: &Parsed, host: &mut dyn Host) -> Result<Vec<u8>, RunError> {
    let file = match host.read(name) {
        Ok(bytes) => bytes,
        Err(error) => {
            let Some(url) = url(name, parsed.seconds) else {
                return Err(problem(
                    name,
                    &error,
                    "give the path of a profile, or a URL such as http://localhost:6060/debug/pprof/heap",
                ));
            };
            let told = shown(&url);
            writeln!(host.stderr(), "Fetching profile over HTTP from {told}")?;
            let in_url = url.split(['?', '&']).find_map(|part| part.strip_prefix("seconds=")?.parse().ok());
            let seconds = if parsed.seconds > 0 { parsed.seconds } else { in_url.unwrap_or(0) };
            let timeout = match (parsed.timeout, seconds) {
                (timeout @ 1.., _) => timeout,
                (_, seconds @ 1..) => seconds.saturating_add(seconds / 2),
                _ => 60,
            };
            let waiting =
                "is the server up, and does it serve net/http/pprof at that path? `-timeout=SECONDS` waits longer";
            let insecure = format!(
                "if it was the certificate, `https+insecure{}` accepts any; {waiting}",
                &told[told.find(':').unwrap_or(0)..]
            );
            let hint = if url.starts_with("https:") { &insecure } else { waiting };
            host.fetch(&url, timeout as u64).map_err(|error| problem(name, &error, hint))?
        }
    };
    let damaged = |error: &dyn std::fmt::Display| problem(name, error, "record or download the file again");
    match inflate(&file, Limits::default()).map_err(|error| damaged(&error))? {
        Cow::Owned(bytes) => Ok(bytes),
        Cow::Borrowed(_) => Ok(file),
    }
}

/// `name` as a URL, with the seconds asked for.
fn url(name: &str, seconds: i64) -> Option<String> {
    let (scheme, rest) = name.split_once("://").unwrap_or(("http", name));
    let (place, query) = rest.split_once('?').map_or((rest, None), |(place, query)| (place, Some(query)));
    let (host, path) = place.split_at(place.find('/').unwrap_or(place.len()));
    if host.is_empty() || (!name.contains("://") && !host.contains(':')) {
        return None;
    }
    // A server without a path is asked for its CPU profile, as ever.
    let path = if matches!(path, "" | "/") { "/debug/pprof/profile" } else { path };
    let mut parameters: Vec<Cow<'_, str>> =
        query.into_iter().flat_map(|query| query.split('&')).map(Cow::from).collect();
    if seconds > 0 {
        parameters.retain(|parameter| parameter.split('=').next() != Some("seconds"));
        parameters.push(format!("seconds={seconds}").into());
    }
    let mark = if parameters.is_empty() { "" } else { "?" };
    Some(format!("{scheme}://{host}{path}{mark}{}", parameters.join("&")))
}

/// Merges the sources and subtracts the base.
pub(crate) fn profile<'f>(files: &'f mut Files, parsed: &Parsed, host: &mut dyn Host) -> Result<View<'f>, RunError> {
    let mut view = if files.bases.is_empty() {
        combined(&mut files.sources, parsed, host)?
    } else {
        // A difference borrows nothing, so the bytes can go before the report needs memory.
        let Files { mut sources, mut bases } = std::mem::take(files);
        let (view, base) = (combined(&mut sources, parsed, host)?, combined(&mut bases, parsed, host)?);
        subtract(view, base, Subtraction { mark_base: parsed.marks_base(), normalize: parsed.normalize })?
    };
    if let Err(error) = view.drop_uninteresting() {
        writeln!(host.stderr(), "warning: the profile's own drop_frames is no valid expression: {error}")?;
    }
    if !parsed.comment.is_empty() {
        view.comments.push(parsed.comment.clone());
    }
    Ok(view)
}

/// Merges profiles; as when loading, a damaged one is left out as long as another one is left. Of several, each is read
/// twice, first for its columns, so that at no time all are in memory; then its bytes are dropped.
fn combined<'f>(
    files: &'f mut Vec<(String, Vec<u8>)>,
    parsed: &Parsed,
    host: &mut dyn Host,
) -> Result<View<'f>, RunError> {
    let mut shapes = Vec::new();
    let mut unread = if files.len() > 1 { std::mem::take(files) } else { Vec::new() }.into_iter();
    while let Some((name, bytes)) = unread.next() {
        match View::read(&bytes) {
            Ok(view) => {
                shapes.push(view.shape());
                files.push((name, bytes));
            }
            Err(error) if files.is_empty() && unread.len() == 0 => return Err(unreadable(&name, &error)),
            Err(error) => writeln!(host.stderr(), "{name}: {error}")?,
        }
    }
    if files.len() == 1 {
        let (name, bytes) = &files[0];
        let mut view = View::read(bytes).map_err(|error| unreadable(name, &error))?;
        name_binary(&mut view, parsed);
        return Ok(view);
    }
    let mut merge = Merge::new(&shapes)?;
    for (_, bytes) in files.drain(..) {
        if let Ok(mut view) = View::read(&bytes) {
            name_binary(&mut view, parsed);
            merge.add(view);
        }
    }
    Ok(merge.finish())
}

fn unreadable(name: &str, error: &ReadError) -> RunError {
    let hint = match error {
        ReadError::Html => "a page and not a profile; servers have profiles at paths such as /debug/pprof/heap",
        _ => "pprof files start with bytes 1f 8b, or are legacy profiles; record or download the file again",
    };
    problem(name, error, hint)
}

/// A profile without mappings gets one, so that the binary named on the command line has a place.
fn name_binary(view: &mut View<'_>, parsed: &Parsed) {
    if view.mappings.is_empty() {
        view.mappings.push(Mapping { id: 1, ..Mapping::default() });
        view.locations.iter_mut().for_each(|location| location.mapping = Some(0));
    }
    let main = &mut view.mappings[0];
    if let Some(binary) = &parsed.binary {
        main.file.clone_from(binary);
    }
    if main.build_id.is_empty() {
        main.build_id.clone_from(&parsed.build_id);
    }
}

/// Units of numeric labels: the first one found for a key; others are reported.
pub(crate) fn label_units(view: &View<'_>, host: &mut dyn Host) -> Result<HashMap<String, String>, RunError> {
    let (mut known, mut pairs, mut last) = (HashSet::new(), Vec::new(), None);
    view.samples.for_each_without_stack(|sample| {
        for label in sample.labels.iter().filter(|label| !label.is_text()) {
            let pair = (label.key, label.unit);
            // One label after the other has the same unit, as a rule.
            if last.replace(pair) != Some(pair) && known.insert(pair) {
                pairs.push(pair);
            }
        }
    });
    let mut units: HashMap<Text, (String, Vec<String>)> = HashMap::new();
    for (key, unit) in pairs {
        let unit = view.texts.get(unit);
        let (first, others) = units.entry(key).or_default();
        if first.is_empty() {
            unit.clone_into(first);
        } else if !unit.is_empty() {
            others.push(unit.to_owned());
        }
    }
    let mut known = HashMap::new();
    for (key, (first, mut others)) in units {
        let key = view.texts.get(key).to_owned();
        let unit = match (first.is_empty(), key.as_str()) {
            (true, "alignment" | "request") => "bytes".to_owned(),
            (true, _) => key.clone(),
            (false, _) => first,
        };
        if !others.is_empty() {
            others.sort_unstable();
            let others = others.join(", ");
            writeln!(host.stderr(), "For tag {key} used unit {unit}, also encountered unit(s) {others}")?;
        }
        known.insert(key, unit);
    }
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::{shown, url};

    #[test]
    fn urls_are_those_that_go_asks() {
        for (name, seconds, asked) in [
            ("h:1", -1, Some("http://h:1/debug/pprof/profile")),
            ("http://h/", 5, Some("http://h/debug/pprof/profile?seconds=5")),
            ("http://h:1?seconds=3", -1, Some("http://h:1/debug/pprof/profile?seconds=3")),
            ("http://h:1/x?seconds=3&debug=0", 5, Some("http://h:1/x?debug=0&seconds=5")),
            ("https://h/heap?gc=1", -1, Some("https://h/heap?gc=1")),
            ("heap.pb.gz", -1, None),
            ("http:///x", -1, None),
        ] {
            assert_eq!(url(name, seconds).as_deref(), asked, "{name}");
        }
    }

    #[test]
    fn passwords_are_not_shown() {
        for (name, told) in [
            ("https://me:se:c@ret@h:1/x?y@z", "https://me:xxxxx@h:1/x?y@z"),
            ("http://me@h/", "http://me@h/"),
            ("http://h/a:b@c", "http://h/a:b@c"),
            ("a:b@c.pb.gz", "a:b@c.pb.gz"),
        ] {
            assert_eq!(shown(name), told);
        }
    }
}
