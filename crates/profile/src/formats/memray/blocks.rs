//! Which block lies at an address: open addressing with linear probing, and deletion by shifting back.
//!
//! Programs allocate and free neighbours together, so blocks of one kibibyte of addresses are neighbours here as well.
//! Where a kibibyte goes is drawn anew for each file: no file can be made whose blocks all meet.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use super::MemrayError;

/// A live block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) size: u64,
    pub(super) row: u32,
}

#[derive(Clone, Copy)]
struct Slot {
    address: u64,
    row: u32,
    /// [`LARGE`]: the size is in another table.
    size: u32,
}

/// No process has an address with all bits set.
const EMPTY: Slot = Slot { address: u64::MAX, row: 0, size: 0 };
const LARGE: u32 = u32::MAX;
const FIRST_CAPACITY: usize = 1 << 12;
/// 16 bytes each.
const MOST: usize = 1 << 27;

pub(super) struct Blocks {
    slots: Vec<Slot>,
    used: usize,
    shift: u32,
    multiplier: u64,
    large: HashMap<u64, u64>,
}

impl Blocks {
    pub(super) fn new() -> Self {
        let multiplier = RandomState::new().hash_one(0_u64) | 1;
        Self {
            slots: vec![EMPTY; FIRST_CAPACITY],
            used: 0,
            shift: shift(FIRST_CAPACITY),
            multiplier,
            large: HashMap::new(),
        }
    }

    #[inline]
    fn home(&self, address: u64) -> usize {
        let group = (address >> 10).wrapping_mul(self.multiplier) >> self.shift;
        (group << 6 | (address >> 4 & 63)) as usize
    }

    /// Notes a block; the one that was there before, if its free is missing.
    #[inline]
    pub(super) fn insert(&mut self, address: u64, block: Block) -> Result<Option<Block>, MemrayError> {
        if self.used * 2 >= self.slots.len() {
            self.grow()?;
        }
        let address = address.min(EMPTY.address - 1);
        let size = u32::try_from(block.size).unwrap_or(LARGE);
        let mask = self.slots.len() - 1;
        let mut at = self.home(address);
        let before = loop {
            let slot = self.slots[at];
            if slot.address == EMPTY.address {
                self.used += 1;
                break None;
            }
            if slot.address == address {
                break Some(self.block(slot));
            }
            at = (at + 1) & mask;
        };
        self.slots[at] = Slot { address, row: block.row, size };
        if size == LARGE {
            self.large.insert(address, block.size);
        }
        Ok(before)
    }

    #[inline]
    fn block(&mut self, slot: Slot) -> Block {
        let size = if slot.size == LARGE { self.large.remove(&slot.address).unwrap_or(0) } else { slot.size.into() };
        Block { size, row: slot.row }
    }

    /// Forgets the block at an address.
    #[inline]
    pub(super) fn remove(&mut self, address: u64) -> Option<Block> {
        let address = address.min(EMPTY.address - 1);
        let mask = self.slots.len() - 1;
        let mut at = self.home(address);
        let found = loop {
            let slot = self.slots[at];
            if slot.address == address {
                break slot;
            }
            if slot.address == EMPTY.address {
                return None;
            }
            at = (at + 1) & mask;
        };
        self.used -= 1;
        let mut next = (at + 1) & mask;
        while self.slots[next].address != EMPTY.address {
            let home = self.home(self.slots[next].address);
            // It may move into the gap unless its home lies behind it.
            if (next.wrapping_sub(home) & mask) >= (next.wrapping_sub(at) & mask) {
                self.slots[at] = self.slots[next];
                at = next;
            }
            next = (next + 1) & mask;
        }
        self.slots[at] = EMPTY;
        Some(self.block(found))
    }

    #[cold]
    fn grow(&mut self) -> Result<(), MemrayError> {
        let capacity = self.slots.len() * 2;
        if capacity > MOST {
            return Err(MemrayError::TooMany { what: "live blocks", limit: (MOST / 2) as u64 });
        }
        let old = std::mem::replace(&mut self.slots, vec![EMPTY; capacity]);
        self.shift = shift(capacity);
        for slot in old.into_iter().filter(|slot| slot.address != EMPTY.address) {
            let mut at = self.home(slot.address);
            while self.slots[at].address != EMPTY.address {
                at = (at + 1) & (capacity - 1);
            }
            self.slots[at] = slot;
        }
        Ok(())
    }
}

/// Leaves as many bits as there are groups of 64 slots.
fn shift(capacity: usize) -> u32 {
    64 - (capacity.trailing_zeros() - 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_a_standard_map() {
        let mut blocks = Blocks::new();
        let mut expected = HashMap::new();
        let mut state = 1_u64;
        for step in 0..400_000_u64 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let address = (state >> 40) % 30_000 * 8;
            let size = step << ((state >> 60 & 1) * 30);
            if state >> 33 & 1 == 0 {
                let before = blocks.insert(address, Block { size, row: 7 }).unwrap().map(|block| block.size);
                assert_eq!(before, expected.insert(address, size));
            } else {
                assert_eq!(blocks.remove(address).map(|block| block.size), expected.remove(&address));
            }
        }
        assert_eq!(blocks.used, expected.len());
        let block = Block { size: 1, row: 1 };
        assert!(blocks.insert(u64::MAX, block).unwrap().is_none());
        assert_eq!(blocks.remove(u64::MAX), Some(block));
    }
}
