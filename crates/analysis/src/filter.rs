//! Which samples count.

use brimline_profile::formats::UNCOUNTED_KINDS;
use brimline_profile::{FrameId, Profile, Sample, StackId};

use crate::places::Places;

/// What the user wants to see. The default keeps all allocated memory, and leaves out mapped files and descriptors.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Keep only places that match one of these; all when empty.
    pub include: Vec<Pattern>,
    /// Leave out places that match one of these.
    pub exclude: Vec<Pattern>,
    /// Names of threads to keep; all when empty.
    pub threads: Vec<Pattern>,
    /// Labels to keep, name and value; all of them must be there.
    pub labels: Vec<(String, String)>,
    /// Kinds of memory to keep; when empty, all that is allocated memory.
    pub kinds: Vec<String>,
    /// Attribute to the innermost frame in the project's own files and leave out what has none.
    pub ownership: Ownership,
    /// What the patterns decide about.
    pub scope: Scope,
}

/// What `include` and `exclude` decide about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Places: a row is kept or left out. In views of whole stacks one kept frame keeps the stack.
    #[default]
    Places,
    /// Stacks, by their innermost frame; all their frames count then. So does `tracemalloc.Filter`.
    Innermost,
    /// Stacks, by all their frames: one that matches decides. So does `tracemalloc.Filter` with `all_frames`.
    AnyFrame,
}

/// Whose frames memory is attributed to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ownership {
    /// The innermost frame, whosever it is.
    #[default]
    Anyone,
    /// The innermost frame of the project.
    Project,
}

/// A pattern over functions, files and modules: `*` stands for any text, `?` for one character.
///
/// Without a wildcard it matches a function's full or last name, a module with all below it, and any part of a path
/// that is whole folders and files (`app/models.py`, `pandas/core`). With `:12` behind it, it matches that line alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    line: Option<u32>,
}

impl Pattern {
    /// A pattern as the user wrote it.
    pub fn new(text: &str) -> Self {
        let (place, line) = match text.rsplit_once(':') {
            Some((place, line)) if !place.is_empty() => (place, line.parse().ok()),
            _ => (text, None),
        };
        Self { text: if line.is_some() { place } else { text }.to_owned(), line }
    }

    /// Whether it matches a function with its file and module.
    pub fn matches(&self, function: &str, file: &str, module: Option<&str>) -> bool {
        // Before wildcards: methods of Go have a star in their names.
        if file.ends_with(".go") && is_go_name(&self.text, function, module) {
            return true;
        }
        if self.has_wildcard() {
            return [function, file, module.unwrap_or("")].iter().any(|text| self.matches_text(text))
                || self.matches_text(file.trim_start_matches('/'));
        }
        let text = &*self.text;
        let last_name = function.rsplit('.').next().unwrap_or(function);
        let in_module = module
            .and_then(|name| name.strip_prefix(text))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        let in_path = file.match_indices(text).any(|(at, _)| {
            let (before, after) = (&file[..at], &file[at + text.len()..]);
            (before.is_empty() || before.ends_with('/') || text.starts_with('/'))
                && (after.is_empty() || after.starts_with('/') || text.ends_with('/'))
        });
        !text.is_empty() && (function == text || last_name == text || in_module || in_path)
    }

    /// Whether it matches a plain name, such as a thread's, as a whole.
    pub fn matches_text(&self, text: &str) -> bool {
        let (pattern, text): (Vec<char>, Vec<char>) = (self.text.chars().collect(), text.chars().collect());
        let (mut p, mut t) = (0, 0);
        // Where to resume after the last `*`: the pattern behind it, and the text it has swallowed so far.
        let mut resume: Option<(usize, usize)> = None;
        while t < text.len() {
            match pattern.get(p) {
                Some('*') => {
                    resume = Some((p + 1, t));
                    p += 1;
                }
                Some(&c) if c == '?' || c == text[t] => {
                    p += 1;
                    t += 1;
                }
                _ => match resume {
                    Some((after, swallowed)) => {
                        resume = Some((after, swallowed + 1));
                        (p, t) = (after, swallowed + 1);
                    }
                    None => return false,
                },
            }
        }
        pattern[p..].iter().all(|&c| c == '*')
    }

    fn has_wildcard(&self) -> bool {
        self.text.contains(['*', '?'])
    }
}

