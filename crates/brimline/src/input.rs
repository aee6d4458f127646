//! The `RUN` of a command line as a profile in memory.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::Context;
use brimline_analysis::places::Places;
use brimline_profile::formats::recording::{Recorded, Recordings};

use crate::refusal::usage;
use crate::source_text::SourceText;

/// No recording is larger; a compressed file that claims more is refused.
const LARGEST_RECORDING: u64 = 4 << 30;
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// A run that has been read.
#[derive(Debug)]
pub(crate) struct Input {
    /// How to call it: the run's id or the file's path.
    pub(crate) name: String,
    /// The one process that was asked for, `None` when all are merged.
    pub(crate) process: Option<u32>,
    /// Its numbers.
    pub(crate) recorded: Recorded,
    /// Project and modules.
    pub(crate) places: Places,
    /// The program's source.
    pub(crate) source: SourceText,
    /// RSS minus tracked bytes, where both are known.
    pub(crate) untracked_bytes: Option<i64>,
}

/// Reads `run`; what could not be read is told on standard error by the caller through the warnings.
pub(crate) fn load(run: Option<&str>, process: Option<u32>) -> anyhow::Result<(Input, Vec<String>)> {
    let Some(run) = run else {
        return Err(usage("expected a recording, found none", "name a file: `brimline report FILE.rec`"));
    };
    load_file(Path::new(run), process)
}

fn load_file(path: &Path, process: Option<u32>) -> anyhow::Result<(Input, Vec<String>)> {
    let bytes = read(path)?;
    let mut recordings = Recordings::default();
    add(&mut recordings, &bytes, path)?;
    // A file tells no project; whoever looks at it usually stands in it.
    let folder = std::env::current_dir().ok();
    let decoded = recordings.finish();
    let found = decoded.value.processes.first().map(|process| process.pid);
    if let (Some(wanted), Some(found)) = (process, found)
        && wanted != found
    {
        return Err(usage(
            format!("expected process {wanted} in `{}`, found process {found}", path.display()),
            "leave out --process",
        ));
    }
    let input = Input {
        name: path.display().to_string(),
        process: found,
        recorded: decoded.value,
        places: Places::new(folder.as_deref().and_then(Path::to_str)),
        source: SourceText::new(folder),
        untracked_bytes: None,
    };
    Ok((input, decoded.warnings))
}

/// Adds one process's recording, naming the file in the error.
pub(crate) fn add(recordings: &mut Recordings, bytes: &[u8], path: &Path) -> anyhow::Result<()> {
    recordings.add(bytes).map_err(|error| {
        let hint = match error {
            brimline_profile::formats::recording::OpenError::TooNew { .. } => {
                "the file was written by a newer brimline; update this one"
            }
            _ => "give a run's id or name (`brimline runs` lists them) or a recording that brimline wrote",
        };
        usage(format!("failed to read `{}`: {error}", path.display()), hint)
    })
}

/// The bytes of a recording, decompressed if need be.
fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let describe = || format!("failed to read `{}`", path.display());
    let metadata = std::fs::metadata(path).map_err(|error| {
        usage(
            format!("expected a run or a file, found `{}`: {error}", path.display()),
            "`brimline runs` lists the recorded runs",
        )
    })?;
    if !metadata.is_file() {
        return Err(usage(
            format!("expected a recording, found `{}`, which is no regular file", path.display()),
            "`brimline runs` lists the recorded runs",
        ));
    }
    let mut bytes = Vec::with_capacity(metadata.len().min(LARGEST_RECORDING) as usize);
    File::open(path).and_then(|file| file.take(LARGEST_RECORDING).read_to_end(&mut bytes)).with_context(describe)?;
    if !bytes.starts_with(&ZSTD_MAGIC) {
        return Ok(bytes);
    }
    let mut plain = Vec::new();
    let decoder = zstd::Decoder::new(&*bytes).with_context(describe)?;
    // A compressed file that is cut short still gives what comes before the cut.
    let outcome = decoder.take(LARGEST_RECORDING).read_to_end(&mut plain);
    if plain.is_empty() {
        outcome.with_context(describe)?;
    }
    Ok(plain)
}
