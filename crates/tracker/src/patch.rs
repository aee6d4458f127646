//! Replaces allocation functions in a process that runs already: the address tables (GOT) of every loaded object.
//!
//! An object calls a function of another one through a word that the loader filled in. Where that word is about a
//! function that this library interposes, it is made to point here. Which functions those are is read from this library's own
//! symbols, so there is no second list. What was loaded before is patched at start, later objects by
//! [`crate::embed::brimline_patch`] and by the ticker.

use core::ffi::{CStr, c_char, c_int, c_void};
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::lock::Lock;

const DT_NULL: i64 = 0;
const DT_PLTRELSZ: i64 = 2;
const DT_STRTAB: i64 = 5;
const DT_SYMTAB: i64 = 6;
const DT_RELA: i64 = 7;
const DT_RELASZ: i64 = 8;
const DT_JMPREL: i64 = 23;
const DT_GNU_HASH: i64 = 0x6fff_fef5;
/// `R_X86_64_64`, `R_X86_64_GLOB_DAT`, `R_X86_64_JUMP_SLOT`.
const KINDS: [u64; 3] = [1, 6, 7];

#[repr(C)]
struct Dynamic {
    tag: i64,
    value: u64,
}

/// Parts of an object that the loader works with.
#[derive(Clone, Copy)]
struct Object {
    base: usize,
    symbols: *const libc::Elf64_Sym,
    strings: *const c_char,
    /// The table that names are looked up by; the only one that says how many symbols there are.
    hash: *const u32,
    /// Start and number of `Elf64_Rela` rows.
    relocations: [(*const libc::Elf64_Rela, usize); 2],
}

/// Functions of this library that replace others: name and address.
const MOST_FUNCTIONS: usize = 96;

struct Functions {
    count: usize,
    names: [&'static CStr; MOST_FUNCTIONS],
    addresses: [usize; MOST_FUNCTIONS],
}

// SAFETY: names lie in this library, which is never unloaded.
unsafe impl Send for Functions {}

static FUNCTIONS: Lock<Functions> =
    Lock::new(Functions { count: 0, names: [c""; MOST_FUNCTIONS], addresses: [0; MOST_FUNCTIONS] });
/// How many objects had been loaded when all were patched last.
static SEEN: AtomicUsize = AtomicUsize::new(0);

/// Patches every object that is loaded; calling it again is cheap where none was added.
pub(crate) fn patch_all() {
    // SAFETY: the callback follows the loader's own tables, under the loader's lock.
    unsafe {
        let mut added = 0_usize;
        libc::dl_iterate_phdr(Some(count_added), (&raw mut added).cast());
        if SEEN.swap(added, Ordering::Relaxed) == added {
            return;
        }
        FUNCTIONS.with(|functions| {
            if functions.count == 0 {
                libc::dl_iterate_phdr(Some(find_own), ptr_of(functions));
            }
            libc::dl_iterate_phdr(Some(patch), ptr_of(functions));
        });
    }
}

fn ptr_of(functions: &mut Functions) -> *mut c_void {
    (&raw mut *functions).cast()
}

unsafe extern "C" fn count_added(info: *mut libc::dl_phdr_info, _: usize, to: *mut c_void) -> c_int {
    to.cast::<usize>().write((*info).dlpi_adds as usize);
    1
}

unsafe fn headers(info: &libc::dl_phdr_info) -> &[libc::Elf64_Phdr] {
    core::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum))
}

fn contains(info: &libc::dl_phdr_info, address: usize) -> bool {
    // SAFETY: the loader's own table.
    unsafe { headers(info) }.iter().any(|header| {
        let start = info.dlpi_addr as usize + header.p_vaddr as usize;
        header.p_type == libc::PT_LOAD && (start..start + header.p_memsz as usize).contains(&address)
    })
}

unsafe fn object(info: &libc::dl_phdr_info) -> Option<Object> {
    let header = headers(info).iter().find(|header| header.p_type == libc::PT_DYNAMIC)?;
    let base = info.dlpi_addr as usize;
    let mut entry = (base + header.p_vaddr as usize) as *const Dynamic;
    let mut object = Object {
        base,
        symbols: core::ptr::null(),
        strings: core::ptr::null(),
        hash: core::ptr::null(),
        relocations: [(core::ptr::null(), 0); 2],
    };
    // The C library's loader has made these addresses absolute, but in objects it did not relocate (the vDSO).
    let absolute = |value: u64| if (value as usize) < base { base + value as usize } else { value as usize };
    let row = size_of::<libc::Elf64_Rela>();
    while (*entry).tag != DT_NULL {
        let value = (*entry).value;
        match (*entry).tag {
            DT_SYMTAB => object.symbols = absolute(value) as *const _,
            DT_STRTAB => object.strings = absolute(value) as *const _,
            DT_GNU_HASH => object.hash = absolute(value) as *const _,
            DT_RELA => object.relocations[0].0 = absolute(value) as *const _,
            DT_RELASZ => object.relocations[0].1 = value as usize / row,
            DT_JMPREL => object.relocations[1].0 = absolute(value) as *const _,
            DT_PLTRELSZ => object.relocations[1].1 = value as usize / row,
            _ => {}
        }
        entry = entry.add(1);
    }
    (!object.symbols.is_null() && !object.strings.is_null()).then_some(object)
}