/// Whether `text` is a way to say a Go function or package: `gin.(*Engine).ServeHTTP`, `Engine.ServeHTTP`, `gin`,
/// `gin-gonic/gin`.
fn is_go_name(text: &str, function: &str, package: Option<&str>) -> bool {
    let short = function.rsplit('/').next().unwrap_or(function);
    let plain: String = short.chars().filter(|c| !matches!(c, '(' | '*' | ')')).collect();
    let ends = |long: &str, separator: char| {
        long.strip_suffix(text).is_some_and(|before| before.is_empty() || before.ends_with(separator))
    };
    let in_package = package.is_some_and(|package| {
        ends(package, '/') || package.strip_prefix(text).is_some_and(|below| below.starts_with('/'))
    });
    !text.is_empty() && (short == text || ends(short, '.') || ends(&plain, '.') || in_package)
}

/// A filter applied to the tables of one profile.
#[derive(Debug)]
pub struct Selection<'p> {
    profile: &'p Profile,
    label_sets: Vec<bool>,
    /// By frame: matches one of include, or there are none.
    included: Vec<bool>,
    /// By frame: matches one of exclude.
    excluded: Vec<bool>,
    /// By function: may be attributed to.
    owners: Vec<bool>,
    narrows: bool,
    scope: Scope,
    /// Whether memory without a frame counts: it belongs to no pattern and to no project.
    keeps_frameless: bool,
}

impl Filter {
    /// Decides once for every function and label set of `profile`.
    pub fn select<'p>(&self, profile: &'p Profile, places: &Places) -> Selection<'p> {
        let label_sets = profile.label_sets().map(|set| {
            let thread = profile.label(set, "thread").unwrap_or("");
            let kind = profile.label(set, "kind").unwrap_or("");
            let kind_kept = if self.kinds.is_empty() {
                !UNCOUNTED_KINDS.contains(&kind)
            } else {
                self.kinds.iter().any(|wanted| wanted == kind)
            };
            let labelled = self.labels.iter().all(|(name, value)| profile.label(set, name) == Some(value));
            kind_kept
                && labelled
                && (self.threads.is_empty() || self.threads.iter().any(|name| name.matches_text(thread)))
        });
        let narrows = !self.include.is_empty() || !self.exclude.is_empty();
        let owned = |function: &brimline_profile::Function| match self.ownership {
            Ownership::Anyone => true,
            Ownership::Project => places.owns(profile, *function),
        };
        Selection {
            profile,
            label_sets: label_sets.collect(),
            included: if self.include.is_empty() {
                vec![true; profile.frames.len()]
            } else {
                matching_frames(profile, places, &self.include)
            },
            excluded: matching_frames(profile, places, &self.exclude),
            owners: profile.functions.iter().map(owned).collect(),
            narrows,
            scope: self.scope,
            keeps_frameless: self.ownership == Ownership::Anyone
                && (!narrows || self.scope != Scope::Places && self.include.is_empty()),
        }
    }
}

/// Of each frame whether one of the patterns matches it.
fn matching_frames(profile: &Profile, places: &Places, patterns: &[Pattern]) -> Vec<bool> {
    let mut matching = vec![false; profile.frames.len()];
    for pattern in patterns {
        let by_function: Vec<bool> = profile
            .functions
            .iter()
            .map(|function| {
                let (name, file) = (profile.strings.get(function.name), profile.strings.get(function.file));
                pattern.matches(name, file, places.module_of(profile, *function).as_deref())
            })
            .collect();
        for (found, frame) in matching.iter_mut().zip(&profile.frames) {
            *found |= by_function[frame.function.0 as usize] && pattern.line.is_none_or(|line| line == frame.line);
        }
    }
    matching
}

/// Where a sample is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attributed {
    /// Not at all: filtered out.
    Nowhere,
    /// It has no frame.
    NoFrame,
    /// At this frame.
    Frame(FrameId),
}

