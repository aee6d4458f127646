//! The options, by the names that flags and the prompt use.

/// Values of all options.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "the options of the reference, one field each")]
pub(crate) struct Config {
    pub(crate) output: String,
    pub(crate) call_tree: bool,
    pub(crate) relative_percentages: bool,
    pub(crate) unit: String,
    pub(crate) compact_labels: bool,
    pub(crate) source_path: String,
    pub(crate) trim_path: String,
    pub(crate) intel_syntax: bool,
    pub(crate) mean: bool,
    pub(crate) sample_index: String,
    pub(crate) divide_by: f64,
    pub(crate) normalize: bool,
    pub(crate) sort: String,
    pub(crate) tagroot: String,
    pub(crate) tagleaf: String,
    pub(crate) drop_negative: bool,
    pub(crate) nodecount: i64,
    pub(crate) nodefraction: f64,
    pub(crate) edgefraction: f64,
    pub(crate) trim: bool,
    pub(crate) focus: String,
    pub(crate) ignore: String,
    pub(crate) prune_from: String,
    pub(crate) hide: String,
    pub(crate) show: String,
    pub(crate) show_from: String,
    pub(crate) tagfocus: String,
    pub(crate) tagignore: String,
    pub(crate) tagshow: String,
    pub(crate) taghide: String,
    pub(crate) noinlines: bool,
    pub(crate) showcolumns: bool,
    pub(crate) granularity: String,
    /// Not an option: whether the base's samples are marked, so that before and after can be told.
    pub(crate) compared: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            output: String::new(),
            call_tree: false,
            relative_percentages: false,
            unit: "minimum".into(),
            compact_labels: false,
            source_path: String::new(),
            trim_path: String::new(),
            intel_syntax: false,
            mean: false,
            sample_index: String::new(),
            divide_by: 1.0,
            normalize: false,
            sort: "flat".into(),
            tagroot: String::new(),
            tagleaf: String::new(),
            drop_negative: false,
            nodecount: -1,
            nodefraction: 0.005,
            edgefraction: 0.001,
            trim: true,
            focus: String::new(),
            ignore: String::new(),
            prune_from: String::new(),
            hide: String::new(),
            show: String::new(),
            show_from: String::new(),
            tagfocus: String::new(),
            tagignore: String::new(),
            tagshow: String::new(),
            taghide: String::new(),
            noinlines: false,
            showcolumns: false,
            granularity: String::new(),
            compared: false,
        }
    }
}

