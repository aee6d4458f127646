//! Writes a recording without its slack: the same layout, one extent a table.

use alloc::vec::Vec;
use core::mem::offset_of;

use crate::layout::{DATA_OFFSET, DIRECTORY_OFFSET, Extent, Header, Table};
use crate::reader::Recording;

/// A copy of `recording` with only the rows in use, one extent for each table. Ids stay as they are. What the reader
/// left out (see [`Recording::warnings`]) is not in the copy either.
pub fn compact(recording: &Recording<'_>) -> Vec<u8> {
    let mut out: Vec<u8> = recording.raw()[..DATA_OFFSET].into();
    out[DIRECTORY_OFFSET..].fill(0);
    let mut count = 0_u32;
    for table in Table::ALL {
        let offset = out.len();
        for part in recording.used_extents(table) {
            out.extend_from_slice(part);
        }
        let bytes = out.len() - offset;
        put_u64(&mut out, table.used_offset(), recording.rows(table) as u64);
        if bytes > 0 {
            let row = DIRECTORY_OFFSET + count as usize * size_of::<Extent>();
            out[row..row + 4].copy_from_slice(&(table as u32).to_le_bytes());
            put_u64(&mut out, row + offset_of!(Extent, offset), offset as u64);
            put_u64(&mut out, row + offset_of!(Extent, bytes), bytes as u64);
            count += 1;
        }
    }
    let at = offset_of!(Header, extent_count);
    out[at..at + 4].copy_from_slice(&count.to_le_bytes());
    out
}

fn put_u64(out: &mut [u8], at: usize, value: u64) {
    out[at..at + 8].copy_from_slice(&value.to_le_bytes());
}