impl Selection<'_> {
    /// Whether the sample's thread and kind are wanted, and its stack where patterns decide about stacks.
    pub fn keeps_labels(&self, sample: Sample) -> bool {
        self.label_sets[sample.labels.0 as usize] && self.keeps_whole_stack(sample.stack)
    }

    fn keeps_whole_stack(&self, stack: StackId) -> bool {
        if !self.narrows || self.scope == Scope::Places {
            return true;
        }
        let considered = if self.scope == Scope::Innermost { 1 } else { usize::MAX };
        let (mut included, mut excluded) = (stack == StackId::ROOT && self.keeps_frameless, false);
        for frame in self.profile.frames_of(stack).take(considered) {
            included |= self.included[frame.0 as usize];
            excluded |= self.excluded[frame.0 as usize];
        }
        included && !excluded
    }

    /// Whether memory may be attributed to this frame.
    pub fn keeps_frame(&self, frame: FrameId) -> bool {
        let index = frame.0 as usize;
        let is_kept = !self.narrows || self.scope != Scope::Places || self.included[index] && !self.excluded[index];
        is_kept && self.owners[self.profile.frames[index].function.0 as usize]
    }

    /// The frame that a sample's own memory belongs to.
    pub fn attribute(&self, sample: Sample) -> Attributed {
        if !self.keeps_labels(sample) {
            return Attributed::Nowhere;
        }
        if sample.stack == StackId::ROOT {
            return if self.keeps_frameless { Attributed::NoFrame } else { Attributed::Nowhere };
        }
        let owner = self
            .profile
            .frames_of(sample.stack)
            .find(|frame| self.owners[self.profile.frames[frame.0 as usize].function.0 as usize]);
        match owner {
            Some(frame) if self.keeps_frame(frame) => Attributed::Frame(frame),
            _ => Attributed::Nowhere,
        }
    }

    /// Whether any frame of the sample's stack is wanted; for views of whole stacks.
    pub fn keeps_stack(&self, sample: Sample) -> bool {
        if !self.keeps_labels(sample) {
            return false;
        }
        let frameless = sample.stack == StackId::ROOT && self.keeps_frameless;
        frameless || self.profile.frames_of(sample.stack).any(|frame| self.keeps_frame(frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_functions_are_matched_as_people_say_them() {
        let matches = |pattern: &str| {
            let file = "/go/pkg/mod/github.com/gin-gonic/gin@v1.12.0/gin.go";
            let function = "github.com/gin-gonic/gin.(*Engine).ServeHTTP";
            Pattern::new(pattern).matches(function, file, Some("github.com/gin-gonic/gin"))
        };
        for yes in ["gin.(*Engine).ServeHTTP", "Engine.ServeHTTP", "ServeHTTP", "gin", "github.com/gin-gonic", "*/gin"]
        {
            assert!(matches(yes), "{yes}");
        }
        for no in ["Serve", "in", "Engine", "gonic/gin", ""] {
            assert!(!matches(no), "{no}");
        }
    }

    #[test]
    fn patterns_match_names_modules_and_whole_path_parts() {
        let matches = |pattern: &str| {
            Pattern::new(pattern).matches("Session.load", "/srv/shop/app/models.py", Some("shop.app.models"))
        };
        for yes in
            ["Session.load", "load", "shop", "shop.app", "app/models.py", "models.py", "*.load", "*/app/*", "S*d"]
        {
            assert!(matches(yes), "{yes}");
        }
        for no in ["loa", "sho", "pp/models.py", "models", "x*", "", "app.models"] {
            assert!(!matches(no), "{no}");
        }
    }

    #[test]
    fn patterns_decide_about_lines_and_about_whole_stacks() {
        let profile = crate::example::service();
        let places = Places::new(Some("/srv"));
        let kept = |include: &[&str], exclude: &[&str], scope: Scope| {
            let patterns = |texts: &[&str]| texts.iter().map(|text| Pattern::new(text)).collect();
            let filter = Filter { include: patterns(include), exclude: patterns(exclude), scope, ..Filter::default() };
            let selection = filter.select(&profile, &places);
            let kept = profile.samples().filter(|(sample, _)| selection.keeps_stack(*sample));
            kept.map(|(_, values)| values[0]).sum::<i64>()
        };
        assert_eq!(kept(&["app.py"], &[], Scope::Places), 140);
        assert_eq!(kept(&["app.py"], &[], Scope::Innermost), 40);
        assert_eq!(kept(&["app.py"], &[], Scope::AnyFrame), 140);
        assert_eq!(kept(&[], &["app.py"], Scope::Innermost), 107);
        assert_eq!(kept(&[], &["app.py"], Scope::AnyFrame), 7);
        assert_eq!(kept(&["app.py:9"], &[], Scope::Innermost), 40);
        assert_eq!(kept(&["app.py:8"], &[], Scope::Innermost), 0);
        assert_eq!(kept(&["app.py:8"], &[], Scope::AnyFrame), 40);
        assert_eq!(kept(&["app.py:3"], &["keep"], Scope::AnyFrame), 100);
    }

    #[test]
    fn wildcards_backtrack() {
        assert!(Pattern::new("a*b*c").matches_text("axxbyybzzc"));
        assert!(!Pattern::new("a*b*c").matches_text("axxbyyb"));
        assert!(Pattern::new("Thread-?").matches_text("Thread-7"));
    }
}
