//! The objects that frames lie in, as rows of the recording.

use core::ffi::{CStr, c_char};
use core::ptr;

use brimline_recording::layout::{BUILD_ID_BYTES, Module, NATIVE_CODE, Span, Table};

use super::frames::Trust;
use super::object::{self, Object};
use crate::array::Array;
use crate::lock::Lock;
use crate::map::mix;
use crate::recording;

/// An object that has a row.
#[derive(Clone, Copy)]
struct Known {
    start: usize,
    end: usize,
    bias: usize,
    /// Hash of name and build id.
    content: u64,
    row: u32,
}

static MODULES: Lock<Array<Known>> = Lock::new(Array::new());

/// What a recording calls an address.
#[derive(Clone, Copy)]
pub(super) struct Name {
    /// A node's code.
    pub(super) code: u32,
    /// A node's instruction.
    pub(super) relative: u32,
    /// Another object lay here before: what is remembered about its addresses is worth nothing.
    pub(super) is_replaced: bool,
}

/// Code that belongs to no object.
const NOWHERE: Name = Name { code: NATIVE_CODE, relative: 0, is_replaced: false };

/// The name of an address; `None` when the tables are full.
pub(super) fn name(address: usize, trust: Trust) -> Option<Name> {
    let mut facts = Facts::EMPTY;
    let fill = |object: &Object| facts.fill(object);
    let found = match trust {
        Trust::Certain => object::with_running(address, fill),
        Trust::Guessed => object::with_any(address, fill),
    };
    if found.is_none() {
        return Some(NOWHERE);
    }
    let (row, is_replaced) = row(&facts)?;
    let relative = u32::try_from(address.wrapping_sub(facts.bias)).ok()?;
    Some(Name { code: NATIVE_CODE | row, relative, is_replaced })
}

fn row(facts: &Facts) -> Option<(u32, bool)> {
    let content = facts.content();
    let is_same = |known: &Known| {
        (known.start, known.end, known.bias) == (facts.start, facts.end, facts.bias) && known.content == content
    };
    let known = MODULES.with(|modules| modules.as_slice().iter().find(|known| is_same(known)).copied());
    if let Some(known) = known {
        return Some((known.row, false));
    }
    let (file_bytes, file_modified_ns) = facts.file();
    MODULES.with(|modules| {
        if let Some(known) = modules.as_slice().iter().find(|known| is_same(known)) {
            return Some((known.row, false));
        }
        let mut is_replaced = false;
        while let Some(at) =
            modules.as_slice().iter().position(|known| known.start < facts.end && facts.start < known.end)
        {
            modules.remove(at);
            is_replaced = true;
        }
        let path = keep(facts.path())?;
        let row = recording::take(Table::Modules, 1)?;
        let module = Module {
            path,
            bias: facts.bias as u64,
            start: facts.start as u64,
            end: facts.end as u64,
            file_bytes,
            file_modified_ns,
            build_id_bytes: facts.build_id_bytes as u32,
            reserved: 0,
            build_id: facts.build_id,
            unused: [0; 40],
        };
        // SAFETY: the row was just taken.
        unsafe { recording::module(row).write(module) };
        let Facts { start, end, bias, .. } = *facts;
        modules.push(Known { start, end, bias, content, row }).then_some((row, is_replaced))
    })
}

fn keep(path: &[u8]) -> Option<Span> {
    let offset = recording::take(Table::Text, path.len().max(1))?;
    // SAFETY: that many bytes were just taken.
    unsafe { ptr::copy_nonoverlapping(path.as_ptr(), recording::text(offset), path.len()) };
    Some(Span { offset, bytes: path.len() as u32 })
}

/// Longest path kept.
const PATH_BYTES: usize = 1024;

/// An object's facts, copied while it is certain to be there.
struct Facts {
    start: usize,
    end: usize,
    bias: usize,
    path: [u8; PATH_BYTES],
    path_bytes: usize,
    build_id: [u8; BUILD_ID_BYTES],
    build_id_bytes: usize,
}

impl Facts {
    const EMPTY: Self = Self {
        start: 0,
        end: 0,
        bias: 0,
        path: [0; PATH_BYTES],
        path_bytes: 0,
        build_id: [0; BUILD_ID_BYTES],
        build_id_bytes: 0,
    };

    fn path(&self) -> &[u8] {
        &self.path[..self.path_bytes]
    }

