//! The index of a snapshot: its first tables and all computed numbers, kept so that it opens at once the next time.
//!
//! One file: magic, version, the snapshot's stamp, checksum of these; the summary as JSON with its checksum; the columns
//! of the heap. The stamp is the snapshot's length, time of change and a hash over samples of its bytes. An index that
//! does not fit in every respect is ignored and written anew. It holds what the snapshot holds, so it is private: in a
//! run's folder beside the snapshot, else in the user's cache folder.
//!
//! Beside it lie the last answers to questions that go through all numbers, one file for each question.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use brimline_analysis::heap::summary::Summary;
use brimline_analysis::heap::{Heap, STORED_VERSION};
use brimline_profile::heap::{Checksum, ColumnReader, ColumnWriter};
use brimline_store::private_file;

const MAGIC: [u8; 8] = *b"brimheap";
/// Snapshots smaller than this open at once anyway.
const SMALLEST: u64 = 4 << 20;
/// Together the indexes in the cache take at most this much; the oldest go first.
const CACHE_LIMIT: u64 = 8 << 30;
const SAMPLES: u64 = 64;
const SAMPLE: usize = 4096;

/// Where the index of one snapshot lies, and the header it must have.
#[derive(Debug)]
pub(crate) struct Index {
    path: PathBuf,
    header: [u8; 48],
    in_cache: bool,
}

impl Index {
    /// The index of the snapshot at `path`; `None` for small ones, and where nothing can be kept.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let path = fs::canonicalize(path).ok()?;
        let mut file = File::open(&path).ok()?;
        let metadata = file.metadata().ok()?;
        if !metadata.is_file() || metadata.len() < SMALLEST {
            return None;
        }
        let header = header(&mut file, &metadata).ok()?;
        let is_in_run = path.ancestors().skip(1).take(5).any(|folder| folder.join("run.json").is_file());
        let index = if is_in_run {
            let mut name = std::ffi::OsString::from(".");
            name.push(path.file_name()?);
            name.push(".index");
            path.with_file_name(name)
        } else {
            let mut checksum = Checksum::default();
            checksum.update(path.as_os_str().as_bytes());
            cache_folder()?.join(format!("{:016x}.heap-index", checksum.value()))
        };
        Some(Self { path: index, header, in_cache: !is_in_run })
    }

    /// The first tables, if the index fits.
    pub(crate) fn summary(&self) -> Option<Summary> {
        let mut file = self.open()?;
        let bytes = ColumnReader::new(&mut file, self.size()?).u8s().ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// The heap, if the index fits.
    pub(crate) fn heap(&self) -> Option<Heap> {
        let mut file = self.open()?;
        let size = self.size()?;
        ColumnReader::new(&mut file, size).u8s().ok()?;
        Heap::load(&mut file, size).ok()
    }

    /// Writes the index.
    pub(crate) fn write(&self, heap: &Heap, summary: &Summary) -> anyhow::Result<()> {
        self.replace(&self.path, |out| {
            ColumnWriter::new(out).u8s(&serde_json::to_vec(summary)?)?;
            Ok(heap.store(out)?)
        })
    }

    /// What was kept as the answer to `question`, if it was asked in the same `words` the last time.
    pub(crate) fn answer(&self, question: &str, words: &str) -> Option<Vec<u8>> {
        let path = self.answer_path(question);
        let mut file = self.open_at(&path)?;
        let mut input = ColumnReader::new(&mut file, fs::metadata(&path).ok()?.len());
        if input.u8s().ok()? != words.as_bytes() {
            return None;
        }
        input.u8s().ok()
    }

    /// Keeps the answer to `question` in these `words`.
    pub(crate) fn keep_answer(&self, question: &str, words: &str, answer: &[u8]) -> anyhow::Result<()> {
        self.replace(&self.answer_path(question), |out| {
            let mut out = ColumnWriter::new(out);
            out.u8s(words.as_bytes())?;
            Ok(out.u8s(answer)?)
        })
    }

    fn answer_path(&self, question: &str) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        name.push("-");
        name.push(question);
        name.into()
    }

    /// Writes a file with the header beside its place and renames it.
    fn replace(&self, path: &Path, write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        private_file::ensure_folder(folder)?;
        let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
        let _ = fs::remove_file(&temporary);
        let written = (|| {
            let mut out = BufWriter::with_capacity(1 << 20, private_file::create_new(&temporary)?);
            out.write_all(&self.header)?;
            write(&mut out)?;
            out.flush()?;
            anyhow::Ok(fs::rename(&temporary, path)?)
        })();
        if written.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        written?;
        if self.in_cache {
            prune(folder, path);
        }
        Ok(())
    }

    fn open(&self) -> Option<BufReader<File>> {
        self.open_at(&self.path)
    }

    fn open_at(&self, path: &Path) -> Option<BufReader<File>> {
        let mut file = BufReader::with_capacity(1 << 20, private_file::open_read(path).ok()?);
        let mut header = [0; 48];
        file.read_exact(&mut header).ok()?;
        (header == self.header).then_some(file)
    }

    fn size(&self) -> Option<u64> {
        fs::metadata(&self.path).ok().map(|metadata| metadata.len())
    }
}

fn header(file: &mut File, metadata: &fs::Metadata) -> io::Result<[u8; 48]> {
    let mut samples = Checksum::default();
    let mut buffer = [0; SAMPLE];
    let last = metadata.len().saturating_sub(SAMPLE as u64);
    for sample in 0..=SAMPLES {
        file.seek(SeekFrom::Start(last / SAMPLES * sample))?;
        file.read_exact(&mut buffer)?;
        samples.update(&buffer);
    }
    file.seek(SeekFrom::Start(last))?;
    file.read_exact(&mut buffer)?;
    samples.update(&buffer);
    let changed = metadata.mtime().cast_unsigned().wrapping_mul(1_000_000_000) + metadata.mtime_nsec().cast_unsigned();
    // The program's version is part of it: what another one computed may differ.
    let mut version = Checksum::default();
    version.update(env!("CARGO_PKG_VERSION").as_bytes());
    let words = [u64::from(STORED_VERSION), version.value(), metadata.len(), changed, samples.value()];
    let mut header = [0; 48];
    header[..8].copy_from_slice(&MAGIC);
    header[8..].as_chunks_mut::<8>().0.iter_mut().zip(words).for_each(|(slot, word)| *slot = word.to_le_bytes());
    Ok(header)
}

fn cache_folder() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let cache = variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")))?;
    Some(cache.join("brimline").join("heap"))
}

/// Removes the oldest indexes beyond the limit, and what a killed process left.
fn prune(folder: &Path, newest: &Path) {
    let mut files: Vec<_> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.metadata().ok().map(|metadata| (metadata, entry.path())))
        .filter(|(metadata, path)| metadata.is_file() && path != newest)
        .collect();
    files.sort_by_key(|(metadata, _)| std::cmp::Reverse(metadata.mtime()));
    let mut total = fs::metadata(newest).map_or(0, |metadata| metadata.len());
    for (metadata, path) in files {
        total += metadata.len();
        let abandoned = path.extension().is_some_and(|extension| extension == "tmp") && is_old(&metadata);
        if total > CACHE_LIMIT || abandoned {
            let _ = fs::remove_file(path);
        }
    }
}

fn is_old(metadata: &fs::Metadata) -> bool {
    const DAY: u64 = 24 * 60 * 60;
    metadata.modified().ok().and_then(|at| at.elapsed().ok()).is_some_and(|age| age.as_secs() > DAY)
}
