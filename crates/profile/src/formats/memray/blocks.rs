//! Which block lies at an address: open addressing with linear probing, and deletion by shifting back.

use super::MemrayError;

/// A live block.
#[derive(Clone, Copy, Default)]
pub(super) struct Block {
    address: u64,
    pub(super) size: u64,
    pub(super) row: u32,
}

/// No process has an address with all bits set.
const EMPTY: u64 = u64::MAX;
const FIRST_CAPACITY: usize = 1 << 12;
/// 24 bytes each.
const MOST: usize = 1 << 28;

pub(super) struct Blocks {
    slots: Vec<Block>,
    used: usize,
    shift: u32,
}

impl Blocks {
    pub(super) fn new() -> Self {
        Self::with_capacity(FIRST_CAPACITY)
    }

    fn with_capacity(capacity: usize) -> Self {
        let empty = Block { address: EMPTY, ..Block::default() };
        Self { slots: vec![empty; capacity], used: 0, shift: 64 - capacity.trailing_zeros() }
    }

    #[inline]
    fn home(&self, address: u64) -> usize {
        ((address >> 3).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> self.shift) as usize
    }

    /// Notes a block; the one that was there before, if its free is missing.
    #[inline]
    pub(super) fn insert(&mut self, address: u64, size: u64, row: u32) -> Result<Option<Block>, MemrayError> {
        if self.used * 2 >= self.slots.len() {
            self.grow()?;
        }
        let address = if address == EMPTY { EMPTY - 1 } else { address };
        let mask = self.slots.len() - 1;
        let mut at = self.home(address);
        loop {
            let slot = &mut self.slots[at];
            if slot.address == EMPTY {
                *slot = Block { address, size, row };
                self.used += 1;
                return Ok(None);
            }
            if slot.address == address {
                return Ok(Some(std::mem::replace(slot, Block { address, size, row })));
            }
            at = (at + 1) & mask;
        }
    }

    /// Forgets the block at an address.
    #[inline]
    pub(super) fn remove(&mut self, address: u64) -> Option<Block> {
        let address = if address == EMPTY { EMPTY - 1 } else { address };
        let mask = self.slots.len() - 1;
        let mut at = self.home(address);
        loop {
            if self.slots[at].address == address {
                break;
            }
            if self.slots[at].address == EMPTY {
                return None;
            }
            at = (at + 1) & mask;
        }
        let found = self.slots[at];
        self.used -= 1;
        let mut next = (at + 1) & mask;
        while self.slots[next].address != EMPTY {
            let home = self.home(self.slots[next].address);
            // It may move into the gap unless its home lies behind it.
            if (next.wrapping_sub(home) & mask) >= (next.wrapping_sub(at) & mask) {
                self.slots[at] = self.slots[next];
                at = next;
            }
            next = (next + 1) & mask;
        }
        self.slots[at].address = EMPTY;
        Some(found)
    }

    #[cold]
    fn grow(&mut self) -> Result<(), MemrayError> {
        let capacity = self.slots.len() * 2;
        if capacity > MOST {
            return Err(MemrayError::TooMany { what: "live blocks", limit: (MOST / 4) as u64 });
        }
        let old = std::mem::replace(self, Self::with_capacity(capacity));
        for block in old.slots.into_iter().filter(|block| block.address != EMPTY) {
            self.insert(block.address, block.size, block.row)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_a_standard_map() {
        let mut blocks = Blocks::new();
        let mut expected = std::collections::HashMap::new();
        let mut state = 1_u64;
        for step in 0..400_000_u64 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let address = (state >> 40) % 30_000 * 8;
            if state >> 33 & 1 == 0 {
                let before = blocks.insert(address, step, 7).unwrap().map(|block| block.size);
                assert_eq!(before, expected.insert(address, step));
            } else {
                assert_eq!(blocks.remove(address).map(|block| block.size), expected.remove(&address));
            }
        }
        assert_eq!(blocks.used, expected.len());
        assert!(blocks.insert(EMPTY, 1, 1).unwrap().is_none());
        assert_eq!(blocks.remove(EMPTY).unwrap().size, 1);
    }
}
