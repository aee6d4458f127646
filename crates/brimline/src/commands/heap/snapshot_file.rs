//! A heap snapshot that a command line names, opened from its index where one fits, from the file itself otherwise.

use std::fs::File;
use std::io::{BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use brimline_analysis::heap::Heap;
use brimline_analysis::heap::summary::Summary;
use brimline_profile::heap::HeapGraph;
use brimline_profile::heap::heapsnapshot::{self, DecodeError};
use brimline_store::Resolved;

use super::index::Index;
use crate::exit_code::ExitCode;
use crate::refusal::usage;
use crate::stores::{open, resolve};

/// Where snapshots lie and how they are opened.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct OpenArgs {
    /// The store's folder [default: the project's `.brimline`]
    #[arg(long, value_name = "FOLDER", env = "BRIMLINE_STORE", hide_env_values = true)]
    pub(crate) store: Option<PathBuf>,
    /// Neither read nor write the index that makes the next opening quick.
    #[arg(long)]
    pub(crate) no_index: bool,
    /// Of a run with several Node processes: the heap of this one [default: the largest heap]
    #[arg(long, value_name = "PID")]
    pub(crate) process: Option<u32>,
    /// Of a Node process with several heaps: that of this worker thread; 0 is the main one.
    #[arg(long, value_name = "ID")]
    pub(crate) thread: Option<u32>,
    /// Where the program's source files and their maps lie, if not where they were when it ran.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) sources: Option<PathBuf>,
}

/// A snapshot's file.
#[derive(Debug)]
pub(crate) struct SnapshotFile {
    /// As the user would call it.
    pub(crate) name: String,
    path: PathBuf,
    index: Option<Index>,
}

/// What an opened snapshot gives, and how the command ends that answers from it.
#[derive(Debug)]
pub(crate) struct Opened<T> {
    /// The answer.
    pub(crate) value: T,
    /// What is missing from it.
    pub(crate) warnings: Vec<String>,
    /// Incomplete when the file was cut or damaged.
    pub(crate) exit_code: ExitCode,
}

impl<T> Opened<T> {
    fn whole(value: T) -> Self {
        Self { value, warnings: Vec::new(), exit_code: ExitCode::FINE }
    }

    fn map<U>(self, function: impl FnOnce(T) -> U) -> Opened<U> {
        Opened { value: function(self.value), warnings: self.warnings, exit_code: self.exit_code }
    }
}

impl SnapshotFile {
    /// Finds the snapshot that `run` means: a file, or the last one in a run; the latest run when there is none.
    pub(crate) fn find(run: Option<&str>, args: &OpenArgs) -> anyhow::Result<Self> {
        let text = run.unwrap_or("");
        let (path, name) = match resolve(&open(args.store.as_deref()), text)? {
            Resolved::File(path) => {
                let name = path.display().to_string();
                (path, name)
            }
            Resolved::Run(run) => {
                let folder = match &run.snapshot {
                    Some(snapshot) => run.entry.folder.snapshots_path().join(snapshot.name.as_str()),
                    None => run.entry.folder.path().to_owned(),
                };
                let mut found = snapshots_below(&folder);
                found.retain(|path| args.wants(path));
                let Some(path) = found.last().map(|last| largest_beside(last, &found)) else {
                    return Err(usage(
                        format!("expected a heap snapshot in run `{}`, found none", run.entry.record.id),
                        "`brimline import FILE.heapsnapshot` makes a run of a snapshot; a file can be given as it is",
                    ));
                };
                (path.to_owned(), format!("{} ({})", run.entry.record.id, file_name(path)))
            }
        };
        let index = if args.no_index { None } else { Index::of(&path) };
        Ok(Self { name, path, index })
    }

    /// The first tables; from the index in a few milliseconds, whatever the size of the snapshot.
    pub(crate) fn summary(&self) -> anyhow::Result<Opened<Summary>> {
        if let Some(summary) = self.index.as_ref().and_then(Index::summary) {
            return Ok(Opened::whole(summary));
        }
        Ok(self.compute()?.map(|(_, summary)| summary))
    }

