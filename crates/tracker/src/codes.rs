//! Code objects: each gets a row with its names and line table the first time it stands in a stack.
//!
//! Rows are keyed by content: functions that a program makes again and again (`exec`, templates, closures) share one.
//! A code object that dies is forgotten by address, because the next one may be made there.

use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

use brimline_recording::layout::{CODE_HAS_LINES, Code, Span, Table};

use crate::lock::Lock;
use crate::map::{Map, mix};
use crate::offsets::{self, Offsets};
use crate::recording;

/// Longest name or path kept, in bytes of UTF-8.
const LONGEST_TEXT: usize = 4096;
/// Longest line table kept; code beyond it has lines unknown.
const LONGEST_LINE_TABLE: usize = 1 << 20;

struct Codes {
    by_address: Map<u64, u32>,
    by_content: Map<u64, u32>,
    texts: Map<u64, Span>,
}

static CODES: Lock<Codes> = Lock::new(Codes { by_address: Map::new(), by_content: Map::new(), texts: Map::new() });

/// Changes whenever a known code object has died: what a thread remembers by address is then worth nothing.
static EPOCH: AtomicU32 = AtomicU32::new(1);

type Dealloc = unsafe extern "C" fn(*mut u8);
static ORIGINAL_DEALLOC: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());

/// The present epoch.
#[inline]
pub(crate) fn epoch() -> u32 {
    EPOCH.load(Ordering::Relaxed)
}

/// Row of the code object at `address` if it has one.
pub(crate) fn known(address: usize) -> Option<u32> {
    CODES.with(|codes| codes.by_address.get(address as u64))
}

/// Row of the code object at `address`; `None` when the tables are full.
///
/// # Safety
/// `address` is a live `PyCodeObject` of the present layout.
pub(crate) unsafe fn intern(address: usize) -> Option<u32> {
    CODES.with(|codes| {
        if let Some(row) = codes.by_address.get(address as u64) {
            return Some(row);
        }
        let (at, code) = (offsets::current(), address as *const u8);
        let name = text_of(at, read(code, at.code_name));
        let file = text_of(at, read(code, at.code_file));
        let first_line = code.add(at.code_first_line).cast::<u32>().read();
        codes.add(address, name, file, first_line, Some(bytes_of(at, read(code, at.code_line_table))))
    })
}

/// Row of the code object at `address` that has these names; the nodes that name it hold lines, not instructions.
pub(crate) fn intern_named(address: usize, name: &[u8], file: &[u8], first_line: u32) -> Option<u32> {
    let text = |bytes: &[u8]| Text { data: bytes.as_ptr(), length: bytes.len(), width: UTF8 };
    CODES.with(|codes| codes.add(address, text(name), text(file), first_line, None))
}

impl Codes {
    fn add(
        &mut self,
        address: usize,
        name: Text,
        file: Text,
        first_line: u32,
        line_table: Option<&[u8]>,
    ) -> Option<u32> {
        let lines = hash_bytes(line_table.unwrap_or_default());
        let content = [hash_text(name), hash_text(file), lines, u64::from(first_line) | 1 << 40]
            .into_iter()
            .fold(0, |hash: u64, part| mix(hash.rotate_left(7) ^ part))
            | 1;
        let row = match self.by_content.get(content) {
            Some(row) => row,
            None => {
                let row = recording::take(Table::Codes, 1)?;
                let name = keep_text(self, name);
                let file = keep_text(self, file);
                let flags = if line_table.is_some() { 0 } else { CODE_HAS_LINES };
                let line_table = line_table.map_or(Span::default(), |table| keep_bytes(self, table));
                // SAFETY: the row was just taken.
                unsafe { recording::code(row).write(Code { name, file, line_table, first_line, flags }) };
                crate::lines::consider(row, recording::text_of(name), recording::text_of(file));
                self.by_content.insert(content, row, (0, 0));
                row
            }
        };
        self.by_address.insert(address as u64, row, (0, 0));
        Some(row)
    }
}

unsafe fn read(object: *const u8, offset: usize) -> *const u8 {
    object.add(offset).cast::<*const u8>().read()
}

/// [`Text::width`] of text that is UTF-8 already.
const UTF8: usize = 0;

/// A Python string where it lies: its characters and their width in bytes.
#[derive(Clone, Copy)]
struct Text {
    data: *const u8,
    length: usize,
    width: usize,
}

impl Text {
    const EMPTY: Self = Self { data: ptr::null(), length: 0, width: 1 };