/// One option of a [`Config`].
pub(crate) enum Slot<'c> {
    Flag(&'c mut bool),
    Number(&'c mut i64),
    Fraction(&'c mut f64),
    Text(&'c mut String),
}

/// Options in the order of the reference, with their help.
pub(crate) static OPTIONS: [(&str, &str); 33] = [
    ("output", "Output filename for file-based outputs"),
    ("call_tree", "Create a context-sensitive call tree"),
    ("relative_percentages", "Show percentages relative to focused subgraph"),
    ("unit", "Measurement units to display"),
    ("compact_labels", "Show minimal headers"),
    ("source_path", "Search path for source files"),
    ("trim_path", "Path to trim from source paths before search"),
    ("intel_syntax", "Show assembly in Intel syntax"),
    ("mean", "Average sample value over first value (count)"),
    ("sample_index", "Sample value to report (0-based index or name)"),
    ("divide_by", "Ratio to divide all samples before visualization"),
    ("normalize", "Scales profile based on the base profile."),
    ("sort", ""),
    ("tagroot", "Adds pseudo stack frames for labels key/value pairs at the callstack root."),
    ("tagleaf", "Adds pseudo stack frames for labels key/value pairs at the callstack leaf."),
    ("drop_negative", "Ignore negative differences"),
    ("nodecount", "Max number of nodes to show"),
    ("nodefraction", "Hide nodes below <f>*total"),
    ("edgefraction", "Hide edges below <f>*total"),
    ("trim", "Honor nodefraction/edgefraction/nodecount defaults"),
    ("focus", "Restricts to samples going through a node matching regexp"),
    ("ignore", "Skips paths going through any nodes matching regexp"),
    ("prune_from", "Drops any functions below the matched frame."),
    ("hide", "Skips nodes matching regexp"),
    ("show", "Only show nodes matching regexp"),
    ("show_from", "Drops functions above the highest matched frame."),
    ("tagfocus", "Restricts to samples with tags in range or matched by regexp"),
    ("tagignore", "Discard samples with tags in range or matched by regexp"),
    ("tagshow", "Only consider tags matching this regexp"),
    ("taghide", "Skip tags matching this regexp"),
    ("noinlines", "Ignore inlines."),
    ("showcolumns", "Show column numbers at the source code line level."),
    ("granularity", ""),
];

/// Options that are one of a few words; each word is a flag of its own.
pub(crate) static CHOICES: [(&str, &[&str]); 2] =
    [("sort", &["cum", "flat"]), ("granularity", &["functions", "filefunctions", "files", "lines", "addresses"])];

/// The option a choice belongs to.
pub(crate) fn option_of_choice(word: &str) -> Option<&'static str> {
    CHOICES.iter().find(|(_, words)| words.contains(&word)).map(|&(option, _)| option)
}

/// The words of a choice option.
pub(crate) fn choices_of(option: &str) -> Option<&'static [&'static str]> {
    CHOICES.iter().find(|&&(name, _)| name == option).map(|&(_, words)| words)
}

impl Config {
    /// The option called `name`.
    pub(crate) fn slot(&mut self, name: &str) -> Option<Slot<'_>> {
        Some(match name {
            "output" => Slot::Text(&mut self.output),
            "call_tree" => Slot::Flag(&mut self.call_tree),
            "relative_percentages" => Slot::Flag(&mut self.relative_percentages),
            "unit" => Slot::Text(&mut self.unit),
            "compact_labels" => Slot::Flag(&mut self.compact_labels),
            "source_path" => Slot::Text(&mut self.source_path),
            "trim_path" => Slot::Text(&mut self.trim_path),
            "intel_syntax" => Slot::Flag(&mut self.intel_syntax),
            "mean" => Slot::Flag(&mut self.mean),
            "sample_index" => Slot::Text(&mut self.sample_index),
            "divide_by" => Slot::Fraction(&mut self.divide_by),
            "normalize" => Slot::Flag(&mut self.normalize),
            "sort" => Slot::Text(&mut self.sort),
            "tagroot" => Slot::Text(&mut self.tagroot),
            "tagleaf" => Slot::Text(&mut self.tagleaf),
            "drop_negative" => Slot::Flag(&mut self.drop_negative),
            "nodecount" => Slot::Number(&mut self.nodecount),
            "nodefraction" => Slot::Fraction(&mut self.nodefraction),
            "edgefraction" => Slot::Fraction(&mut self.edgefraction),
            "trim" => Slot::Flag(&mut self.trim),
            "focus" => Slot::Text(&mut self.focus),
            "ignore" => Slot::Text(&mut self.ignore),
            "prune_from" => Slot::Text(&mut self.prune_from),
            "hide" => Slot::Text(&mut self.hide),
            "show" => Slot::Text(&mut self.show),
            "show_from" => Slot::Text(&mut self.show_from),
            "tagfocus" => Slot::Text(&mut self.tagfocus),
            "tagignore" => Slot::Text(&mut self.tagignore),
            "tagshow" => Slot::Text(&mut self.tagshow),
            "taghide" => Slot::Text(&mut self.taghide),
            "noinlines" => Slot::Flag(&mut self.noinlines),
            "showcolumns" => Slot::Flag(&mut self.showcolumns),
            "granularity" => Slot::Text(&mut self.granularity),
            _ => return None,
        })
    }

    /// Whether `name` is an option that is on or off, or a word of a choice.
    pub(crate) fn is_flag(&mut self, name: &str) -> bool {
        option_of_choice(name).is_some() || matches!(self.slot(name), Some(Slot::Flag(_)))
    }

    /// The value of an option as text.
    pub(crate) fn get(&mut self, name: &str) -> String {
        match self.slot(name) {
            Some(Slot::Flag(value)) => value.to_string(),
            Some(Slot::Number(value)) => value.to_string(),
            Some(Slot::Fraction(value)) => value.to_string(),
            Some(Slot::Text(value)) => value.clone(),
            None => String::new(),
        }
    }

    /// Sets an option, or switches a word of a choice on.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        if let Some(option) = option_of_choice(name) {
            return match boolean(value) {
                Some(true) => self.set(option, name),
                _ => Err(format!("expected `{name}` alone, found `{name}={value}`")),
            };
        }
        if let Some(words) = choices_of(name)
            && !words.contains(&value)
        {
            return Err(format!("expected `{name}` to be one of {}, found `{value}`", words.join(", ")));
        }
        let wrong = |what: &str| format!("expected {what} for `{name}`, found `{value}`");
        match self.slot(name) {
            Some(Slot::Flag(slot)) => *slot = boolean(value).ok_or_else(|| wrong("true or false"))?,
            Some(Slot::Number(slot)) => *slot = value.parse().map_err(|_| wrong("a whole number"))?,
            Some(Slot::Fraction(slot)) => *slot = value.parse().map_err(|_| wrong("a number"))?,
            Some(Slot::Text(slot)) => value.clone_into(slot),
            None => return Err(format!("expected an option, found `{name}`")),
        }
        Ok(())
    }
}

/// Yes and no in the words that pprof has always taken.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "1" | "" => Some(true),
        "false" | "f" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}