    fn content(&self) -> u64 {
        let build_id = &self.build_id[..self.build_id_bytes];
        let hash = self.path().iter().chain(build_id);
        mix(hash
            .fold(0xCBF2_9CE4_8422_2325, |hash: u64, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)))
    }

    fn fill(&mut self, object: &Object) {
        (self.start, self.end, self.bias) = (object.start, object.end, object.bias);
        // SAFETY: the object is loaded while this runs: its name is a C string, its headers are mapped.
        unsafe {
            self.fill_path(object.name);
            self.fill_build_id(object);
        }
    }

    unsafe fn fill_path(&mut self, name: *const c_char) {
        let name = if name.is_null() { &[][..] } else { CStr::from_ptr(name).to_bytes() };
        if name.is_empty() {
            let room = (self.path.as_mut_ptr(), self.path.len() as i64);
            let length = libc::syscall(libc::SYS_readlink, c"/proc/self/exe".as_ptr(), room.0, room.1);
            self.path_bytes = usize::try_from(length).unwrap_or(0);
            return;
        }
        // A library loaded by a relative path; one without a slash is no file (the kernel's).
        if name[0] != b'/' && name.contains(&b'/') {
            let length = libc::syscall(libc::SYS_getcwd, self.path.as_mut_ptr(), self.path.len());
            // The kernel counts the NUL, which becomes the slash.
            if let Ok(length @ 2..) = usize::try_from(length) {
                self.path[length - 1] = b'/';
                self.path_bytes = length;
            }
        }
        let rest = &mut self.path[self.path_bytes..];
        let length = name.len().min(rest.len());
        rest[..length].copy_from_slice(&name[..length]);
        self.path_bytes += length;
    }

    /// The note that `ld --build-id` writes.
    unsafe fn fill_build_id(&mut self, object: &Object) {
        let header = &*(object.start as *const libc::Elf64_Ehdr);
        if header.e_ident[..4] != [0x7F, b'E', b'L', b'F'] {
            return;
        }
        let segments = object.start + header.e_phoff as usize;
        let count = usize::from(header.e_phnum);
        if segments + count * size_of::<libc::Elf64_Phdr>() > object.end {
            return;
        }
        for index in 0..count {
            let segment = (segments as *const libc::Elf64_Phdr).add(index).read_unaligned();
            let at = object.bias.wrapping_add(segment.p_vaddr as usize);
            let end = at.wrapping_add(segment.p_memsz as usize);
            if segment.p_type == libc::PT_NOTE && at >= object.start && end <= object.end && at < end {
                self.read_notes(at, end);
            }
        }
    }

    unsafe fn read_notes(&mut self, mut at: usize, end: usize) {
        /// `NT_GNU_BUILD_ID`.
        const BUILD_ID: u32 = 3;
        while at + 12 <= end {
            let [name_bytes, bytes, kind] = (at as *const [u32; 3]).read_unaligned();
            let name = at + 12;
            let content = name + (name_bytes as usize).next_multiple_of(4);
            let next = content + (bytes as usize).next_multiple_of(4);
            if next > end {
                return;
            }
            if kind == BUILD_ID && name_bytes == 4 && (name as *const [u8; 4]).read() == *b"GNU\0" {
                self.build_id_bytes = (bytes as usize).min(BUILD_ID_BYTES);
                ptr::copy_nonoverlapping(content as *const u8, self.build_id.as_mut_ptr(), self.build_id_bytes);
                return;
            }
            at = next;
        }
    }

    /// Size and time of the file, where there is no build id to know it by; zeros otherwise.
    fn file(&self) -> (u64, u64) {
        if self.build_id_bytes > 0 || self.path_bytes >= PATH_BYTES {
            return (0, 0);
        }
        // SAFETY: the path is NUL-terminated, since it is shorter than its room.
        unsafe {
            let mut status: libc::stat = core::mem::zeroed();
            if libc::syscall(libc::SYS_stat, self.path.as_ptr(), &raw mut status) != 0 {
                return (0, 0);
            }
            (status.st_size as u64, status.st_mtime as u64 * 1_000_000_000 + status.st_mtime_nsec as u64)
        }
    }
}

/// For `fork`.
pub(crate) fn lock_for_fork() {
    MODULES.acquire();
}

/// After `fork`, in both processes.
pub(crate) fn unlock_after_fork() {
    MODULES.release();
}

/// Forgets all rows, for a new recording.
pub(crate) fn clear() {
    MODULES.with(Array::free);
}
