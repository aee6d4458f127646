//! The commands: one per report, as flags on the command line and as words at the prompt.

use crate::report::Format;

/// A command with its argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Command {
    pub(crate) name: &'static Kind,
    pub(crate) argument: Option<String>,
}

/// What a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    /// The report, or why there is none.
    pub(crate) report: Result<Format, &'static str>,
    /// Whether it takes a regular expression.
    pub(crate) has_argument: bool,
    /// Ending of the file for output that should not go to a terminal.
    pub(crate) file: Option<&'static str>,
    pub(crate) help: &'static str,
}

const fn kind(name: &'static str, report: Format, help: &'static str) -> Kind {
    Kind { name, report: Ok(report), has_argument: false, file: None, help }
}

const NO_DISASSEMBLER: &str =
    "it needs a disassembler; use `-list` for source lines, or `go tool pprof` for this report";
const NO_LAYOUT: &str =
    "`-svg` and `-png` draw the graph without graphviz; for other formats pipe `-dot` into graphviz's `dot`";
const NO_VIEWER: &str = "it opens a viewer; write the report with `-dot` or `-callgrind` and `-output=FILE`";

const fn without(name: &'static str, reason: &'static str, has_argument: bool, help: &'static str) -> Kind {
    Kind { name, report: Err(reason), has_argument, file: None, help }
}

/// All commands by name.
pub(crate) static KINDS: [Kind; 27] = [
    Kind { file: Some("callgraph.out"), ..kind("callgrind", Format::Callgrind, "Outputs a graph in callgrind format") },
    kind("comments", Format::Comments, "Output all profile comments"),
    without("disasm", NO_DISASSEMBLER, true, "Output assembly listings annotated with samples"),
    kind("dot", Format::Dot, "Outputs a graph in DOT format"),
    without("eog", NO_VIEWER, false, "Visualize graph through eog"),
    without("evince", NO_VIEWER, false, "Visualize graph through evince"),
    kind(
        "flame",
        Format::Flame,
        "Outputs a flame graph, of a difference with a base; HTML with -output=FILE.html, else SVG",
    ),
    without("gif", NO_LAYOUT, false, "Outputs a graph image in GIF format"),
    without("gv", NO_VIEWER, false, "Visualize graph through gv"),
    kind("json", Format::Json, "Outputs all entries as JSON (brimline.pprof/1), with a base before and after"),
    without("kcachegrind", NO_VIEWER, false, "Visualize report in KCachegrind"),
    Kind { has_argument: true, ..kind("list", Format::List, "Output annotated source for functions matching regexp") },
    without("pdf", NO_LAYOUT, false, "Outputs a graph in PDF format"),
    Kind { has_argument: true, ..kind("peek", Format::Tree, "Output callers/callees of functions matching regexp") },
    Kind { file: Some("png"), ..kind("png", Format::Svg, "Outputs a graph image in PNG format") },
    Kind { file: Some("pb.gz"), ..kind("proto", Format::Proto, "Outputs the profile in compressed protobuf format") },
    without("ps", NO_LAYOUT, false, "Outputs a graph in PS format"),
    kind("raw", Format::Raw, "Outputs a text representation of the raw profile"),
    Kind { file: Some("svg"), ..kind("svg", Format::Svg, "Outputs a graph in SVG format") },
    kind("tags", Format::Tags, "Outputs all tags in the profile"),
    kind("text", Format::Text, "Outputs top entries in text form"),
    kind("top", Format::Text, "Outputs top entries in text form"),
    Kind {
        file: Some("pb.gz"),
        ..kind("topproto", Format::TopProto, "Outputs top entries in compressed protobuf format")
    },
    kind("traces", Format::Traces, "Outputs all profile samples in text form"),
    kind("tree", Format::Tree, "Outputs a text rendering of call graph"),
    kind("web", Format::Svg, "Visualize graph through web browser"),
    without("weblist", NO_DISASSEMBLER, true, "Display annotated source in a web browser"),
];

/// What `-http` shows.
pub(crate) static FLAME: Kind = kind("flame", Format::Flame, "");

/// The command called `name`.
pub(crate) fn find(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}
