//! `brimline import`: a file from elsewhere as a run.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use brimline_store::private_file::{self, Durability};
use brimline_store::{Import, RunRecord};
use serde_json::json;

use super::heap::{SnapshotCopy, is_snapshot};
use crate::exit_code::ExitCode;
use crate::imported::{Kind, kind_of};
use crate::input;
use crate::refusal::usage;
use crate::stores::{name, open};

/// Arguments.
#[derive(clap::Args, Debug)]
#[command(after_help = "What a file is, is told by its content:
  pprof         profile.proto, gzip or not, and the older texts: heap profiles of Go, Node, C++, Java
  tracemalloc   snapshots written by Snapshot.dump; nothing in the pickle is executed
  memray        captures of memray 1.10 to 1.20, logs and aggregated ones
  heapprofile   V8's sampling heap profiles: `node --heap-prof`, DevTools
  heapsnapshot  V8's heap snapshots and timelines, gzip or zstd too; what strings say is left out of the copy

Examples:
  brimline import heap.pb.gz --name before
  brimline report before                     `report`, `diff` and `export` take the file itself as well")]
pub(crate) struct Args {
    /// The file.
    pub(crate) file: PathBuf,
    /// Name of the run.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Keep what the strings of a heap snapshot say: passwords, tokens, people's data.
    #[arg(long)]
    pub(crate) keep_strings: bool,
    /// JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// The store's folder [default: the project's `.brimline`]
    #[arg(long, value_name = "FOLDER", env = "BRIMLINE_STORE", hide_env_values = true)]
    pub(crate) store: Option<PathBuf>,
}

/// Carries the command out.
pub(crate) fn execute(args: &Args) -> anyhow::Result<ExitCode> {
    let run_name = args.name.as_deref().map(name).transpose()?;
    let content = Content::read(args)?;
    let store = open(args.store.as_deref());
    let (folder, _lock) = store.create_run()?;
    let mut record = RunRecord::new(folder.id().clone(), vec!["import".into(), args.file.display().to_string()]);
    record.name = run_name;
    record.cwd = std::env::current_dir().ok().map(|cwd| cwd.to_string_lossy().into_owned());
    let file = content.file_name(&args.file);
    let written = private_file::create_folder(&folder.imports_path())
        .map_err(anyhow::Error::from)
        .and_then(|()| content.write(&folder.imports_path().join(&file)))
        .and_then(|written| {
            let source = std::path::absolute(&args.file).unwrap_or_else(|_| args.file.clone());
            let source = source.to_string_lossy().into_owned();
            record.imported = Some(Import { format: content.format().to_owned(), file, source });
            folder.save(&record, Durability::Synced)?;
            Ok(written)
        });
    let written = written.inspect_err(|_| {
        // Half a run is none; the first error is the one to tell.
        let _ = folder.clone().remove();
    });
    let (bytes, exit_code) = written.context("failed to keep the file as a run")?;
    if let Err(error) = store.index(&folder) {
        super::warn(&[format!("the run is kept, its row in the database is not: {error}")]);
    }
    let mut out = super::output(None)?;
    if args.json {
        let answer = json!({
            "schema": "brimline.import/1", "run": record.id.as_str(), "name": args.name, "format": content.format(),
            "bytes": bytes, "folder": folder.path().display().to_string(),
        });
        writeln!(crate::terminal::JsonGuard(&mut out), "{answer}")?;
    } else {
        writeln!(out, "imported {} as run {}", content.format(), record.id)?;
    }
    out.flush()?;
    Ok(exit_code)
}

/// What will be kept.
enum Content {
    /// The file as it is.
    Bytes(&'static dyn Kind, Vec<u8>),
    /// A heap snapshot, which may be too large to be held.
    Snapshot(SnapshotCopy),
}

impl Content {
    fn read(args: &Args) -> anyhow::Result<Self> {
        if is_snapshot(&args.file) {
            return Ok(Self::Snapshot(SnapshotCopy::of(&args.file, args.keep_strings)));
        }
        let bytes = input::read(&args.file)?;
        if brimline_profile::formats::recording::is_recording(&bytes) {
            return Err(usage(
                format!("expected a file of another tool, found a recording of brimline: `{}`", args.file.display()),
                format!("brimline report {}", args.file.display()),
            ));
        }
        // What cannot be read is refused now and not by the first report.
        let kind = kind_of(&bytes);
        kind.check(&bytes, &args.file)?;
        Ok(Self::Bytes(kind, bytes))
    }

    fn format(&self) -> &'static str {
        match self {
            Self::Bytes(kind, _) => kind.name(),
            Self::Snapshot(_) => "heapsnapshot",
        }
    }

    fn file_name(&self, path: &Path) -> String {
        let name = file_name(path);
        match self {
            Self::Bytes(..) => name,
            Self::Snapshot(_) => SnapshotCopy::file_name(&name),
        }
    }

    /// Writes the file at `path`; answers its size, and incomplete for a snapshot that was cut.
    fn write(&self, path: &Path) -> anyhow::Result<(u64, ExitCode)> {
        match self {
            Self::Bytes(_, bytes) => {
                private_file::replace(path, bytes, Durability::Synced)?;
                Ok((bytes.len() as u64, ExitCode::FINE))
            }
            Self::Snapshot(copy) => copy.write(path),
        }
    }
}

/// The file's own name where it is a plain one.
fn file_name(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let plain: String = name.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect();
    let plain: String = plain.trim_start_matches('.').chars().take(100).collect();
    if plain.is_empty() { "file".to_owned() } else { plain }
}
