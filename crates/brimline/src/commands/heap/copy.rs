//! The copy of a heap snapshot that a run keeps: still a snapshot that every tool opens with the same sizes, compressed,
//! and without what strings say unless that is asked for.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use brimline_profile::heap::redact::{self, RedactError};
use brimline_store::private_file;

use super::snapshot_file::{OpenArgs, SnapshotFile};
use crate::exit_code::ExitCode;
use crate::refusal::Refusal;

/// A snapshot that can be copied.
#[derive(Debug)]
pub(crate) struct SnapshotCopy {
    source: PathBuf,
    keep_strings: bool,
}

impl SnapshotCopy {
    /// The snapshot at `source`, of which what its strings say is kept only when `keep_strings`.
    pub(crate) fn of(source: &Path, keep_strings: bool) -> Self {
        Self { source: source.to_owned(), keep_strings }
    }

    /// The copy's name for a file called `name`.
    pub(crate) fn file_name(name: &str) -> String {
        let plain = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(name);
        let is_known = plain.ends_with(".heapsnapshot") || plain.ends_with(".heaptimeline");
        if is_known { format!("{plain}.zst") } else { format!("{plain}.heapsnapshot.zst") }
    }

    /// Writes the copy to `path`; answers its size. Of a snapshot that was cut, all that is whole is kept.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<(u64, ExitCode)> {
        let describe = || format!("failed to copy `{}`", self.source.display());
        let mut reader = plain(File::open(&self.source).with_context(describe)?).with_context(describe)?;
        let file = private_file::create_new(path)?;
        let mut out = zstd::Encoder::new(BufWriter::new(&file), 3).with_context(describe)?;
        let exit_code = if self.keep_strings {
            copy_until_broken(&mut reader, &mut out).with_context(describe)?;
            self.check()?
        } else {
            self.redact(&mut reader, &mut out)?
        };
        out.finish().and_then(|mut out| out.flush()).with_context(describe)?;
        file.sync_all().with_context(describe)?;
        Ok((file.metadata().with_context(describe)?.len(), exit_code))
    }

    /// Reads the snapshot for no other reason than to refuse it, or to tell that it is cut.
    fn check(&self) -> anyhow::Result<ExitCode> {
        let text = std::path::absolute(&self.source)?;
        let opened = SnapshotFile::find(Some(&text.to_string_lossy()), &OpenArgs::default())?.graph()?;
        crate::commands::warn(&opened.warnings);
        Ok(opened.exit_code)
    }

    fn redact(&self, reader: &mut dyn Read, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        match redact::redact(reader, out) {
            Ok(_) => Ok(ExitCode::FINE),
            Err(ref error @ RedactError::Broken { cut: true, ref section, .. }) if section != "snapshot" => {
                crate::commands::warn(&[format!("`{}` is cut, what is whole is kept: {error}", self.source.display())]);
                Ok(ExitCode::INCOMPLETE)
            }
            Err(error @ RedactError::Broken { .. }) => Err(Refusal {
                message: format!("failed to leave out what the strings of `{0}` say: {error}", self.source.display()),
                hint: format!("`brimline import --keep-strings {}` keeps it as it is", self.source.display()),
                code: ExitCode::USAGE,
            }
            .into()),
            Err(error) => Err(error).with_context(|| format!("failed to copy `{}`", self.source.display())),
        }
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
