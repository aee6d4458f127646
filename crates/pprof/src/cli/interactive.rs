//! The prompt: commands and options typed one line at a time.

use std::rc::Rc;

use super::command::{Command, KINDS, find};
use super::config::{Config, OPTIONS, choices_of, option_of_choice};
use super::{Host, RunError, flags, report};
use crate::model::View;

/// Reads and carries out commands until the input ends. Errors are told and do not end it.
pub(crate) fn run(view: &View<'_>, mut config: Config, host: &mut dyn Host) -> Result<(), RunError> {
    config.compact_labels = true;
    let types: Vec<&str> = view.sample_types.iter().map(|kind| kind.name.as_str()).collect();
    let (lines, empty) = report::header(&mut view.clone(), &config, host)?;
    for line in lines {
        writeln!(host.stderr(), "{line}")?;
    }
    if empty && types.len() > 1 {
        writeln!(host.stderr(), "No samples were found with the default sample value type.")?;
        writeln!(host.stderr(), "Try \"sample_index\" command to analyze different sample values.\n")?;
    }
    writeln!(host.stderr(), "Entering interactive mode (type \"help\" for commands, \"o\" for options)")?;
    let functions = view.functions.iter().map(|function| view.texts.get(function.name).to_owned()).collect();
    let completion = Rc::new(Completion { functions });
    while let Some(line) = host.read_line("(pprof) ", &completion)? {
        for step in expand(line.trim(), &types) {
            match carry_out(&step, view, &mut config, host) {
                Ok(true) => return Ok(()),
                Ok(false) => {}
                Err(RunError::Io(error)) => return Err(error.into()),
                Err(error) => writeln!(host.stderr(), "{error}")?,
            }
        }
    }
    Ok(())
}

/// Shortcuts: `:` clears the filters, the name of a sample type chooses it.
fn expand(line: &str, types: &[&str]) -> Vec<String> {
    let choose = |name: &str| format!("sample_index={name}");
    let typed = |prefix: &str| line.strip_prefix(prefix).filter(|name| types.contains(name));
    if line == ":" {
        ["focus=", "ignore=", "hide=", "tagfocus=", "tagignore="].map(str::to_owned).to_vec()
    } else if types.contains(&line) {
        vec![choose(line)]
    } else if let Some(name) = typed("total_") {
        vec!["mean=0".into(), choose(name)]
    } else if let Some(name) = typed("mean_") {
        vec!["mean=1".into(), choose(name)]
    } else {
        vec![line.to_owned()]
    }
}

fn wrong(message: impl Into<String>) -> RunError {
    RunError::Usage { message: message.into(), hint: "`help` lists commands, `o` options".into() }
}

/// Carries out one line; true ends the session.
fn carry_out(line: &str, view: &View<'_>, config: &mut Config, host: &mut dyn Host) -> Result<bool, RunError> {
    let (name, value) = match line.split_once('=') {
        // A comment as `o` prints it is typed again with what it belongs to.
        Some((name, value)) => (name.trim(), Some(value.rsplit_once("//:").map_or(value, |(value, _)| value).trim())),
        None => (line, None),
    };
    if option_of_choice(name).is_some() || config.slot(name).is_some() {
        if value.is_none() && !config.is_flag(name) {
            return Err(wrong(format!("expected a value, as in `{name}=VALUE`")));
        }
        let mut value = value.unwrap_or_default().to_owned();
        if name == "sample_index" {
            value.clone_from(&view.sample_types[view.value_index(&value)?].name);
        }
        config.set(name, &value).map_err(wrong)?;
        return Ok(false);
    }
    let words: Vec<&str> = line.split_whitespace().collect();
    match words.as_slice() {
        [] => Ok(false),
        ["q" | "quit" | "exit", ..] => Ok(true),
        ["o" | "options", ..] => print_options(config, view, host).map(|()| false),
        ["help"] => {
            writeln!(host.stderr(), "{}", flags::help())?;
            Ok(false)
        }
        ["help", name, ..] => {
            let known = find(name).map(|kind| kind.help).or_else(|| flags::help_of(name));
            let help = known.ok_or_else(|| wrong(format!("expected a command or an option, found `{name}`")))?;
            writeln!(host.stderr(), "  {name:<16} {help}")?;
            Ok(false)
        }
        [first, rest @ ..] => {
            let (command, config) = command(first, rest, config)?;
            let mut copy = view.clone();
            let bytes = report::generate(&mut copy, command.name, command.argument.as_deref(), &config, host)?;
            report::deliver(&bytes, command.name, &config, true, host)?;
            Ok(false)
        }
    }
}

