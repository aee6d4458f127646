//! Go programs, told by the build information that the linker puts into every one of them, stripped or not.
//!
//! The format is that of Go's `debug/buildinfo`: a marker of 16-byte alignment in section `.go.buildinfo` (without section
//! headers at the start of the writable segment), from Go 1.18 on followed by two strings with their lengths before them.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

const MAGIC: &[u8] = b"\xff Go buildinf:";
const ALIGNMENT: usize = 16;
/// Marker, pointer size, flags, and room that older versions keep pointers in.
const HEADER_BYTES: usize = 32;
/// Set in the flags when the strings follow the header.
const INLINE: u8 = 2;
/// Framing of the module text, told apart from other strings by it.
const FRAME: usize = 16;
/// The marker lies at the start of its segment, behind little else.
const SEARCHED_BYTES: usize = 1 << 20;
/// Module lists of the largest programs take some tens of kilobytes.
const LARGEST_TEXT: usize = 4 << 20;

const SEGMENT_LOAD: u32 = 1;
const FLAG_EXECUTE: u32 = 1;
const FLAG_WRITE: u32 = 2;

/// What a Go program says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildInfo {
    /// For example `go1.26.8`; empty for programs built before Go 1.18.
    pub version: String,
    /// Path of the main package: `example.com/app/cmd/server`, `example.com/app.test`, `cmd/go`.
    pub package: Option<String>,
    /// Path of the main module.
    pub module: Option<String>,
    /// Settings of the build, such as `CGO_ENABLED` and `-trimpath`.
    pub settings: Vec<(String, String)>,
}

impl BuildInfo {
    /// The build information in an executable; `None` if it is no Go program or cannot be read.
    pub fn read(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        let (offset, size) = place(&file)?;
        let mut bytes = vec![0; size.min(SEARCHED_BYTES)];
        let count = file.read_at(&mut bytes, offset).ok()?;
        bytes.truncate(count);
        let at = (0..bytes.len()).step_by(ALIGNMENT).find(|&at| bytes[at..].starts_with(MAGIC))?;
        let header = bytes.get(at..at + HEADER_BYTES)?;
        if header[MAGIC.len() + 1] & INLINE == 0 {
            return Some(Self::default());
        }
        // The strings may be longer than what was searched.
        let mut text = vec![0; LARGEST_TEXT.min(size.saturating_sub(at + HEADER_BYTES))];
        let count = file.read_at(&mut text, offset + (at + HEADER_BYTES) as u64).ok()?;
        text.truncate(count);
        let (version, rest) = string(&text)?;
        let (modules, _) = string(rest).unwrap_or((&[], &[]));
        let modules = modules.get(FRAME..modules.len().saturating_sub(FRAME)).unwrap_or_default();
        Some(Self::parse(&String::from_utf8_lossy(version), &String::from_utf8_lossy(modules)))
    }

    fn parse(version: &str, modules: &str) -> Self {
        let mut info = Self { version: version.to_owned(), ..Self::default() };
        for line in modules.lines() {
            let mut fields = line.split('\t');
            match (fields.next(), fields.next()) {
                (Some("path"), Some(path)) => info.package = Some(path.to_owned()),
                (Some("mod"), Some(path)) => info.module = Some(path.to_owned()),
                (Some("build"), Some(setting)) => {
                    let (name, value) = setting.split_once('=').unwrap_or((setting, ""));
                    info.settings.push((name.to_owned(), value.to_owned()));
                }
                _ => {}
            }
        }
        info
    }

    /// Whether this is a part of the Go installation: `go` itself, the compiler, `vet`. They are never what is meant.
    pub fn is_toolchain(&self) -> bool {
        let own = |path: &String| path.starts_with("cmd/") && !path.ends_with(".test");
        self.package.as_ref().is_some_and(own) && self.module.as_ref().is_none_or(|module| module == "cmd")
    }

    /// Whether this is what `go test` builds.
    pub fn is_test(&self) -> bool {
        self.package.as_ref().is_some_and(|package| package.ends_with(".test"))
    }
}

/// A string with its length before it, as Go's `binary.PutUvarint` writes it; and what comes behind.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length = 0_usize;
    for (index, byte) in bytes.iter().enumerate().take(9) {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let rest = &bytes[index + 1..];
            return (length <= rest.len()).then(|| rest.split_at(length));
        }
    }
    None
}