    fn characters(self) -> impl Iterator<Item = char> {
        (0..self.length).map(move |index| {
            // SAFETY: the string has `length` characters of `width` bytes at `data`.
            let value = unsafe {
                match self.width {
                    1 => u32::from(self.data.add(index).read()),
                    2 => u32::from(self.data.cast::<u16>().add(index).read()),
                    _ => self.data.cast::<u32>().add(index).read(),
                }
            };
            char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER)
        })
    }

    /// Its UTF-8, cut after `LONGEST_TEXT` bytes.
    fn utf8(self, mut put: impl FnMut(&[u8])) {
        if self.width == UTF8 {
            // SAFETY: that many bytes lie there.
            return put(unsafe { core::slice::from_raw_parts(self.data, self.length.min(LONGEST_TEXT)) });
        }
        let mut length = 0;
        for character in self.characters() {
            let mut buffer = [0; 4];
            let bytes = character.encode_utf8(&mut buffer).as_bytes();
            length += bytes.len();
            if length > LONGEST_TEXT {
                break;
            }
            put(bytes);
        }
    }
}

unsafe fn text_of(at: &Offsets, object: *const u8) -> Text {
    if object.is_null() {
        return Text::EMPTY;
    }
    let state = object.add(at.text_state).cast::<u32>().read() >> at.text_kind_shift;
    let (kind, compact, ascii) = (state & 7, state >> 3 & 1 == 1, state >> 4 & 1 == 1);
    if !compact || !matches!(kind, 1 | 2 | 4) {
        return Text::EMPTY;
    }
    let data = object.add(if ascii { at.ascii_data } else { at.compact_data });
    let length = object.add(at.text_length).cast::<usize>().read();
    Text { data, length, width: kind as usize }
}

unsafe fn bytes_of<'a>(at: &Offsets, object: *const u8) -> &'a [u8] {
    if object.is_null() {
        return &[];
    }
    let length = object.add(at.object_size).cast::<usize>().read();
    if length > LONGEST_LINE_TABLE {
        return &[];
    }
    core::slice::from_raw_parts(object.add(at.bytes_data), length)
}

fn hash_bytes(bytes: &[u8]) -> u64 {
    let mut hash = bytes.len() as u64 ^ 0x9e37_79b9_7f4a_7c15;
    for part in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..part.len()].copy_from_slice(part);
        hash = mix(hash.rotate_left(9) ^ u64::from_le_bytes(word));
    }
    hash
}

fn hash_text(text: Text) -> u64 {
    let mut hash = 0x51_7cc1_b727_220a;
    text.utf8(|bytes| {
        for &byte in bytes {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    });
    mix(hash)
}

fn keep_text(codes: &mut Codes, text: Text) -> Span {
    let key = hash_text(text) | 1;
    if let Some(span) = codes.texts.get(key) {
        return span;
    }
    let mut length = 0;
    text.utf8(|bytes| length += bytes.len());
    let Some(offset) = recording::take(Table::Text, length.max(1)) else { return Span::default() };
    let mut at = offset;
    text.utf8(|bytes| {
        // SAFETY: `length` bytes were taken for exactly these.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), recording::text(at), bytes.len()) };
        at += bytes.len() as u32;
    });
    let span = Span { offset, bytes: length as u32 };
    codes.texts.insert(key, span, (0, Span::default()));
    span
}

fn keep_bytes(codes: &mut Codes, bytes: &[u8]) -> Span {
    let key = hash_bytes(bytes) & !1 | 1 << 63;
    if let Some(span) = codes.texts.get(key) {
        return span;
    }
    let Some(offset) = recording::take(Table::Text, bytes.len().max(1)) else { return Span::default() };
    // SAFETY: that many bytes were just taken.
    unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), recording::text(offset), bytes.len()) };
    let span = Span { offset, bytes: bytes.len() as u32 };
    codes.texts.insert(key, span, (0, Span::default()));
    span
}

/// Puts a function of ours before `PyCode_Type.tp_dealloc`.
///
/// # Safety
/// `code_type` is `PyCode_Type`, and no other thread runs Python yet.
pub(crate) unsafe fn watch_deaths(code_type: *mut u8) {
    let slot = code_type.add(offsets::current().type_dealloc).cast::<*mut u8>();
    if slot.read() != forget as *mut u8 {
        ORIGINAL_DEALLOC.store(slot.read(), Ordering::Release);
        slot.write(forget as *mut u8);
    }
}

unsafe extern "C" fn forget(code: *mut u8) {
    let known = match crate::state::enter() {
        Some(_inside) => CODES.with(|codes| codes.by_address.remove(code as u64, (0, 0))),
        None => false,
    };
    if known {
        EPOCH.fetch_add(1, Ordering::Relaxed);
    }
    let original: Dealloc = core::mem::transmute(ORIGINAL_DEALLOC.load(Ordering::Acquire));
    original(code);
}

/// For `fork`.
pub(crate) fn lock_for_fork() {
    CODES.acquire();
}

/// After `fork`, in both processes.
pub(crate) fn unlock_after_fork() {
    CODES.release();
}

/// Forgets all rows, for a new recording.
pub(crate) fn clear() {
    CODES.with(|codes| {
        codes.by_address.clear();
        codes.by_content.clear();
        codes.texts.clear();
    });
    crate::lines::clear();
    EPOCH.fetch_add(1, Ordering::Relaxed);
}
