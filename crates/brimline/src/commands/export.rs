//! `brimline export`: a run for other tools.

use std::io::Write;
use std::path::PathBuf;

use brimline_profile::Profile;
use brimline_profile::formats::{ENCODERS, Encoder, UNCOUNTED_KINDS};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::exit_code::ExitCode;
use crate::input::{self, SelectArgs};
use crate::metric::Metric;

/// Arguments.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  brimline export --format speedscope -o run.speedscope.json
  brimline export web --format collapsed --metric peak > stacks.txt")]
pub(crate) struct Args {
    /// The run or file [default: the latest run]
    pub(crate) run: Option<String>,
    /// The format to write.
    #[arg(long, value_parser = format_parser(), default_value = "pprof")]
    pub(crate) format: Format,
    /// The number to write, for formats that hold one per stack.
    #[arg(long, value_enum, default_value = "live")]
    pub(crate) metric: Metric,
    /// Which store, which processes.
    #[command(flatten)]
    pub(crate) select: SelectArgs,
    /// Write to a file [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Name the file after the run and the format.
    #[arg(long, conflicts_with = "output")]
    pub(crate) named: bool,
    /// Print what was written as JSON on standard output; needs --output or --named.
    #[arg(long)]
    pub(crate) json: bool,
}

/// A format chosen on the command line.
#[derive(Clone, Copy)]
pub(crate) struct Format(&'static dyn Encoder);

impl std::fmt::Debug for Format {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.0.name())
    }
}

/// All formats that can be written.
fn encoders() -> impl Iterator<Item = &'static dyn Encoder> {
    let pprof: &'static dyn Encoder = &Pprof;
    std::iter::once(pprof).chain(ENCODERS.iter().copied())
}

/// pprof's format, which has a crate of its own.
struct Pprof;

impl Encoder for Pprof {
    fn name(&self) -> &'static str {
        "pprof"
    }

    fn about(&self) -> &'static str {
        "for go tool pprof and what else reads profile.proto"
    }

    fn extension(&self) -> &'static str {
        "pb.gz"
    }

    /// All columns are written; `column` is not used.
    fn encode(&self, profile: &Profile, _column: usize, out: &mut dyn Write) -> std::io::Result<()> {
        out.write_all(&brimline_pprof::encode(profile))
    }
}

fn format_parser() -> impl TypedValueParser<Value = Format> {
    let values: Vec<_> = encoders().map(|format| PossibleValue::new(format.name()).help(format.about())).collect();
    PossibleValuesParser::new(values)
        .try_map(|name| encoders().find(|format| format.name() == name).map(Format).ok_or("not a format"))
}

/// Carries the command out.
pub(crate) fn execute(args: &Args) -> anyhow::Result<ExitCode> {
    let (mut input, warnings) = input::load(args.run.as_deref(), &args.select)?;
    super::warn(&warnings);
    // Other tools add up all samples of a file: what is no allocated memory would be counted as such.
    let counted = |kind: Option<&str>| !kind.is_some_and(|kind| UNCOUNTED_KINDS.contains(&kind));
    input.recorded.profile.retain_label_sets(|profile, set| counted(profile.label(set, "kind")));
    let path = match (&args.output, args.named) {
        (None, true) => Some(PathBuf::from(format!("{}.{}", stem(&input.name), args.format.0.extension()))),
        (path, _) => path.clone(),
    };
    if args.json && path.is_none() {
        return Err(crate::refusal::usage(
            "expected a file to write to with --json, found standard output",
            "add `--output FILE` or `--named`",
        ));
    }
    let mut out = super::output(path.as_deref())?;
    args.format.0.encode(&input.recorded.profile, args.metric.column(), &mut out)?;
    out.flush()?;
    if let (Some(path), true) = (path, args.json) {
        let answer = serde_json::json!({
            "schema": "brimline.export/1", "run": input.name, "process": input.process,
            "format": args.format.0.name(), "file": path.display().to_string(),
        });
        writeln!(std::io::stdout(), "{answer}")?;
    }
    Ok(input.exit_code)
}

/// The run's name as part of a file name in the working directory.
fn stem(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    let last = last.trim_end_matches(".zst").trim_end_matches(".rec");
    last.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect()
}