    /// The whole heap.
    pub(crate) fn heap(&self) -> anyhow::Result<Opened<Heap>> {
        if let Some(heap) = self.index.as_ref().and_then(Index::heap) {
            return Ok(Opened::whole(heap));
        }
        Ok(self.compute()?.map(|(heap, _)| heap))
    }

    /// Answers `question` from the whole heap; the same question, in the same `words`, is answered at once the next time.
    ///
    /// `write` gets the heap and whether the file was whole; nothing else may decide what it writes.
    pub(crate) fn answer(
        &self,
        question: &str,
        words: &impl std::fmt::Debug,
        out: &mut dyn Write,
        write: impl FnOnce(&Heap, ExitCode, &mut dyn Write) -> anyhow::Result<()>,
    ) -> anyhow::Result<ExitCode> {
        let words = format!("{} {words:?}", self.name);
        if let Some(answer) = self.index.as_ref().and_then(|index| index.answer(question, &words)) {
            out.write_all(&answer)?;
            out.flush()?;
            return Ok(ExitCode::FINE);
        }
        let opened = self.heap()?;
        crate::commands::warn(&opened.warnings);
        let mut answer = Vec::new();
        write(&opened.value, opened.exit_code, &mut answer)?;
        if let Some(index) = self.index.as_ref().filter(|_| opened.exit_code == ExitCode::FINE) {
            // What is not kept is computed again, no more.
            let _ = index.keep_answer(question, &words, &answer);
        }
        out.write_all(&answer)?;
        out.flush()?;
        Ok(opened.exit_code)
    }

    fn compute(&self) -> anyhow::Result<Opened<(Heap, Summary)>> {
        let decoded = self.graph()?;
        let progress = Progress::new(&self.name);
        progress.say("computing retained sizes");
        let heap = Heap::new(decoded.value);
        progress.say("naming what holds memory");
        let summary = Summary::of(&heap);
        let whole = decoded.exit_code == ExitCode::FINE;
        if let Some(index) = self.index.as_ref().filter(|_| whole) {
            progress.say("writing the index");
            // Without an index the next opening is slower, no more.
            let _ = index.write(&heap, &summary);
        }
        progress.clear();
        Ok(Opened { value: (heap, summary), warnings: decoded.warnings, exit_code: decoded.exit_code })
    }

    /// The objects and references alone.
    pub(crate) fn graph(&self) -> anyhow::Result<Opened<HeapGraph>> {
        let describe = || format!("failed to read `{}`", self.path.display());
        let file = File::open(&self.path).with_context(describe)?;
        let size = file.metadata().with_context(describe)?.len();
        if size == 0 {
            return Err(usage(
                format!("expected a heap snapshot, found an empty file: `{}`", self.path.display()),
                "the process was killed or ran out of memory before the first byte: writing a snapshot takes about ten \
                 times the used heap",
            ));
        }
        let progress = Progress::new(&self.name);
        let counted = Counted { inner: file, read: 0, size, progress: &progress };
        let decoded = heapsnapshot::decode(&mut BufReader::with_capacity(1 << 18, counted));
        progress.clear();
        let decoded = decoded.map_err(|error| match error {
            DecodeError::Read(error) => anyhow::Error::from(error).context(describe()),
            error => usage(
                format!("failed to read `{}`: {error}", self.path.display()),
                "give a `.heapsnapshot` or `.heaptimeline` as Node or Chrome write them, also gzip or zstd",
            ),
        })?;
        let warnings: Vec<String> = decoded.damage.iter().map(ToString::to_string).collect();
        let exit_code = if warnings.is_empty() { ExitCode::FINE } else { ExitCode::INCOMPLETE };
        Ok(Opened { value: decoded.graph, warnings, exit_code })
    }
}

/// Whether the file at `path` begins as a heap snapshot does, compressed or not.
pub(crate) fn is_snapshot(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
        return false;
    }
    let mut head = Vec::new();
    if file.take(1 << 16).read_to_end(&mut head).is_err() {
        return false;
    }
    let mut plain = vec![0; 4096];
    let length = match head {
        _ if head.starts_with(&[0x1F, 0x8B]) => fill(&mut flate2::bufread::GzDecoder::new(&head[..]), &mut plain),
        _ if head.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]) => {
            zstd::Decoder::new(&head[..]).map_or(0, |mut decoder| fill(&mut decoder, &mut plain))
        }
        _ => fill(&mut &head[..], &mut plain),
    };
    heapsnapshot::sniff(&plain[..length])
}

