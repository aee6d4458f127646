//! An ELF file, mapped.

use std::borrow::Cow;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use gimli::{DwarfSections, EndianSlice, LittleEndian, SectionId};
use object::{Object, ObjectSection};

use crate::demangle::demangle;
use crate::symbol_table::SymbolTable;
use crate::{Identity, Location, debug_file};

/// Why a file does not answer for the addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It is not there, or cannot be read.
    #[error("`{}` cannot be read ({kind})", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        kind: std::io::ErrorKind,
    },
    /// It is not what was loaded.
    #[error("`{}` has changed since: expected {expected}, found {found}", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// What was recorded.
        expected: String,
        /// What is there.
        found: String,
    },
    /// It is no ELF file.
    #[error("`{}` is no ELF file", path.display())]
    NotElf {
        /// The file.
        path: PathBuf,
    },
}

/// A debug section larger than this when decompressed is left out.
const LARGEST_SECTION: u64 = 1 << 30;

/// A mapped file.
#[derive(Debug)]
pub(crate) struct Mapped {
    bytes: memmap2::Mmap,
    size: u64,
    modified_ns: u64,
}

impl Mapped {
    /// Maps the file at `path`.
    pub(crate) fn open(path: &Path) -> Result<Self, FileError> {
        let unreadable = |error: std::io::Error| FileError::Unreadable { path: path.into(), kind: error.kind() };
        let file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        let bytes = map(&file).map_err(unreadable)?;
        let modified_ns =
            (metadata.mtime() as u64).wrapping_mul(1_000_000_000).wrapping_add(metadata.mtime_nsec() as u64);
        let mapped = Self { bytes, size: metadata.len(), modified_ns };
        if mapped.object().is_none() {
            return Err(FileError::NotElf { path: path.into() });
        }
        Ok(mapped)
    }

    /// The file's bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The file as ELF.
    pub(crate) fn object(&self) -> Option<object::File<'_>> {
        object::File::parse(&*self.bytes).ok()
    }

    /// Its build id.
    pub(crate) fn build_id(&self) -> Option<Vec<u8>> {
        self.object()?.build_id().ok().flatten().map(<[u8]>::to_vec)
    }

    /// Says whether this is the file of that identity.
    pub(crate) fn expect(&self, path: &Path, identity: Identity<'_>) -> Result<(), FileError> {
        let changed = |expected, found| Err(FileError::Changed { path: path.into(), expected, found });
        let found = self.build_id().unwrap_or_default();
        if !identity.build_id.is_empty() {
            // Recordings keep the first bytes of long ones.
            return if found.starts_with(identity.build_id) {
                Ok(())
            } else {
                changed(format!("build id {}", hex(identity.build_id)), format!("build id {}", hex(&found)))
            };
        }
        match identity.file {
            Some(expected) if expected != (self.size, self.modified_ns) => {
                let words =
                    |(bytes, modified): (u64, u64)| format!("{bytes} bytes changed at {}", modified / 1_000_000_000);
                changed(words(expected), words((self.size, self.modified_ns)))
            }
            _ => Ok(()),
        }
    }

    /// Answers from DWARF for the addresses that have no answer yet.
    pub(crate) fn add_locations(&self, addresses: &[u64], locations: &mut [Vec<Location>]) {
        let Some(object) = self.object().filter(|object| {
            object.section_by_name(".debug_info").is_some() || object.section_by_name(".zdebug_info").is_some()
        }) else {
            return;
        };
        let Ok(sections) = sections(&object) else { return };
        let mut dwarf = sections.borrow(|section| EndianSlice::new(section, LittleEndian));
        // `dwz` moves what several files have in common into another one.
        let shared = debug_file::find_shared(&object);
        let shared_object = shared.as_ref().and_then(Self::object);
        let shared_sections = shared_object.as_ref().and_then(|object| self::sections(object).ok());
        if let Some(sections) = &shared_sections {
            dwarf.set_sup(sections.borrow(|section| EndianSlice::new(section, LittleEndian)));
        }
        let symbols = std::cell::OnceCell::new();
        let Ok(context) = addr2line::Context::from_dwarf(dwarf) else { return };
        for (&address, found) in addresses.iter().zip(locations) {
            if !found.is_empty() {
                continue;
            }
            let Ok(mut frames) = context.find_frames(address).skip_all_loads() else { continue };
            while let Ok(Some(frame)) = frames.next() {
                let place = frame.location.as_ref();
                let name = frame.function.as_ref().and_then(|function| function.raw_name().ok());
                let function = match name {
                    Some(name) => demangle(&name),
                    // A unit with lines alone (assembly).
                    None => match symbols.get_or_init(|| SymbolTable::of(&object)).find(address) {
                        Some(name) => demangle(name),
                        None => continue,
                    },
                };
                found.push(Location {
                    function,
                    file: place.and_then(|place| place.file).map(str::to_owned),
                    line: place.and_then(|place| place.line).unwrap_or(0),
                });
            }
        }
    }

    /// Answers from the symbol tables for the addresses that have no answer yet.
    pub(crate) fn add_symbols(&self, addresses: &[u64], locations: &mut [Vec<Location>]) {
        if locations.iter().all(|found| !found.is_empty()) {
            return;
        }
        let Some(object) = self.object() else { return };
        let symbols = SymbolTable::of(&object);
        for (&address, found) in addresses.iter().zip(locations) {
            if found.is_empty()
                && let Some(name) = symbols.find(address)
            {
                found.push(Location { function: demangle(name), ..Location::default() });
            }
        }
    }
}

#[expect(unsafe_code, reason = "debug files of hundreds of megabytes are not read into memory")]
fn map(file: &File) -> std::io::Result<memmap2::Mmap> {
    // SAFETY: the map is only read. Installers replace libraries by renaming, which leaves a mapped file as it is; one
    // that is cut short in place ends this command with SIGBUS and harms nobody else.
    unsafe { memmap2::Mmap::map(file) }
}

fn sections<'a>(object: &object::File<'a>) -> Result<DwarfSections<Cow<'a, [u8]>>, gimli::Error> {
    DwarfSections::load(|id: SectionId| {
        let section = object.section_by_name(id.name()).filter(|section| {
            section.compressed_data().is_ok_and(|data| data.uncompressed_size <= LARGEST_SECTION)
                || section.compressed_file_range().is_ok_and(|range| range.format == object::CompressionFormat::None)
        });
        Ok(section.and_then(|section| section.uncompressed_data().ok()).unwrap_or_default())
    })
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
