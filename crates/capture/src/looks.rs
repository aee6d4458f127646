//! How often the resident set is looked at between samples.

use std::time::Duration;

/// Time between two looks, from which the last sample comes; longer while nothing changes.
const LOOK: Duration = Duration::from_millis(100);
/// The same while memory nears a threshold.
const NEAR: Duration = Duration::from_millis(50);
/// A change of the resident set by this share is one.
const CHANGE_SHARE: u64 = 64;
/// Looks without a change count up to here.
const MOST_ALIKE: u32 = 100;

/// The looks so far.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    /// Resident bytes at the last change.
    rss: u64,
    /// Looks since then.
    alike: u32,
}

impl Looks {
    /// Time until the next look, after one that found `rss` resident bytes. Each one without a change has the next wait
    /// longer, unless something `presses`; `is_near` means a threshold.
    pub(crate) fn after(&mut self, rss: u64, presses: bool, is_near: bool) -> Duration {
        if presses || rss.abs_diff(self.rss) > self.rss / CHANGE_SHARE {
            *self = Self { rss, alike: 0 };
        } else {
            self.alike = MOST_ALIKE.min(self.alike + 1);
        }
        if is_near { NEAR } else { LOOK * (1 + self.alike) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_changes_is_looked_at_often() {
        let mut looks = Looks::default();
        let mut after = |rss| looks.after(rss, false, false).as_millis();
        assert_eq!([after(6400), after(6400), after(6450), after(6300)], [100, 200, 300, 400]);
        // Slow growth is growth too: it is compared with the last change.
        assert_eq!([after(6450), after(6501), after(6501)], [500, 100, 200]);
        assert_eq!(looks.after(6501, true, false), LOOK);
        assert_eq!(looks.after(6501, false, true), NEAR);
    }
}
