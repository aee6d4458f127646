//! The copy of a heap snapshot that a run keeps: still a snapshot that every tool opens with the same sizes, compressed,
//! and without what strings say unless that is asked for.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use brimline_profile::heap::{HeapGraph, redact};
use brimline_store::private_file;

use super::snapshot_file::{OpenArgs, SnapshotFile};
use crate::exit_code::ExitCode;
use crate::refusal::Refusal;

/// A snapshot that was read once and can be copied.
#[derive(Debug)]
pub(crate) struct SnapshotCopy {
    source: PathBuf,
    /// What tells values from names; `None` to keep both.
    graph: Option<Box<HeapGraph>>,
    /// Incomplete for a file that was cut.
    pub(crate) exit_code: ExitCode,
}

impl SnapshotCopy {
    /// Reads the snapshot at `source`. One that was cut has no strings to tell values by, so it is kept only as it is.
    pub(crate) fn of(source: &Path, keep_strings: bool) -> anyhow::Result<Self> {
        let text = std::path::absolute(source)?;
        let opened = SnapshotFile::find(Some(&text.to_string_lossy()), &OpenArgs::default())?.graph()?;
        crate::commands::warn(&opened.warnings);
        if opened.exit_code != ExitCode::FINE && !keep_strings {
            return Err(Refusal {
                message: format!(
                    "expected a whole snapshot, found `{}` cut or damaged: what its strings say cannot be left out",
                    source.display()
                ),
                hint: format!(
                    "`brimline heap top {0}` shows what is whole; `brimline import --keep-strings {0}` keeps it as it is",
                    source.display()
                ),
                code: ExitCode::INCOMPLETE,
            }
            .into());
        }
        let graph = (!keep_strings).then(|| Box::new(opened.value));
        Ok(Self { source: source.to_owned(), graph, exit_code: opened.exit_code })
    }

    /// The copy's name for a file called `name`.
    pub(crate) fn file_name(name: &str) -> String {
        let plain = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name);
        let is_known = plain.ends_with(".heapsnapshot") || plain.ends_with(".heaptimeline");
        if is_known { format!("{plain}.zst") } else { format!("{plain}.heapsnapshot.zst") }
    }

    /// Writes the copy to `path`; answers its size.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<u64> {
        let describe = || format!("failed to copy `{}`", self.source.display());
        let mut reader = plain(File::open(&self.source).with_context(describe)?).with_context(describe)?;
        let file = private_file::create_new(path)?;
        let mut out = zstd::Encoder::new(BufWriter::new(&file), 3).with_context(describe)?;
        match &self.graph {
            Some(graph) => drop(redact::redact(graph, &mut reader, &mut out).with_context(describe)?),
            None => copy_until_broken(&mut reader, &mut out).with_context(describe)?,
        }
        out.finish().and_then(|mut out| out.flush()).with_context(describe)?;
        file.sync_all().with_context(describe)?;
        Ok(file.metadata().with_context(describe)?.len())
    }
}

/// The bytes behind gzip or zstd.
fn plain(file: File) -> std::io::Result<Box<dyn Read>> {
    let mut head = Vec::new();
    (&file).take(4).read_to_end(&mut head)?;
    let reader = BufReader::new(std::io::Cursor::new(head.clone()).chain(file));
    Ok(if head.starts_with(&[0x1F, 0x8B]) {
        Box::new(flate2::bufread::MultiGzDecoder::new(reader))
    } else if head.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]) {
        Box::new(zstd::Decoder::with_buffer(reader)?)
    } else {
        Box::new(reader)
    })
}

/// Copies all there is; a compressed file that was cut ends where it was cut.
fn copy_until_broken(reader: &mut dyn Read, out: &mut dyn Write) -> std::io::Result<()> {
    match std::io::copy(reader, out) {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(()),
        other => other.map(drop),
    }
}
