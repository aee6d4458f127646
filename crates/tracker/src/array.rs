//! A growing array in memory of its own, for a crate that must not allocate.

use core::ptr;

use crate::system;

/// Elements are plain data for which all-zero bytes are a value.
pub(crate) struct Array<T: Copy> {
    data: *mut T,
    capacity: usize,
    len: usize,
}

impl<T: Copy> Array<T> {
    pub(crate) const fn new() -> Self {
        Self { data: ptr::null_mut(), capacity: 0, len: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Makes room for `capacity` elements in all; false when memory is refused.
    pub(crate) fn reserve(&mut self, capacity: usize) -> bool {
        if capacity <= self.capacity {
            return true;
        }
        let wanted = capacity.next_power_of_two().max(4096 / size_of::<T>().max(1));
        let data = system::map(wanted * size_of::<T>()).cast::<T>();
        if data.is_null() {
            return false;
        }
        if !self.data.is_null() {
            // SAFETY: both ranges are ours and hold at least `len` elements.
            unsafe {
                ptr::copy_nonoverlapping(self.data, data, self.len);
                system::unmap(self.data.cast(), self.capacity * size_of::<T>());
            }
        }
        self.data = data;
        self.capacity = wanted;
        true
    }

    /// Appends; false (and nothing done) when memory is refused.
    pub(crate) fn push(&mut self, value: T) -> bool {
        if self.len == self.capacity && !self.reserve(self.len + 1) {
            return false;
        }
        // SAFETY: there is room for one more.
        unsafe { self.data.add(self.len).write(value) };
        self.len += 1;
        true
    }

    /// Inserts before `at`.
    pub(crate) fn insert(&mut self, at: usize, value: T) -> bool {
        if !self.push(value) {
            return false;
        }
        self.as_mut_slice()[at..].rotate_right(1);
        true
    }

    /// Removes element `at`.
    pub(crate) fn remove(&mut self, at: usize) {
        self.as_mut_slice()[at..].rotate_left(1);
        self.len -= 1;
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// Gives the memory back.
    pub(crate) fn free(&mut self) {
        if !self.data.is_null() {
            // SAFETY: the array owns the range and forgets it here.
            unsafe { system::unmap(self.data.cast(), self.capacity * size_of::<T>()) };
        }
        *self = Self::new();
    }

    pub(crate) fn as_slice(&self) -> &[T] {
        if self.data.is_null() {
            return &[];
        }
        // SAFETY: `len` elements have been written.
        unsafe { core::slice::from_raw_parts(self.data, self.len) }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        if self.data.is_null() {
            return &mut [];
        }
        // SAFETY: as above, and `self` is borrowed mutably.
        unsafe { core::slice::from_raw_parts_mut(self.data, self.len) }
    }
}