/// Where the marker may lie: its own section, or the first writable segment.
fn place(file: &File) -> Option<(u64, usize)> {
    let mut head = [0; 64];
    file.read_exact_at(&mut head, 0).ok()?;
    // 64-bit and little-endian: x86-64, arm64, riscv64.
    if !head.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let (sections, segments) = (u64_at(&head, 40)?, u64_at(&head, 32)?);
    let count = |at| u16_at(&head, at).map(usize::from);
    let table = read_table(file, sections, count(58)?, count(60)?);
    let names = table.as_ref().and_then(|table| table.get(count(62).unwrap_or(0)).cloned());
    if let (Some(table), Some(names)) = (table, names) {
        let start = u64_at(&names, 24)?;
        for section in &table {
            let mut name = [0; 15];
            let at = start.checked_add(u64::from(u32_at(section, 0)?))?;
            if file.read_exact_at(&mut name, at).is_ok() && &name == b".go.buildinfo\0\0"
                || &name[..14] == b".go.buildinfo\0"
            {
                return Some((u64_at(section, 24)?, usize::try_from(u64_at(section, 32)?).ok()?));
            }
        }
    }
    let segments = read_table(file, segments, count(54)?, count(56)?)?;
    let writable = segments.iter().find(|segment| {
        let flags = u32_at(segment, 4).unwrap_or(0);
        u32_at(segment, 0) == Some(SEGMENT_LOAD) && flags & (FLAG_WRITE | FLAG_EXECUTE) == FLAG_WRITE
    })?;
    Some((u64_at(writable, 8)?, usize::try_from(u64_at(writable, 32)?).ok()?))
}

fn read_table(file: &File, offset: u64, size: usize, count: usize) -> Option<Vec<Vec<u8>>> {
    if size < 40 || count == 0 || offset == 0 {
        return None;
    }
    let mut bytes = vec![0; size * count];
    file.read_exact_at(&mut bytes, offset).ok()?;
    Some(bytes.chunks_exact(size).map(<[u8]>::to_vec).collect())
}

fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes_at(bytes, at).map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes_at(bytes, at).map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes_at(bytes, at).map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An executable without section headers whose writable segment holds the build information.
    fn executable(version: &str, modules: &str) -> Vec<u8> {
        let mut file = vec![0; 64 + 56];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[32..40].copy_from_slice(&64_u64.to_le_bytes());
        file[54..56].copy_from_slice(&56_u16.to_le_bytes());
        file[56..58].copy_from_slice(&1_u16.to_le_bytes());
        let mut data = vec![0; 32];
        data.extend_from_slice(MAGIC);
        data.extend_from_slice(&[8, INLINE]);
        data.resize(64, 0);
        data.push(version.len() as u8);
        data.extend_from_slice(version.as_bytes());
        let framed = format!("{0}{modules}{0}", "x".repeat(FRAME));
        data.extend_from_slice(&[(framed.len() & 0x7f) as u8 | 0x80, (framed.len() >> 7) as u8]);
        data.extend_from_slice(framed.as_bytes());
        file[64..68].copy_from_slice(&SEGMENT_LOAD.to_le_bytes());
        file[68..72].copy_from_slice(&6_u32.to_le_bytes());
        file[72..80].copy_from_slice(&128_u64.to_le_bytes());
        file[96..104].copy_from_slice(&(data.len() as u64).to_le_bytes());
        file.resize(128, 0);
        file.extend_from_slice(&data);
        file
    }

    #[test]
    fn reads_a_stripped_program_and_survives_every_cut() {
        let modules = "path\texample.com/app/cmd/server\nmod\texample.com/app\t(devel)\t\nbuild\t-trimpath=true\n";
        let whole = executable("go1.26.8", modules);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server");
        std::fs::write(&path, &whole).unwrap();
        let info = BuildInfo::read(&path).unwrap();
        assert_eq!((info.version.as_str(), info.package.as_deref()), ("go1.26.8", Some("example.com/app/cmd/server")));
        assert_eq!(info.settings, [("-trimpath".to_owned(), "true".to_owned())]);
        assert!(!info.is_toolchain() && !info.is_test());
        for length in 0..whole.len() {
            std::fs::write(&path, &whole[..length]).unwrap();
            BuildInfo::read(&path);
        }
        std::fs::write(&path, b"#!/bin/sh\n").unwrap();
        assert_eq!(BuildInfo::read(&path), None);
        assert_eq!(BuildInfo::read(Path::new("/proc/self/exe")), None);
    }

    #[test]
    fn tells_the_installation_from_programs() {
        assert!(BuildInfo::parse("go1.26.8", "path\tcmd/go\n").is_toolchain());
        assert!(!BuildInfo::parse("go1.26.8", "path\tcmd/x\nmod\texample.com/x\n").is_toolchain());
        assert!(BuildInfo::parse("go1.26.8", "path\texample.com/x.test\n").is_test());
    }
}
