//! What lies at an address of an ELF file: functions with their inlined calls, files and lines.
//!
//! Sources, best first: DWARF in the file itself or in a separate debug file (by build id below `/usr/lib/debug`, or by
//! `.gnu_debuglink`), `.symtab`, `.dynsym`. Not read: split DWARF (`.dwo`, `.dwp`) and `.gnu_debugdata`.
//!
//! Files are mapped and DWARF is read lazily, one file at a time: memory is bounded by the units that the addresses lie
//! in, plus the sections that are compressed. Nothing is kept between calls.
#![deny(missing_docs)]

mod debug_file;
mod demangle;
mod elf;
mod symbol_table;

use std::path::Path;

pub use elf::FileError;

/// A place in source code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Location {
    /// Demangled name of the function.
    pub function: String,
    /// Path of the source file as the compiler saw it, `None` when it is not known.
    pub file: Option<String>,
    /// 1-based; 0 when it is not known.
    pub line: u32,
}

/// What a file must be, to have the addresses that are asked about.
#[derive(Clone, Copy, Debug, Default)]
pub struct Identity<'a> {
    /// Its build id; empty when it had none.
    pub build_id: &'a [u8],
    /// Size in bytes and time of last change (nanoseconds since 1970): looked at only where there is no build id.
    pub file: Option<(u64, u64)>,
}

/// Answers for some addresses of one file.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// For each address its locations, the innermost inlined call first; empty when nothing is known.
    pub locations: Vec<Vec<Location>>,
    /// Why the file itself could not be used; a debug file may have answered all the same.
    pub problem: Option<FileError>,
}

/// Looks up `addresses`, as in the file at `path` (without load bias).
pub fn resolve(path: &Path, identity: Identity<'_>, addresses: &[u64]) -> Answer {
    let (file, problem) = match elf::Mapped::open(path).and_then(|file| file.expect(path, identity).map(|()| file)) {
        Ok(file) => (Some(file), None),
        Err(problem) => (None, Some(problem)),
    };
    let debug = debug_file::find(path, identity.build_id, file.as_ref());
    let mut locations = vec![Vec::new(); addresses.len()];
    let sources = [debug.as_ref(), file.as_ref()];
    for source in sources.into_iter().flatten() {
        source.add_locations(addresses, &mut locations);
    }
    for source in sources.into_iter().flatten() {
        source.add_symbols(addresses, &mut locations);
    }
    Answer { locations, problem }
}
