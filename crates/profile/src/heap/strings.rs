//! All strings of a heap graph in one block of text.

/// Strings in file order: one block of UTF-8 and where each string ends. Half surrogate pairs, which JavaScript strings
/// may hold and UTF-8 may not, are replaced by U+FFFD.
#[derive(Clone, Debug, Default)]
pub struct StringPool {
    pub(super) text: String,
    pub(super) ends: Vec<u32>,
}

impl StringPool {
    /// Text of string `index`; the empty string when there is none (a file that was cut short).
    pub fn get(&self, index: u32) -> &str {
        let index = index as usize;
        let Some(&end) = self.ends.get(index) else { return "" };
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.text[start as usize..end as usize]
    }

    /// Adds a string; `false` when the block has reached 4 GiB and cannot take it.
    pub fn push(&mut self, text: &str) -> bool {
        let Ok(end) = u32::try_from(self.text.len() + text.len()) else { return false };
        self.text.push_str(text);
        self.ends.push(end);
        true
    }

    /// Index of the first string equal to `text`: a linear search, for a few well-known names per graph.
    pub fn find(&self, text: &str) -> Option<u32> {
        (0..self.ends.len() as u32).find(|&index| self.get(index) == text)
    }

    /// Number of strings.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True without a string.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// All strings in file order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.ends.len() as u32).map(|index| self.get(index))
    }

    /// Gives back memory that was reserved and not used.
    pub fn shrink_to_fit(&mut self) {
        self.text.shrink_to_fit();
        self.ends.shrink_to_fit();
    }
}
