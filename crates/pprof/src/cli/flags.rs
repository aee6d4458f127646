//! Flags as Go's `flag` package reads them: one dash or two, `-name value` or `-name=value`, up to the first source.

use std::ffi::OsString;
use std::fmt::Write as _;

use super::command::{Command, KINDS, find};
use super::config::{Config, OPTIONS, boolean, option_of_choice};
use super::{Host, RunError};

/// A command line.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    /// The report; none for the prompt.
    pub(crate) command: Option<Command>,
    pub(crate) sources: Vec<String>,
    pub(crate) base: Vec<String>,
    pub(crate) diff_base: Vec<String>,
    pub(crate) normalize: bool,
    /// Binary named before the sources.
    pub(crate) binary: Option<String>,
    pub(crate) build_id: String,
    pub(crate) comment: String,
    pub(crate) seconds: i64,
    pub(crate) timeout: i64,
    /// Where to serve a page.
    pub(crate) http: Option<String>,
    pub(crate) no_browser: bool,
}

impl Parsed {
    /// Whether the base's samples keep a mark: as asked by `-diff_base`, and for answers that tell before from after.
    pub(crate) fn marks_base(&self) -> bool {
        let tells = |command: &Command| matches!(command.name.name, "flame" | "json");
        !self.diff_base.is_empty() || self.http.is_some() || self.command.as_ref().is_some_and(tells)
    }
}

/// Old names of columns, with whether they mean averages.
static COLUMNS: [(&str, &str); 7] = [
    ("total_delay", "delay"),
    ("mean_delay", "delay"),
    ("contentions", "contentions"),
    ("inuse_space", "inuse_space"),
    ("inuse_objects", "inuse_objects"),
    ("alloc_space", "alloc_space"),
    ("alloc_objects", "alloc_objects"),
];

/// Flags with a value that are no options of a report.
static VALUES: [&str; 9] =
    ["base", "diff_base", "symbolize", "buildid", "timeout", "seconds", "add_comment", "tools", "http"];

fn usage(message: impl Into<String>) -> RunError {
    let hint = "`pprof -help` lists all flags; they go before the first source".into();
    RunError::Usage { message: message.into(), hint }
}

/// Reads the command line into `config` and the rest.
pub(crate) fn parse(args: &[OsString], config: &mut Config, host: &mut dyn Host) -> Result<Parsed, RunError> {
    let mut parsed = Parsed { seconds: -1, timeout: -1, ..Parsed::default() };
    let mut columns: Vec<&str> = Vec::new();
    let mut choices: Vec<String> = Vec::new();
    let mut args = args.iter().map(|arg| arg.to_string_lossy().into_owned()).peekable();
    while let Some(arg) = args.next_if(|arg| arg.len() > 1 && arg.starts_with('-')) {
        if arg == "--" {
            break;
        }
        let flag = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-')).unwrap_or(&arg);
        let (name, given) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (flag, None),
        };
        if matches!(name, "h" | "help") {
            return Err(RunError::Help(help()));
        }
        let command = find(name);
        let column = COLUMNS.iter().find(|(flag, _)| *flag == name);
        let choice = option_of_choice(name);
        let alone = command.is_some_and(|kind| !kind.has_argument)
            || column.is_some()
            || name == "no_browser"
            || config.is_flag(name);
        if alone {
            let on = match &given {
                None => true,
                Some(text) => boolean(text)
                    .ok_or_else(|| usage(format!("expected true or false for `-{name}`, found `{text}`")))?,
            };
            match (command, column, choice) {
                (Some(kind), ..) if on => set_command(&mut parsed, Command { name: kind, argument: None })?,
                (_, Some(&(flag, _)), _) if on => columns.push(flag),
                (.., Some(_)) if on => choices.push(name.to_owned()),
                (None, None, None) if name == "no_browser" => parsed.no_browser = on,
                (None, None, None) => config.set(name, &on.to_string()).map_err(usage)?,
                _ => {}
            }
            continue;
        }
        let known = command.is_some() || VALUES.contains(&name) || (config.slot(name).is_some() && choice.is_none());
        if !known || matches!(name, "sort" | "granularity") {
            return Err(usage(format!("expected a flag of pprof, found `-{name}`")));
        }
        let Some(value) = given.or_else(|| args.next()) else {
            return Err(usage(format!("expected a value after `-{name}`, found the end of the command line")));
        };
        match (command, name) {
            (Some(_), _) if value.is_empty() => {}
            (Some(kind), _) => set_command(&mut parsed, Command { name: kind, argument: Some(value) })?,
            (None, "base") => parsed.base.extend(Some(value).filter(|value| !value.is_empty())),
            (None, "diff_base") => parsed.diff_base.extend(Some(value).filter(|value| !value.is_empty())),
            (None, "buildid") => parsed.build_id = value,
            (None, "add_comment") => parsed.comment = value,
            (None, "seconds") => parsed.seconds = whole(name, &value)?,
            (None, "timeout") => parsed.timeout = whole(name, &value)?,
            (None, "symbolize" | "tools") => {}
            (None, "http") => parsed.http = Some(value),
            (None, _) => config.set(name, &value).map_err(usage)?,
        }
    }
    parsed.sources.extend(args);
    finish(parsed, config, &columns, &choices, host)
}

