//! A column of integers that is 32 bits wide until a value needs more.

/// Integers in order; stored in 32 bits each until one exceeds them, then in 64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IntColumn {
    /// Every value fits 32 bits.
    Narrow(Vec<u32>),
    /// At least one value does not.
    Wide(Vec<u64>),
}

impl Default for IntColumn {
    fn default() -> Self {
        Self::Narrow(Vec::new())
    }
}

impl IntColumn {
    /// An empty column with room for `capacity` narrow values.
    pub fn with_capacity(capacity: usize) -> Self {
        Self::Narrow(Vec::with_capacity(capacity))
    }

    /// Adds `value` at the end.
    pub fn push(&mut self, value: u64) {
        match self {
            Self::Narrow(values) => {
                if let Ok(narrow) = u32::try_from(value) {
                    values.push(narrow);
                } else {
                    self.widen().push(value);
                }
            }
            Self::Wide(values) => values.push(value),
        }
    }

    /// The value at `index`.
    ///
    /// # Panics
    /// When `index` is out of range.
    pub fn get(&self, index: usize) -> u64 {
        match self {
            Self::Narrow(values) => u64::from(values[index]),
            Self::Wide(values) => values[index],
        }
    }

    /// Replaces the value at `index`.
    ///
    /// # Panics
    /// When `index` is out of range.
    pub fn set(&mut self, index: usize, value: u64) {
        match self {
            Self::Narrow(values) => {
                if let Ok(narrow) = u32::try_from(value) {
                    values[index] = narrow;
                } else {
                    self.widen()[index] = value;
                }
            }
            Self::Wide(values) => values[index] = value,
        }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::Narrow(values) => values.len(),
            Self::Wide(values) => values.len(),
        }
    }

    /// True without a value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values in order.
    pub fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Gives back memory that was reserved and not used.
    pub fn shrink_to_fit(&mut self) {
        match self {
            Self::Narrow(values) => values.shrink_to_fit(),
            Self::Wide(values) => values.shrink_to_fit(),
        }
    }

    fn widen(&mut self) -> &mut Vec<u64> {
        if let Self::Narrow(values) = self {
            *self = Self::Wide(values.iter().map(|&value| u64::from(value)).collect());
        }
        match self {
            Self::Wide(values) => values,
            Self::Narrow(_) => unreachable!("the column was widened above"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widens_at_the_first_large_value() {
        let mut column = IntColumn::default();
        column.push(7);
        column.push(u64::from(u32::MAX) + 1);
        column.push(9);
        assert_eq!(column.iter().collect::<Vec<_>>(), [7, u64::from(u32::MAX) + 1, 9]);
        column.set(0, 1 << 40);
        assert_eq!(column.get(0), 1 << 40);
        let mut narrow = IntColumn::with_capacity(1);
        narrow.push(1);
        narrow.set(0, 1 << 33);
        assert_eq!(narrow.get(0), 1 << 33);
    }
}
