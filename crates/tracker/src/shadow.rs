//! From an address to the record and size of the block that starts there.
//!
//! One 4-byte slot for each 16 bytes of address space, in leaves of 16 MiB that cover 64 MiB and cost memory only where
//! they are touched: at most a quarter of the heap, no lock, no hashing. A slot belongs to whoever owns the block.
//! A slot holds the record's index and a size code; sizes above 16 bytes lie in the following slots, which the block
//! itself covers, so that they are free to use.

use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, AtomicUsize, Ordering};

use crate::{sampling, system};

const CHUNK_BITS: u32 = 26;
const ADDRESS_BITS: u32 = 47;
const CHUNKS: usize = 1 << (ADDRESS_BITS - CHUNK_BITS);
const LEAF_SLOTS: usize = 1 << (CHUNK_BITS - 4);
/// A few slots more than the chunk has: the size of a block at its very end.
const LEAF_BYTES: usize = (LEAF_SLOTS + 4) * 4;

/// For each page, modulo their number here, how many blocks are noted in it; kept while sampling, when that is few.
static BLOCKS_IN_PAGE: [AtomicU8; 1 << PAGES_BITS] = [const { AtomicU8::new(0) }; 1 << PAGES_BITS];
const PAGE_BITS: u32 = 12;
const PAGES_BITS: u32 = 16;
/// A number that has come this far stays: how many blocks more there were is not known.
const MANY: u8 = u8::MAX;

const SIZE_BITS: u32 = 6;
const SIZE_MASK: u32 = (1 << SIZE_BITS) - 1;
/// Sizes up to this are their own code.
const LARGEST_INLINE: usize = 16;
const NEXT_SLOT: u32 = 63;
const NEXT_TWO_SLOTS: u32 = 62;

/// Row index of a record must stay below this.
pub(crate) const MAX_RECORD: u32 = 1 << (32 - SIZE_BITS);

/// Leaves that exist, for [`clear`]; more than these (256 GiB of heap) are not made.
const MOST_LEAVES: usize = 4096;
static LEAVES: [AtomicPtr<u32>; MOST_LEAVES] = [const { AtomicPtr::new(ptr::null_mut()) }; MOST_LEAVES];
static LEAF_COUNT: AtomicUsize = AtomicUsize::new(0);

static DIRECTORY: AtomicPtr<AtomicPtr<u32>> = AtomicPtr::new(ptr::null_mut());

/// Reserves the directory; false when address space is refused.
pub(crate) fn init() -> bool {
    let directory = system::map(CHUNKS * size_of::<AtomicPtr<u32>>());
    DIRECTORY.store(directory.cast(), Ordering::Release);
    !directory.is_null()
}

#[inline]
fn entry(address: usize) -> Option<&'static AtomicPtr<u32>> {
    let chunk = address >> CHUNK_BITS;
    if chunk >= CHUNKS || address & 15 != 0 {
        return None;
    }
    // SAFETY: the directory has an entry for every chunk and is never unmapped.
    Some(unsafe { &*DIRECTORY.load(Ordering::Relaxed).add(chunk) })
}

#[inline]
fn slot_in(leaf: *mut u32, address: usize) -> &'static [AtomicU32; 3] {
    // SAFETY: a leaf has a slot for every 16 bytes of its chunk and spare ones behind, and is never unmapped.
    unsafe { &*leaf.add((address >> 4) & (LEAF_SLOTS - 1)).cast() }
}

#[inline]
fn blocks_in_page(address: usize) -> &'static AtomicU8 {
    &BLOCKS_IN_PAGE[(address >> PAGE_BITS) & ((1 << PAGES_BITS) - 1)]
}

/// Notes that the block at `address` counts in `record`. False (and nothing noted) for addresses that malloc never
/// hands out on this platform, and when memory is refused.
#[inline]
pub(crate) fn set(address: usize, record: u32, size: usize) -> bool {
    let Some(entry) = entry(address) else { return false };
    let mut leaf = entry.load(Ordering::Acquire);
    if leaf.is_null() {
        leaf = add_leaf(entry);
        if leaf.is_null() {
            return false;
        }
    }
    let slots = slot_in(leaf, address);
    let code = if size <= LARGEST_INLINE {
        size as u32
    } else {
        slots[1].store(size as u32, Ordering::Relaxed);
        if size >> 32 == 0 {
            NEXT_SLOT
        } else {
            slots[2].store((size >> 32) as u32, Ordering::Relaxed);
            NEXT_TWO_SLOTS
        }
    };
    slots[0].store(record << SIZE_BITS | code, Ordering::Relaxed);
    if sampling::enabled() {
        let more = |blocks: u8| Some(blocks.saturating_add(1));
        let _ = blocks_in_page(address).fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }
    true
}

