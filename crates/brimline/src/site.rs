//! What a row stands for, in words: file, line, function, module.

use std::io::Write;

use brimline_analysis::aggregate::Place;
use brimline_analysis::places::Places;
use brimline_profile::{FrameId, Function, Profile, StackId, StringId};
use serde_json::{Map, Value, json};

/// A place in words. What does not apply or is not known is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Site {
    /// As the runtime reports it.
    pub(crate) file: Option<String>,
    /// Relative to the project.
    pub(crate) path: Option<String>,
    /// 1-based.
    pub(crate) line: Option<u32>,
    /// First line of the function, 1-based.
    pub(crate) begins: Option<u32>,
    /// Qualified name.
    pub(crate) function: Option<String>,
    /// Dotted name.
    pub(crate) module: Option<String>,
    /// Set in rows by thread.
    pub(crate) thread: Option<String>,
    /// Set in rows by label.
    pub(crate) labels: Option<String>,
    /// Set in rows by stack.
    pub(crate) stack: Option<StackId>,
}

impl Site {
    /// The words for `place`.
    pub(crate) fn of(profile: &Profile, places: &Places, place: &Place) -> Self {
        match place {
            Place::NoFrame => Self::default(),
            Place::Line(frame) => Self::of_frame(profile, places, *frame),
            Place::Stack(stack) => {
                let leaf = profile.frames_of(*stack).next();
                let site = leaf.map_or_else(Self::default, |frame| Self::of_frame(profile, places, frame));
                Self { stack: Some(*stack), ..site }
            }
            Place::Function(function) => {
                let function = profile.functions[function.0 as usize];
                let site = Self::of_function(profile, places, function);
                let line = (function.start_line > 0).then_some(function.start_line);
                Self { function: known(profile.strings.get(function.name)), line, ..site }
            }
            Place::File(file) => Self::of_file(places, profile.strings.get(*file)),
            Place::Module(module) => Self { module: known(module), ..Self::default() },
            Place::Thread(thread) => Self { thread: known(thread), ..Self::default() },
            Place::Label(labels) if labels.is_empty() => Self { labels: Some("(no labels)".into()), ..Self::default() },
            Place::Label(labels) => Self { labels: known(labels), ..Self::default() },
        }
    }

    /// The words for a frame.
    pub(crate) fn of_frame(profile: &Profile, places: &Places, frame: FrameId) -> Self {
        let function = profile.function_of(frame);
        let line = profile.frames[frame.0 as usize].line;
        let site = Self::of_function(profile, places, function);
        Self { line: (line > 0).then_some(line), function: known(profile.strings.get(function.name)), ..site }
    }

    fn of_function(profile: &Profile, places: &Places, function: Function) -> Self {
        let file = profile.strings.get(function.file);
        let own_or_python = function.library == StringId::default() || places.owns(profile, function);
        let path = if own_or_python { places.path(file) } else { None };
        Self {
            file: known(file),
            path: path.map(str::to_owned),
            module: places.module_of(profile, function),
            begins: (function.start_line > 0).then_some(function.start_line),
            ..Self::default()
        }
    }

    fn of_file(places: &Places, file: &str) -> Self {
        Self {
            file: known(file),
            path: places.path(file).map(str::to_owned),
            module: places.module(file),
            ..Self::default()
        }
    }

    /// The keys every row of a report has, in the order of the documented shape.
    pub(crate) fn to_json(&self) -> Map<String, Value> {
        let mut row = Map::new();
        row.insert("file".into(), json!(self.file));
        row.insert("path".into(), json!(self.path));
        row.insert("line".into(), json!(self.line));
        row.insert("function".into(), json!(self.function));
        row.insert("module".into(), json!(self.module));
        if let Some(thread) = &self.thread {
            row.insert("thread".into(), json!(thread));
        }
        if let Some(labels) = &self.labels {
            row.insert("labels".into(), json!(labels));
        }
        row
    }

    /// `app/models.py:42`, or what is known: file, module or thread.
    pub(crate) fn location(&self) -> String {
        let file = self.path.as_deref().or(self.file.as_deref()).map(shorten);
        match (file, self.line) {
            (Some(file), Some(line)) => format!("{file}:{line}"),
            (Some(file), None) => file.to_owned(),
            (None, _) => {
                let names = [&self.module, &self.thread, &self.labels, &self.function];
                let name = names.into_iter().find_map(Option::as_deref);
                name.unwrap_or("(no Python frame)").to_owned()
            }
        }
    }

    /// The location with the function behind it.
    pub(crate) fn label(&self) -> String {
        match &self.function {
            Some(function) if self.file.is_some() => format!("{} {function}", self.location()),
            _ => self.location(),
        }
    }
}

/// Every frame of a profile as JSON, made once: stacks share their frames many times over.
#[derive(Debug)]
pub(crate) struct FrameTexts(Vec<String>);

impl FrameTexts {
    /// The texts for `profile`.
    pub(crate) fn of(profile: &Profile, places: &Places) -> Self {
        let text = |frame| {
            let site = Site::of_frame(profile, places, FrameId(frame));
            json!({ "file": site.file, "line": site.line, "function": site.function }).to_string()
        };
        Self((0..profile.frames.len() as u32).map(text).collect())
    }

    /// Writes `row`, with the frames of `stack` (innermost first) as its last key.
    pub(crate) fn write_row(
        &self,
        profile: &Profile,
        row: Map<String, Value>,
        stack: StackId,
        out: &mut dyn Write,
    ) -> std::io::Result<()> {
        let row = Value::Object(row).to_string();
        write!(out, "{},\"frames\":[", row.strip_suffix('}').unwrap_or(&row))?;
        for (index, frame) in profile.frames_of(stack).enumerate() {
            write!(out, "{}{}", if index > 0 { "," } else { "" }, self.0[frame.0 as usize])?;
        }
        write!(out, "]}}")
    }
}

/// Paths of installed packages and of the standard library without what comes before them.
fn shorten(file: &str) -> &str {
    for root in ["/site-packages/", "/dist-packages/"] {
        if let Some((_, below)) = file.rsplit_once(root) {
            return below;
        }
    }
    match file.rfind("/lib/python") {
        Some(at) => &file[at + "/lib/".len()..],
        None => file,
    }
}

fn known(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_name_what_is_known() {
        let site =
            Site { file: Some("/v/lib/python3.11/site-packages/six.py".into()), line: Some(3), ..Site::default() };
        assert_eq!(site.label(), "six.py:3");
        let site = Site { file: Some("/usr/lib/python3.11/json/decoder.py".into()), ..Site::default() };
        assert_eq!(site.label(), "python3.11/json/decoder.py");
        assert_eq!(Site::default().label(), "(no Python frame)");
    }
}