/// `top10 main -runtime -cum >file` as a command and the options for it alone.
fn command(first: &str, rest: &[&str], config: &Config) -> Result<(Command, Config), RunError> {
    let mut config = config.clone();
    let letters = first.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let (name, count) = match find(first) {
        Some(kind) => (kind, None),
        None => match find(letters) {
            Some(kind) => (kind, first[letters.len()..].parse().ok()),
            None => return Err(wrong(format!("expected a command, found `{first}`"))),
        },
    };
    let mut words = rest.iter().copied();
    let argument = if name.has_argument {
        let missing = || wrong(format!("expected an argument after `{}`", name.name));
        Some(words.next().ok_or_else(missing)?.to_owned())
    } else {
        None
    };
    config.nodecount = count.unwrap_or(config.nodecount);
    let (mut focus, mut ignore) = (Vec::new(), Vec::new());
    while let Some(word) = words.next() {
        if let Ok(count) = word.parse::<i32>() {
            config.nodecount = count.into();
        } else if let Some(file) = word.strip_prefix('>') {
            let file = if file.is_empty() { words.next().unwrap_or_default() } else { file };
            if file.is_empty() {
                return Err(wrong("expected a file after `>`"));
            }
            file.clone_into(&mut config.output);
        } else if matches!(word, "-cum" | "--cum") {
            config.sort = "cum".into();
        } else if let Some(word) = word.strip_prefix('-') {
            ignore.extend(Some(word).filter(|word| !word.is_empty()));
        } else {
            focus.push(word);
        }
    }
    let tags = name.name == "tags";
    let (focus_slot, ignore_slot) =
        if tags { (&mut config.tagfocus, &mut config.tagignore) } else { (&mut config.focus, &mut config.ignore) };
    for (slot, words) in [(focus_slot, focus), (ignore_slot, ignore)] {
        if !words.is_empty() {
            *slot = words.join("|");
        }
    }
    if config.nodecount == -1 && matches!(name.name, "top" | "text") {
        config.nodecount = 10;
    }
    Ok((Command { name, argument }, config))
}

fn print_options(config: &mut Config, view: &View<'_>, host: &mut dyn Host) -> Result<(), RunError> {
    let mut lines = Vec::new();
    let types: Vec<&str> = view.sample_types.iter().map(|kind| kind.name.as_str()).collect();
    for (name, _) in OPTIONS.iter().filter(|(name, _)| *name != "source_path") {
        let mut value = config.get(name);
        let mut comment = String::new();
        if let Some(words) = choices_of(name) {
            let mut words = words.to_vec();
            words.sort_unstable();
            comment = format!("//: [{}]", words.join(" | "));
        } else if *name == "sample_index" {
            if value.is_empty() {
                types.last().copied().unwrap_or_default().clone_into(&mut value);
            }
            comment = format!("//: [{}]", types.join(" | "));
        } else if *name == "nodecount" && value == "-1" {
            comment = "//: default".into();
        } else if value.is_empty() {
            value = "\"\"".into();
        }
        if *name == "granularity" && value.is_empty() {
            value = "(default)".into();
        }
        lines.push(format!("  {name:<25} = {value:<20} {comment}"));
    }
    lines.sort_unstable();
    writeln!(host.stderr(), "{}", lines.join("\n"))?;
    Ok(())
}

/// Ways to finish the word being typed: commands and options first, functions after a command.
#[derive(Debug)]
pub struct Completion {
    functions: Vec<String>,
}

impl Completion {
    /// All whole lines that `line` can become.
    pub fn lines(&self, line: &str) -> Vec<String> {
        let (head, word) = line.rsplit_once(' ').map_or(("", line), |(head, word)| (head, word));
        let words: Vec<&str> = if head.is_empty() || head == "help" {
            let choices = super::config::CHOICES.iter().flat_map(|(_, words)| words.iter().copied());
            let options = OPTIONS.iter().map(|(name, _)| *name);
            KINDS
                .iter()
                .map(|kind| kind.name)
                .chain(options)
                .chain(choices)
                .filter(|name| name.starts_with(word))
                .collect()
        } else {
            let bare = word.trim_start_matches('-');
            self.functions.iter().map(String::as_str).filter(|name| !bare.is_empty() && name.contains(bare)).collect()
        };
        let dash = if !head.is_empty() && word.starts_with('-') { "-" } else { "" };
        let space = if head.is_empty() { "" } else { " " };
        words.into_iter().map(|found| format!("{head}{space}{dash}{found}")).collect()
    }
}
