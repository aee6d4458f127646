//! What changed between two profiles.

use brimline_profile::{Precision, Profile, ProfileBuilder, ValueType, value};

use crate::aggregate::{Place, Query, aggregate};

/// Columns of a pair, in this order.
const COLUMNS: [(&str, &str); 6] = [
    ("before_bytes", "bytes"),
    ("before_count", "count"),
    ("after_bytes", "bytes"),
    ("after_count", "count"),
    ("before_bytes_variance", "variance"),
    ("after_bytes_variance", "variance"),
];

/// Index of the later bytes in a pair, the column its rows are sorted by before [`changes`] sorts by growth.
pub const AFTER_BYTES: usize = 2;

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeState {
    /// Nothing before.
    New,
    /// Nothing after.
    Gone,
    /// More bytes, or as many bytes in more blocks.
    Grown,
    /// Fewer.
    Shrunk,
}

impl ChangeState {
    /// The word in JSON and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Gone => "gone",
            Self::Grown => "grown",
            Self::Shrunk => "shrunk",
        }
    }
}

/// Which changes to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// New and grown rows.
    Growth,
    /// All that differ.
    Both,
}

/// A row that differs.
#[derive(Clone, Debug)]
pub struct Change {
    /// What the row stands for, as ids of the pair's tables.
    pub place: Place,
    /// Bytes before.
    pub before_bytes: i64,
    /// Bytes after.
    pub after_bytes: i64,
    /// Blocks before.
    pub before_count: i64,
    /// Blocks after.
    pub after_count: i64,
    /// Variances of the bytes before and after, in bytes × the period of each; 0 where all was counted.
    pub variances: [i64; 2],
    /// What became of it.
    pub state: ChangeState,
}

impl Change {
    /// Bytes more than before.
    pub fn delta_bytes(&self) -> i64 {
        self.after_bytes.saturating_sub(self.before_bytes)
    }

    /// Standard error of [`Change::delta_bytes`] in bytes; `None` if neither profile was sampled. The two samples are taken
    /// as independent; where both are of one process and share blocks, the error is smaller.
    pub fn standard_error(&self, before: Precision, after: Precision) -> Option<f64> {
        standard_error(self.variances, before, after)
    }

    /// Whether sampling alone explains the change: it lies within the 95 % interval around none.
    pub fn is_within_noise(&self, before: Precision, after: Precision) -> bool {
        let error = self.standard_error(before, after);
        error.is_some_and(|error| error > 0.0 && (self.delta_bytes() as f64).abs() <= Z * error)
    }

    /// Blocks more than before.
    pub fn delta_count(&self) -> i64 {
        self.after_count.saturating_sub(self.before_count)
    }
}

/// Quantile of the normal distribution for 95 %.
pub const Z: f64 = 1.959_964;

/// Standard error of a difference of bytes with these [`Change::variances`]; `None` if neither profile was sampled.
pub fn standard_error(variances: [i64; 2], before: Precision, after: Precision) -> Option<f64> {
    let periods = [before, after].map(|precision| match precision {
        Precision::Exact => None,
        Precision::Sampled { period } => Some(period as f64),
    });
    periods.iter().any(Option::is_some).then(|| {
        let parts = variances.iter().zip(periods);
        parts.map(|(&variance, period)| variance as f64 * period.unwrap_or(0.0)).sum::<f64>().sqrt()
    })
}

/// Two profiles side by side: each stack once, with its bytes and count before and after.
pub fn pair(before: (&Profile, usize, usize), after: (&Profile, usize, usize)) -> Profile {
    let columns = COLUMNS.iter().map(|&(name, unit)| ValueType { name: name.into(), unit: unit.into() }).collect();
    let mut builder = ProfileBuilder::new(columns, Precision::Exact);
    for (at, (profile, bytes, count)) in [(0, before), (2, after)] {
        // Exact profiles have no variance column; the pair is left out.
        let variance = (bytes + value::VARIANCE, COLUMNS.len() - 2 + at / 2);
        builder.append_columns(profile, &[(bytes, at), (count, at + 1), variance]);
    }
    builder.finish()
}

/// The rows of a pair that differ, most growth first, and the sums of all its columns.
pub fn changes(pair: &Profile, query: Query<'_>, direction: Direction) -> (Vec<Change>, [i64; 6]) {
    let table = aggregate(pair, query);
    let mut changes: Vec<Change> = table.rows.into_iter().filter_map(|row| change(row.place, &row.values)).collect();
    if direction == Direction::Growth {
        changes.retain(|change| matches!(change.state, ChangeState::New | ChangeState::Grown));
    }
    changes.sort_by_key(|change| std::cmp::Reverse((change.delta_bytes(), change.delta_count())));
    let mut totals = [0; 6];
    for (slot, total) in totals.iter_mut().zip(&table.totals) {
        *slot = *total;
    }
    (changes, totals)
}

fn change(place: Place, values: &[i64]) -> Option<Change> {
    let &[before_bytes, before_count, after_bytes, after_count, before_variance, after_variance] = values else {
        return None;
    };
    let state = match (after_bytes, after_count).cmp(&(before_bytes, before_count)) {
        std::cmp::Ordering::Equal => return None,
        _ if (before_bytes, before_count) == (0, 0) => ChangeState::New,
        _ if (after_bytes, after_count) == (0, 0) => ChangeState::Gone,
        std::cmp::Ordering::Greater => ChangeState::Grown,
        std::cmp::Ordering::Less => ChangeState::Shrunk,
    };
    let variances = [before_variance, after_variance];
    Some(Change { place, before_bytes, after_bytes, before_count, after_count, variances, state })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aggregate::{Attribution, By};
    use crate::example;
    use crate::filter::Filter;
    use crate::places::Places;

    fn all(pair: &Profile, direction: Direction) -> Vec<(i64, ChangeState)> {
        let (filter, places) = (Filter::default(), Places::default());
        let query = Query {
            by: By::Line,
            attribution: Attribution::Own,
            filter: &filter,
            places: &places,
            column: AFTER_BYTES,
        };
        changes(pair, query, direction).0.iter().map(|change| (change.delta_bytes(), change.state)).collect()
    }

    #[test]
    fn a_profile_does_not_differ_from_itself() {
        let profile = example::service();
        assert_eq!(all(&pair((&profile, 0, 1), (&profile, 0, 1)), Direction::Both), []);
    }

    #[test]
    fn the_reverse_difference_is_the_negative() {
        let profile = example::service();
        let empty = ProfileBuilder::new(profile.value_types.clone(), Precision::Exact).finish();
        let forth = all(&pair((&empty, 0, 1), (&profile, 0, 1)), Direction::Both);
        let mut back = all(&pair((&profile, 0, 1), (&empty, 0, 1)), Direction::Both);
        back.reverse();
        assert_eq!(forth, [(100, ChangeState::New), (40, ChangeState::New), (7, ChangeState::New)]);
        assert_eq!(back, [(-100, ChangeState::Gone), (-40, ChangeState::Gone), (-7, ChangeState::Gone)]);
        assert_eq!(all(&pair((&profile, 0, 1), (&empty, 0, 1)), Direction::Growth), []);
    }
}