fn finish(
    mut parsed: Parsed,
    config: &mut Config,
    columns: &[&str],
    choices: &[String],
    host: &mut dyn Host,
) -> Result<Parsed, RunError> {
    if parsed.sources.is_empty() {
        return Err(usage("expected a profile file or URL, found none"));
    }
    // A first argument that is a program names the binary the profile was taken of.
    if parsed.sources.len() > 1 && host.is_program(&parsed.sources[0]) {
        parsed.binary = Some(parsed.sources.remove(0));
    }
    for (index, word) in choices.iter().enumerate() {
        let other =
            choices[..index].iter().find(|other| option_of_choice(other) == option_of_choice(word) && *other != word);
        if let Some(other) = other {
            return Err(usage(format!("expected one of `-{other}` and `-{word}`, found both")));
        }
        config.set(word, "true").map_err(usage)?;
    }
    for (flag, column) in COLUMNS.iter().filter(|(flag, _)| columns.contains(flag)) {
        if config.sample_index.is_empty() {
            (*column).clone_into(&mut config.sample_index);
        } else {
            writeln!(host.stderr(), "Multiple value selections, ignoring -{flag}")?;
        }
        config.mean |= *flag == "mean_delay";
    }
    if let (Some(_), Some(command)) = (&parsed.http, &parsed.command) {
        return Err(usage(format!("expected `-http` or a report, found `-{}` as well", command.name.name)));
    }
    if !parsed.base.is_empty() && !parsed.diff_base.is_empty() {
        return Err(usage("expected one of `-base` and `-diff_base`, found both"));
    }
    parsed.normalize = config.normalize;
    if parsed.normalize && parsed.base.is_empty() && parsed.diff_base.is_empty() {
        return Err(usage("expected a base profile to normalize by, found none"));
    }
    Ok(parsed)
}

fn set_command(parsed: &mut Parsed, command: Command) -> Result<(), RunError> {
    match &parsed.command {
        Some(other) if *other != command => {
            Err(usage(format!("expected one report, found `-{}` and `-{}`", other.name.name, command.name.name)))
        }
        _ => {
            parsed.command = Some(command);
            Ok(())
        }
    }
}

fn whole(name: &str, value: &str) -> Result<i64, RunError> {
    value.parse().map_err(|_| usage(format!("expected a whole number for `-{name}`, found `{value}`")))
}

/// What the option called `name` does.
pub(crate) fn help_of(name: &str) -> Option<&'static str> {
    OPTIONS.iter().find(|(known, _)| *known == name).map(|(_, help)| *help).filter(|help| !help.is_empty())
}

/// All flags, for `-help`.
pub(crate) fn help() -> String {
    let mut text = String::from(
        "usage: pprof <report> [options] [binary] <source> ...\n\nReports (at most one; without one a prompt opens):\n",
    );
    // Writing to a String cannot fail.
    for kind in &KINDS {
        let _ = writeln!(text, "    -{:<16} {}", kind.name, kind.help);
    }
    text.push_str("\nOptions:\n");
    for (name, help) in OPTIONS.iter().filter(|(_, help)| !help.is_empty()) {
        let _ = writeln!(text, "    -{name:<20} {help}");
    }
    text.push_str("    -cum, -flat           Sort by cumulative or own weight\n");
    text.push_str(
        "    -functions, -filefunctions, -files, -lines, -addresses\n                          Granularity\n",
    );
    text.push_str("\nSources: files or http URLs; -base, -diff_base, -seconds, -timeout, -buildid, -add_comment");
    text
}
