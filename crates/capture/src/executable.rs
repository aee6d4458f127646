//! Whether the tracker can be loaded into a program, told from the head of its file.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::launch::find;

/// The program headers and the interpreter's path lie in the first pages of every executable that linkers make.
const HEAD_BYTES: u64 = 16 << 10;
const CLASS_64: u8 = 2;
const MACHINE_X86_64: u16 = 62;
const SEGMENT_INTERPRETER: u32 = 3;

/// Why a program cannot take the tracker: its loader would refuse a library of the GNU C library, or complain about
/// it. `None` if nothing speaks against it, and for whatever cannot be read: then starting it tells.
pub(crate) fn refuses_tracker(program: &OsStr) -> Option<String> {
    let mut path = find(program)?;
    let mut head = read_head(&path)?;
    // A script's interpreter, which may itself be one (the kernel follows four).
    for _ in 0..4 {
        let Some(interpreter) = script_interpreter(&head) else { break };
        path = interpreter;
        head = read_head(&path)?;
    }
    if !head.starts_with(b"\x7fELF") {
        return None;
    }
    let path = path.display();
    if *head.get(4)? != CLASS_64 || u16_at(&head, 18)? != MACHINE_X86_64 {
        return Some(format!("expected a 64-bit x86 program, found `{path}` of another kind"));
    }
    let loader = String::from_utf8_lossy(elf_interpreter(&head)?).into_owned();
    loader.contains("musl").then(|| {
        format!(
            "expected a program of the GNU C library, found `{path}`, which uses musl (`{}`)",
            loader.trim_end_matches('\0')
        )
    })
}

fn read_head(path: &Path) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path).ok()?.take(HEAD_BYTES).read_to_end(&mut head).ok()?;
    Some(head)
}

/// `#!/usr/bin/env python3` names `python3`, `#!/opt/python -I` names `/opt/python`.
fn script_interpreter(head: &[u8]) -> Option<PathBuf> {
    let line = head.strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let first = words.next()?;
    if first.rsplit(|&byte| byte == b'/').next() == Some(b"env") {
        return find(OsStr::from_bytes(words.find(|word| !word.starts_with(b"-"))?));
    }
    Some(PathBuf::from(OsStr::from_bytes(first)))
}

/// Contents of the `PT_INTERP` segment; `None` for statically linked programs.
fn elf_interpreter(head: &[u8]) -> Option<&[u8]> {
    let table = usize::try_from(u64_at(head, 32)?).ok()?;
    let (size, count) = (usize::from(u16_at(head, 54)?), usize::from(u16_at(head, 56)?));
    (0..count).find_map(|index| {
        let at = table.checked_add(index.checked_mul(size)?)?;
        if u32_at(head, at)? != SEGMENT_INTERPRETER {
            return None;
        }
        let offset = usize::try_from(u64_at(head, at.checked_add(8)?)?).ok()?;
        let length = usize::try_from(u64_at(head, at.checked_add(32)?)?).ok()?;
        head.get(offset..offset.checked_add(length)?)
    })
}

fn bytes_at<const N: usize>(head: &[u8], at: usize) -> Option<[u8; N]> {
    head.get(at..at.checked_add(N)?)?.try_into().ok()
}

fn u16_at(head: &[u8], at: usize) -> Option<u16> {
    bytes_at(head, at).map(u16::from_le_bytes)
}

fn u32_at(head: &[u8], at: usize) -> Option<u32> {
    bytes_at(head, at).map(u32::from_le_bytes)
}

fn u64_at(head: &[u8], at: usize) -> Option<u64> {
    bytes_at(head, at).map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The smallest ELF head with a loader.
    fn elf(class: u8, loader: &[u8]) -> Vec<u8> {
        let mut head = vec![0; 120];
        head[..4].copy_from_slice(b"\x7fELF");
        head[4] = class;
        head[18..20].copy_from_slice(&MACHINE_X86_64.to_le_bytes());
        head[32..40].copy_from_slice(&64_u64.to_le_bytes());
        head[54..56].copy_from_slice(&56_u16.to_le_bytes());
        head[56..58].copy_from_slice(&1_u16.to_le_bytes());
        head[64..68].copy_from_slice(&SEGMENT_INTERPRETER.to_le_bytes());
        head[72..80].copy_from_slice(&120_u64.to_le_bytes());
        head[96..104].copy_from_slice(&(loader.len() as u64).to_le_bytes());
        head.extend_from_slice(loader);
        head
    }

    #[test]
    fn refuses_programs_whose_loader_would() {
        let folder = tempfile::tempdir().unwrap();
        let verdict = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            refuses_tracker(path.as_os_str())
        };
        assert_eq!(verdict("glibc", &elf(CLASS_64, b"/lib64/ld-linux-x86-64.so.2\0")), None);
        assert!(verdict("musl", &elf(CLASS_64, b"/lib/ld-musl-x86_64.so.1\0")).unwrap().contains("musl"));
        assert!(verdict("small", &elf(1, b"")).unwrap().contains("64-bit"));
        let script = format!("#!{}\nprint()\n", folder.path().join("musl").display());
        assert!(verdict("script", script.as_bytes()).unwrap().contains("musl"));
        assert_eq!(verdict("text", b"hello"), None);
        for length in 0..140 {
            let mut cut = elf(CLASS_64, b"/lib/ld-musl-x86_64.so.1\0");
            cut.truncate(length);
            verdict("cut", &cut);
        }
    }

    #[test]
    fn finds_the_interpreter_of_a_script() {
        assert_eq!(script_interpreter(b"#! /opt/python -I\nx"), Some(PathBuf::from("/opt/python")));
        assert!(script_interpreter(b"#!/usr/bin/env -S sh -e\n").unwrap().ends_with("sh"));
        assert_eq!(script_interpreter(b"plain"), None);
    }
}