/// Reads until `buffer` is full or the data ends or breaks.
fn fill(reader: &mut dyn Read, buffer: &mut [u8]) -> usize {
    let mut length = 0;
    while length < buffer.len() {
        match reader.read(&mut buffer[length..]) {
            Ok(0) | Err(_) => break,
            Ok(read) => length += read,
        }
    }
    length
}

/// Whether `run` names a heap snapshot: a file, or a run that holds one and no recording of allocations.
pub(crate) fn names_snapshot(run: Option<&str>, store: Option<&Path>) -> bool {
    match resolve(&open(store), run.unwrap_or("")) {
        Ok(Resolved::File(path)) => is_snapshot(&path),
        Ok(Resolved::Run(run)) => {
            let recordings = brimline_store::artifacts::processes(&run.entry.folder);
            run.snapshot.is_none()
                && recordings.is_ok_and(|found| found.is_empty())
                && !crate::node::has_profiles(&run.entry.folder)
                && !snapshots_below(run.entry.folder.path()).is_empty()
        }
        Err(_) => false,
    }
}

impl OpenArgs {
    /// Whether a snapshot is of the process and thread asked for; the name says: `PID-MS-THREAD.heapsnapshot`.
    fn wants(&self, path: &Path) -> bool {
        let name = file_name(path);
        let mut parts = name.split('.').next().unwrap_or_default().split('-').map(|part| part.parse::<u64>().ok());
        let (process, thread) = (parts.next().flatten(), parts.nth(1).flatten());
        self.process.is_none_or(|wanted| process == Some(wanted.into()))
            && self.thread.is_none_or(|wanted| thread == Some(wanted.into()))
    }
}

/// Of the snapshots in the folder of the last one, which were taken together, the largest.
fn largest_beside<'a>(last: &'a Path, found: &'a [PathBuf]) -> &'a Path {
    let together = found.iter().filter(|path| path.parent() == last.parent());
    let size = |path: &&PathBuf| path.metadata().map_or(0, |metadata| metadata.len());
    together.max_by_key(size).map_or(last, PathBuf::as_path)
}

/// Snapshots in a run's folder, oldest first.
fn snapshots_below(folder: &Path) -> Vec<PathBuf> {
    const SUFFIXES: [&str; 2] = [".heapsnapshot", ".heaptimeline"];
    let mut found = Vec::new();
    let mut folders = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let plain = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zst")).unwrap_or(&name);
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && depth < 3 => folders.push((entry.path(), depth + 1)),
                Ok(kind) if kind.is_file() && SUFFIXES.iter().any(|suffix| plain.ends_with(suffix)) => {
                    let modified = entry.metadata().and_then(|metadata| metadata.modified()).ok();
                    found.push((modified, entry.path()));
                }
                _ => {}
            }
        }
    }
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// One line on the terminal that tells how far a long work is; silent elsewhere and for the first moments.
struct Progress<'a> {
    name: &'a str,
    started: Instant,
    on: bool,
}

const PATIENCE: Duration = Duration::from_millis(300);

impl<'a> Progress<'a> {
    fn new(name: &'a str) -> Self {
        Self { name, started: Instant::now(), on: std::io::stderr().is_terminal() }
    }

    fn say(&self, what: &str) {
        if self.on {
            // Nobody misses a progress line that could not be written.
            let _ = write!(std::io::stderr(), "\r\x1b[K{}: {what} …", crate::terminal::plain(self.name));
        }
    }

    fn clear(&self) {
        if self.on {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// A file that tells how much of it has been read.
struct Counted<'a> {
    inner: File,
    read: u64,
    size: u64,
    progress: &'a Progress<'a>,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let before = self.read * 100 / self.size;
        self.read += read as u64;
        let percent = self.read * 100 / self.size;
        if percent != before && self.progress.started.elapsed() > PATIENCE {
            self.progress.say(&format!("read {}%", percent.min(100)));
        }
        Ok(read)
    }
}
