//! An open-addressing hash map in memory of its own. Keys are non-zero; removal is not needed but by [`Map::remove`].

use crate::array::Array;

/// A key of a [`Map`]; the all-zero key marks an empty place.
pub(crate) trait Key: Copy + Eq {
    fn hash(self) -> u64;
    fn is_empty(self) -> bool;
}

impl Key for u64 {
    #[inline]
    fn hash(self) -> u64 {
        mix(self)
    }
    fn is_empty(self) -> bool {
        self == 0
    }
}

/// Spreads a key over 64 bits (the finalizer of splitmix64, without its last shift).
#[inline]
pub(crate) fn mix(key: u64) -> u64 {
    let key = (key ^ (key >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (key ^ (key >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb)
}

#[derive(Clone, Copy)]
struct Place<K, V> {
    key: K,
    value: V,
}

/// Grows by doubling at three quarters full.
pub(crate) struct Map<K: Key, V: Copy> {
    places: Array<Place<K, V>>,
    mask: usize,
    used: usize,
}

impl<K: Key, V: Copy> Map<K, V> {
    pub(crate) const fn new() -> Self {
        Self { places: Array::new(), mask: 0, used: 0 }
    }

    #[inline]
    pub(crate) fn get(&self, key: K) -> Option<V> {
        let places = self.places.as_slice();
        if places.is_empty() {
            return None;
        }
        let mut at = (key.hash() >> 20) as usize & self.mask;
        loop {
            let place = &places[at];
            if place.key == key {
                return Some(place.value);
            }
            if place.key.is_empty() {
                return None;
            }
            at = (at + 1) & self.mask;
        }
    }

    /// Adds a key that is not there yet; false when memory is refused.
    pub(crate) fn insert(&mut self, key: K, value: V, empty: (K, V)) -> bool {
        if (self.used + 1) * 4 > self.places.len() * 3 && !self.grow(empty) {
            return false;
        }
        self.put(key, value);
        self.used += 1;
        true
    }

    fn put(&mut self, key: K, value: V) {
        let mask = self.mask;
        let places = self.places.as_mut_slice();
        let mut at = (key.hash() >> 20) as usize & mask;
        while !places[at].key.is_empty() {
            at = (at + 1) & mask;
        }
        places[at] = Place { key, value };
    }

    fn grow(&mut self, empty: (K, V)) -> bool {
        let size = (self.places.len() * 2).max(64);
        let mut bigger = Array::new();
        if !bigger.reserve(size) {
            return false;
        }
        for _ in 0..size {
            bigger.push(Place { key: empty.0, value: empty.1 });
        }
        let mut old = core::mem::replace(&mut self.places, bigger);
        self.mask = size - 1;
        for place in old.as_slice() {
            if !place.key.is_empty() {
                self.put(place.key, place.value);
            }
        }
        old.free();
        true
    }

    /// Removes a key, closing the gap it leaves (Knuth's algorithm R); true if it was there.
    pub(crate) fn remove(&mut self, key: K, empty: (K, V)) -> bool {
        let mask = self.mask;
        let places = self.places.as_mut_slice();
        if places.is_empty() {
            return false;
        }
        let mut hole = (key.hash() >> 20) as usize & mask;
        while places[hole].key != key {
            if places[hole].key.is_empty() {
                return false;
            }
            hole = (hole + 1) & mask;
        }
        let mut next = hole;
        loop {
            next = (next + 1) & mask;
            if places[next].key.is_empty() {
                break;
            }
            let home = (places[next].key.hash() >> 20) as usize & mask;
            if (next.wrapping_sub(home) & mask) >= (next.wrapping_sub(hole) & mask) {
                places[hole] = places[next];
                hole = next;
            }
        }
        places[hole] = Place { key: empty.0, value: empty.1 };
        self.used -= 1;
        true
    }

    /// Empties the map and gives its memory back.
    pub(crate) fn clear(&mut self) {
        self.places.free();
        self.mask = 0;
        self.used = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behaves_like_a_hash_map_under_random_inserts_and_removes() {
        let mut map = Map::<u64, u32>::new();
        let mut truth = std::collections::HashMap::new();
        let mut seed = 1_u64;
        for step in 0..50_000_u32 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let key = (seed >> 40) % 2_000 + 1;
            match truth.entry(key) {
                std::collections::hash_map::Entry::Occupied(entry) => {
                    assert_eq!(map.get(key), Some(*entry.get()));
                    assert!(map.remove(key, (0, 0)));
                    entry.remove();
                }
                std::collections::hash_map::Entry::Vacant(entry) => {
                    assert_eq!(map.get(key), None);
                    entry.insert(step);
                    assert!(map.insert(key, step, (0, 0)));
                }
            }
        }
        assert!(truth.iter().all(|(&key, &value)| map.get(key) == Some(value)));
        assert!(!map.remove(5_000, (0, 0)));
    }
}