impl Object {
    /// Number of symbols, from the GNU hash table: the last one of the last chain.
    unsafe fn symbol_count(&self) -> usize {
        if self.hash.is_null() {
            return 0;
        }
        let [buckets, first, bloom] = [0, 1, 2].map(|word| *self.hash.add(word) as usize);
        let bucket = self.hash.add(4 + bloom * 2);
        let chain = bucket.add(buckets);
        let last = (0..buckets).map(|index| *bucket.add(index) as usize).max().unwrap_or(0);
        if last < first {
            return first;
        }
        let mut at = last;
        while *chain.add(at - first) & 1 == 0 {
            at += 1;
        }
        at + 1
    }
}

/// Whether `address`, found as that of `name`, is only a stub in the executable: a program that is not
/// position-independent has addresses of its own for functions of its libraries, and they lead through the words that are
/// patched here.
pub(crate) fn is_stub(name: &CStr, address: *mut c_void) -> bool {
    let mut question = Question { name, address: address as usize, is_stub: false };
    // SAFETY: the callback follows the loader's own tables; the executable comes first.
    unsafe { libc::dl_iterate_phdr(Some(ask_executable), (&raw mut question).cast()) };
    question.is_stub
}

struct Question<'a> {
    name: &'a CStr,
    address: usize,
    is_stub: bool,
}

unsafe extern "C" fn ask_executable(info: *mut libc::dl_phdr_info, _: usize, question: *mut c_void) -> c_int {
    let (info, question) = (&*info, &mut *question.cast::<Question<'_>>());
    if contains(info, question.address)
        && let Some(object) = object(info)
    {
        // The hash table lists what an object defines, behind what it only uses.
        let first = if object.hash.is_null() { 0 } else { *object.hash.add(1) as usize };
        question.is_stub = !(first..object.symbol_count()).any(|index| {
            let symbol = &*object.symbols.add(index);
            symbol.st_shndx != 0 && CStr::from_ptr(object.strings.add(symbol.st_name as usize)) == question.name
        });
    }
    1
}

/// Lists what this library interposes: its own exported functions that another library has as well.
unsafe extern "C" fn find_own(info: *mut libc::dl_phdr_info, _: usize, functions: *mut c_void) -> c_int {
    let (info, functions) = (&*info, &mut *functions.cast::<Functions>());
    if !contains(info, find_own as *const () as usize) {
        return 0;
    }
    let Some(object) = object(info) else { return 1 };
    for index in 1..object.symbol_count() {
        let symbol = &*object.symbols.add(index);
        let is_function = symbol.st_info & 0xf == 2 && symbol.st_shndx != 0;
        if !is_function || functions.count >= MOST_FUNCTIONS {
            continue;
        }
        let name = CStr::from_ptr(object.strings.add(symbol.st_name as usize));
        if !name.to_bytes().starts_with(b"brimline_") && !name.to_bytes().starts_with(b"rust_") {
            functions.names[functions.count] = name;
            functions.addresses[functions.count] = object.base + symbol.st_value as usize;
            functions.count += 1;
        }
    }
    1
}

unsafe extern "C" fn patch(info: *mut libc::dl_phdr_info, _: usize, functions: *mut c_void) -> c_int {
    let (info, functions) = (&*info, &*functions.cast::<Functions>());
    let is_own = contains(info, patch as *const () as usize);
    let name = if info.dlpi_name.is_null() { c"" } else { CStr::from_ptr(info.dlpi_name) };
    // The loader's own calls are made before and after there is anybody to count.
    let is_loader = [&b"/ld-linux"[..], b"linux-vdso"]
        .iter()
        .any(|part| name.to_bytes().windows(part.len()).any(|found| found == *part));
    if is_own || is_loader {
        return 0;
    }
    let Some(object) = object(info) else { return 0 };
    let read_only = headers(info).iter().find(|header| header.p_type == libc::PT_GNU_RELRO).map(|header| {
        let start = object.base + header.p_vaddr as usize;
        start..start + header.p_memsz as usize
    });
    for (rows, count) in object.relocations {
        if rows.is_null() {
            continue;
        }
        for index in 0..count {
            let row = &*rows.add(index);
            let symbol = row.r_info >> 32;
            if symbol == 0 || !KINDS.contains(&(row.r_info & 0xffff_ffff)) {
                continue;
            }
            let name = CStr::from_ptr(object.strings.add((*object.symbols.add(symbol as usize)).st_name as usize));
            let found = functions.names[..functions.count].iter().position(|known| *known == name);
            if let Some(found) = found {
                replace(object.base + row.r_offset as usize, functions.addresses[found], read_only.as_ref());
            }
        }
    }
    0
}

/// Writes one word; pages that the loader made read-only become so again.
unsafe fn replace(slot: usize, address: usize, read_only: Option<&core::ops::Range<usize>>) {
    const PAGE: usize = 4096;
    let word = &*(slot as *const AtomicUsize);
    if word.load(Ordering::Relaxed) == address {
        return;
    }
    // The loader protects whole pages only.
    let is_protected = read_only.is_some_and(|range| range.start <= slot && slot < range.end & !(PAGE - 1));
    let page = (slot & !(PAGE - 1)) as *mut c_void;
    if is_protected && libc::syscall(libc::SYS_mprotect, page, PAGE, libc::PROT_READ | libc::PROT_WRITE) != 0 {
        return;
    }
    word.store(address, Ordering::Release);
    if is_protected {
        libc::syscall(libc::SYS_mprotect, page, PAGE, libc::PROT_READ);
    }
}
