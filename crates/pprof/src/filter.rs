//! Leaving out samples, frames and labels by name.

use regex::Regex;

use crate::model::{Line, Location, View};
use crate::samples::{Label, Sample};

/// Expressions on function, file and object names.
#[derive(Debug, Default)]
pub struct NameFilter {
    /// Keep samples with a matching frame.
    pub focus: Option<Regex>,
    /// Drop samples with a matching frame.
    pub ignore: Option<Regex>,
    /// Drop matching frames.
    pub hide: Option<Regex>,
    /// Drop all other frames.
    pub show: Option<Regex>,
}

/// Whether each expression of a [`NameFilter`] matched something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "one answer for each of four independent questions")]
pub struct Matched {
    /// Of `focus`.
    pub focus: bool,
    /// Of `ignore`.
    pub ignore: bool,
    /// Of `hide`.
    pub hide: bool,
    /// Of `show`.
    pub show: bool,
}

/// Answers of one expression for every function and mapping.
struct Answers {
    functions: Vec<bool>,
    mappings: Vec<bool>,
}

impl Answers {
    fn new(view: &View<'_>, expression: &Regex) -> Self {
        let function = |function: &crate::model::Function| {
            [function.name, function.file].into_iter().any(|text| expression.is_match(view.texts.get(text)))
        };
        Self {
            functions: view.functions.iter().map(function).collect(),
            mappings: view.mappings.iter().map(|mapping| expression.is_match(&mapping.file)).collect(),
        }
    }

    fn line(&self, line: Line) -> bool {
        self.functions[line.function as usize]
    }

    fn object(&self, location: &Location) -> bool {
        location.mapping.is_some_and(|mapping| self.mappings[mapping as usize])
    }

    fn location(&self, location: &Location) -> bool {
        self.object(location) || location.lines.iter().any(|&line| self.line(line))
    }
}

/// What a frame means for its samples.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Nothing,
    Focused,
    Ignored,
}

impl View<'_> {
    /// Applies focus, ignore, hide and show.
    pub fn filter_names(&mut self, filter: &NameFilter) -> Matched {
        let NameFilter { focus, ignore, hide, show } = filter;
        if [focus, ignore, hide, show].into_iter().all(Option::is_none) {
            return Matched { focus: true, ..Matched::default() };
        }
        let answers = |expression: &Option<Regex>| expression.as_ref().map(|regex| Answers::new(self, regex));
        let (focus, ignore, hide, show) = (answers(focus), answers(ignore), answers(hide), answers(show));
        let mut matched = Matched::default();
        let mut meanings = vec![Meaning::Nothing; self.locations.len()];
        let mut hidden = vec![false; self.locations.len()];
        for (index, location) in self.locations.iter_mut().enumerate() {
            if ignore.as_ref().is_some_and(|ignore| ignore.location(location)) {
                matched.ignore = true;
                meanings[index] = Meaning::Ignored;
            } else if focus.as_ref().is_none_or(|focus| focus.location(location)) {
                matched.focus = true;
                meanings[index] = Meaning::Focused;
            }
            if let Some(hide) = hide.as_ref().filter(|hide| hide.location(location)) {
                matched.hide = true;
                let object = hide.object(location);
                location.lines.retain(|&line| !object && !hide.line(line));
                hidden[index] = location.lines.is_empty();
            }
            if let Some(show) = &show {
                let object = show.object(location);
                location.lines.retain(|&line| object || show.line(line));
                hidden[index] |= location.lines.is_empty();
                matched.show |= !location.lines.is_empty();
            }
        }
        let any_hidden = hidden.contains(&true);
        let mut shown = Vec::new();
        self.samples.rewrite(|sample, out| {
            let mut meanings = sample.locations.iter().map(|&location| meanings[location as usize]);
            let focused = meanings.clone().any(|meaning| meaning == Meaning::Focused);
            if !focused || meanings.any(|meaning| meaning == Meaning::Ignored) {
                return;
            }
            shown.clear();
            shown.extend(sample.locations.iter().filter(|&&location| !hidden[location as usize]));
            if !any_hidden || !shown.is_empty() {
                out.push(&shown, sample.values, sample.labels);
            }
        });
        matched
    }

    /// Drops the frames above the outermost match, and samples without one. Tells whether anything matched.
    pub fn show_from(&mut self, expression: &Regex) -> bool {
        let answers = Answers::new(self, expression);
        let mut matches = vec![false; self.locations.len()];
        for (matches, location) in matches.iter_mut().zip(&mut self.locations) {
            *matches = answers.object(location);
            if !*matches && let Some(last) = location.lines.iter().rposition(|&line| answers.line(line)) {
                location.lines.truncate(last + 1);
                *matches = true;
            }
        }
        self.samples.rewrite(|sample, out| {
            if let Some(last) = sample.locations.iter().rposition(|&location| matches[location as usize]) {
                out.push(&sample.locations[..=last], sample.values, sample.labels);
            }
        });
        matches.contains(&true)
    }

    /// Keeps the samples for which `keep` holds.
    pub fn retain_samples(&mut self, mut keep: impl FnMut(Sample<'_>) -> bool) {
        self.samples.rewrite(|sample, out| {
            if keep(sample) {
                out.push(sample.locations, sample.values, sample.labels);
            }
        });
    }

    /// Keeps labels whose key matches `show` and not `hide`. Tells whether each matched a label.
    pub fn filter_labels(&mut self, show: Option<&Regex>, hide: Option<&Regex>) -> (bool, bool) {
        let (mut shown, mut hidden) = (false, false);
        if show.is_none() && hide.is_none() {
            return (shown, hidden);
        }
        let texts = &self.texts;
        let mut kept: Vec<Label> = Vec::new();
        self.samples.rewrite(|sample, out| {
            kept.clear();
            kept.extend(sample.labels.iter().filter(|label| {
                let key = texts.get(label.key);
                let show = show.is_none_or(|show| show.is_match(key));
                let hide = hide.is_some_and(|hide| hide.is_match(key));
                shown |= show;
                hidden |= hide;
                show && !hide
            }));
            out.push(sample.locations, sample.values, &kept);
        });
        (shown, hidden)
    }
}
