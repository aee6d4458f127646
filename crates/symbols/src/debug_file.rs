//! Debug files that are kept apart from the files they belong to.

use std::path::{Path, PathBuf};

use object::Object;

use crate::elf::{Mapped, hex};

const ROOT: &str = "/usr/lib/debug";

/// The debug file of `path`: by the build id that is asked for, else by the name that `file` gives.
pub(crate) fn find(path: &Path, build_id: &[u8], file: Option<&Mapped>) -> Option<Mapped> {
    by_build_id(build_id).or_else(|| by_link(path, file?))
}

/// The file that `object` shares entries with; see `dwz(1)`.
pub(crate) fn find_shared(object: &object::File<'_>) -> Option<Mapped> {
    let (name, build_id) = object.gnu_debugaltlink().ok().flatten()?;
    if let Some(found) = by_build_id(build_id) {
        return Some(found);
    }
    let mapped = Mapped::open(Path::new(std::str::from_utf8(name).ok()?)).ok()?;
    (mapped.build_id().as_deref() == Some(build_id)).then_some(mapped)
}

fn by_build_id(build_id: &[u8]) -> Option<Mapped> {
    let (first, rest) = build_id.split_first().filter(|(_, rest)| !rest.is_empty())?;
    let path = format!("{ROOT}/.build-id/{:02x}/{}.debug", first, hex(rest));
    let mapped = Mapped::open(Path::new(&path)).ok()?;
    mapped.build_id().is_some_and(|found| found == build_id).then_some(mapped)
}

fn by_link(path: &Path, file: &Mapped) -> Option<Mapped> {
    let object = file.object()?;
    let (name, checksum) = object.gnu_debuglink().ok().flatten()?;
    let name = Path::new(std::str::from_utf8(name).ok()?);
    let real = path.canonicalize().ok()?;
    let folder = real.parent()?;
    let global = PathBuf::from(ROOT).join(folder.strip_prefix("/").ok()?);
    let own = file.build_id();
    [folder.join(name), folder.join(".debug").join(name), global.join(name)].into_iter().find_map(|candidate| {
        if candidate == real {
            return None;
        }
        let mapped = Mapped::open(&candidate).ok()?;
        let belongs = match (&own, mapped.build_id()) {
            (Some(own), Some(found)) => *own == found,
            _ => crc32fast::hash(mapped.bytes()) == checksum,
        };
        belongs.then_some(mapped)
    })
}
