//! Options that report, diff, lines and export share: which rows, which memory.

use brimline_analysis::aggregate::By;
use brimline_analysis::filter::{Filter, Ownership, Pattern, Scope};
use clap::{Args, ValueEnum};

/// What a row of a report stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RowKind {
    /// A line of source
    Line,
    /// A function
    Function,
    /// A file
    File,
    /// A module, with packages by their dotted names; a Go package
    #[value(alias = "package")]
    Module,
    /// A whole stack
    Stack,
    /// A thread
    Thread,
    /// A process, with its own totals
    Process,
    /// Blocks of similar size
    Size,
    /// Values of labels; in Go heap profiles the size of the blocks
    Label,
    /// Parts of a Go program's resident memory, down to what is not Go's
    Rss,
}

impl RowKind {
    /// The word in JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Function => "function",
            Self::File => "file",
            Self::Module => "module",
            Self::Stack => "stack",
            Self::Thread => "thread",
            Self::Process => "process",
            Self::Size => "size",
            Self::Label => "label",
            Self::Rss => "rss",
        }
    }

    /// The aggregation behind it; sizes are counted by the tracker, processes are summed as they are read.
    pub(crate) fn aggregation(self) -> Option<By> {
        match self {
            Self::Line => Some(By::Line),
            Self::Function => Some(By::Function),
            Self::File => Some(By::File),
            Self::Module => Some(By::Module),
            Self::Stack => Some(By::Stack),
            Self::Thread => Some(By::Thread),
            Self::Label => Some(By::Label),
            Self::Process | Self::Size | Self::Rss => None,
        }
    }
}

/// Kinds of memory and other resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Python objects
    Python,
    /// Native allocations: malloc and its family
    Malloc,
    /// Anonymous mappings
    Mmap,
    /// Mapped files (not counted as allocated memory)
    File,
    /// File descriptors (counts only; not counted as allocated memory)
    Fd,
}

/// Which frames the patterns are compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum MatchFrames {
    /// Those a row stands for
    #[default]
    Row,
    /// The innermost of a stack
    Innermost,
    /// All of a stack
    Any,
}

/// Filters on what counts.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct FilterArgs {
    /// Keep only functions, files, lines or modules that match (`json`, `app/models.py:42`, `Session.*`); repeatable.
    ///
    /// The innermost frame decides; with --cumulative, in trees and by stack or thread, any frame of the stack.
    #[arg(long, value_name = "PATTERN", help_heading = "Filters")]
    pub(crate) include: Vec<String>,
    /// Leave out functions, files or modules that match; repeatable.
    #[arg(long, value_name = "PATTERN", help_heading = "Filters")]
    pub(crate) exclude: Vec<String>,
    /// Only these threads (`MainThread`, `Thread-*`); repeatable.
    #[arg(long, value_name = "NAME", help_heading = "Filters")]
    pub(crate) thread: Vec<String>,
    /// Only samples with this label (`route=/work`); repeatable.
    #[arg(long, value_name = "NAME=VALUE", value_parser = label, help_heading = "Filters")]
    pub(crate) label: Vec<(String, String)>,
    /// Only this kind of memory; repeatable [default: python, malloc, mmap]
    #[arg(long, value_name = "KIND", value_enum, help_heading = "Filters")]
    pub(crate) kind: Vec<Kind>,
    /// What --include and --exclude look at: the frame a row stands for, or to keep or leave out whole stacks their
    /// innermost frame or any frame (as tracemalloc's filters do).
    #[arg(long, value_name = "FRAMES", value_enum, default_value = "row", help_heading = "Filters")]
    pub(crate) match_frames: MatchFrames,
    /// Attribute memory to the innermost line of your own project, leave out the rest.
    #[arg(long, help_heading = "Filters")]
    pub(crate) project_only: bool,
}

fn label(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    pair.map(|(name, value)| (name.to_owned(), value.to_owned()))
        .ok_or_else(|| format!("expected a label such as `route=/work`, found `{text}`"))
}

impl FilterArgs {
    /// Whether any of them is given.
    pub(crate) fn is_set(&self) -> bool {
        let lists = [&self.include, &self.exclude, &self.thread];
        self.project_only
            || !self.kind.is_empty()
            || !self.label.is_empty()
            || lists.iter().any(|list| !list.is_empty())
    }

    /// The filter they describe.
    pub(crate) fn filter(&self) -> Filter {
        let patterns = |texts: &[String]| texts.iter().map(|text| Pattern::new(text)).collect();
        let kind = |kind: &Kind| kind.to_possible_value().map(|value| value.get_name().to_owned());
        Filter {
            include: patterns(&self.include),
            exclude: patterns(&self.exclude),
            threads: patterns(&self.thread),
            labels: self.label.clone(),
            kinds: self.kind.iter().filter_map(kind).collect(),
            ownership: if self.project_only { Ownership::Project } else { Ownership::Anyone },
            scope: match self.match_frames {
                MatchFrames::Row => Scope::Places,
                MatchFrames::Innermost => Scope::Innermost,
                MatchFrames::Any => Scope::AnyFrame,
            },
        }
    }
}