/// Forgets the block at `address` and returns its record and size; `None` for a block that was never noted.
#[inline]
pub(crate) fn take(address: usize) -> Option<(u32, usize)> {
    let leaf = entry(address)?.load(Ordering::Acquire);
    if leaf.is_null() {
        return None;
    }
    let slots = slot_in(leaf, address);
    let slot = slots[0].load(Ordering::Relaxed);
    if slot == 0 {
        return None;
    }
    slots[0].store(0, Ordering::Relaxed);
    if sampling::enabled() {
        let fewer = |blocks: u8| if blocks == MANY { None } else { Some(blocks - 1) };
        let _ = blocks_in_page(address).fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer);
    }
    let mut size = (slot & SIZE_MASK) as usize;
    if size > LARGEST_INLINE {
        let high = if size == NEXT_TWO_SLOTS as usize { slots[2].swap(0, Ordering::Relaxed) } else { 0 };
        size = slots[1].load(Ordering::Relaxed) as usize | (high as usize) << 32;
        // A smaller block may start there next, and it may be one that is not tracked.
        slots[1].store(0, Ordering::Relaxed);
    }
    Some((slot >> SIZE_BITS, size))
}

/// True if a block is noted at `address`; while sampling, when few are. One small table answers for most addresses, so
/// that asking leaves the caches to the program.
#[inline]
pub(crate) fn has(address: usize) -> bool {
    blocks_in_page(address).load(Ordering::Relaxed) != 0 && has_slot(address)
}

#[cold]
fn has_slot(address: usize) -> bool {
    let Some(entry) = entry(address) else { return false };
    let leaf = entry.load(Ordering::Acquire);
    !leaf.is_null() && slot_in(leaf, address)[0].load(Ordering::Relaxed) != 0
}

#[cold]
fn add_leaf(entry: &AtomicPtr<u32>) -> *mut u32 {
    if LEAF_COUNT.load(Ordering::Relaxed) >= MOST_LEAVES {
        return ptr::null_mut();
    }
    let leaf = system::map(LEAF_BYTES).cast::<u32>();
    if leaf.is_null() {
        return leaf;
    }
    match entry.compare_exchange(ptr::null_mut(), leaf, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => {
            if let Some(place) = LEAVES.get(LEAF_COUNT.fetch_add(1, Ordering::Relaxed)) {
                place.store(leaf, Ordering::Relaxed);
            }
            leaf
        }
        Err(other) => {
            // SAFETY: nobody has seen this leaf.
            unsafe { system::unmap(leaf.cast(), LEAF_BYTES) };
            other
        }
    }
}

/// Forgets all blocks (in a forked child, where they count in the parent's recording).
pub(crate) fn clear() {
    for leaf in LEAVES.iter().take(LEAF_COUNT.load(Ordering::Relaxed)) {
        let leaf = leaf.load(Ordering::Relaxed);
        if !leaf.is_null() {
            // SAFETY: the child has one thread, and it is here.
            unsafe { system::discard(leaf.cast(), LEAF_BYTES) };
        }
    }
    for blocks in &BLOCKS_IN_PAGE {
        if blocks.load(Ordering::Relaxed) != 0 {
            blocks.store(0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_every_size_and_leaves_nothing_behind() {
        assert!(init());
        let base = 0x7000_0000_0000_usize;
        for (index, size) in
            [0, 1, 15, 16, 17, 64, 512, 1 << 31, u32::MAX as usize, 1 << 32, (5 << 32) + 7].into_iter().enumerate()
        {
            let address = base + index * 64;
            assert!(set(address, 1000 + index as u32, size));
            assert_eq!(take(address), Some((1000 + index as u32, size)));
            for inner in (address..address + 64).step_by(16) {
                assert_eq!(take(inner), None, "size {size}");
            }
        }
        let last = (base | ((1 << CHUNK_BITS) - 1)) & !15;
        assert!(set(last, 7, 1 << 33));
        assert_eq!(take(last), Some((7, 1 << 33)));
        assert!(!set(base + 8, 1, 8));
        assert!(!set(usize::MAX & !15, 1, 8));
    }
}
