//! A moment, written as RFC 3339 in UTC.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

const NANOS: u64 = 1_000_000_000;

/// Nanoseconds since 1970 in UTC; text form `2026-11-23T00:52:59.123456789Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The wall clock now; 0 if it stands before 1970.
    pub fn now() -> Self {
        Self::from(SystemTime::now())
    }

    /// Seconds from `earlier` to this moment, negative if it lies before.
    pub fn seconds_since(self, earlier: Self) -> f64 {
        (i128::from(self.0) - i128::from(earlier.0)) as f64 / NANOS as f64
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self(time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / NANOS;
        let (year, month, day) = civil_from_days((seconds / 86_400) as i64);
        let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
        let nanos = self.0 % NANOS;
        write!(formatter, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z")
    }
}

impl FromStr for Timestamp {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (date, time) = text.strip_suffix('Z').and_then(|text| text.split_once('T')).ok_or(())?;
        let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
        let date = numbers(date, '-')?;
        let time = numbers(time, ':')?;
        if !(1970..=2500).contains(&date[0]) || !(1..=12).contains(&date[1]) || !(1..=31).contains(&date[2]) {
            return Err(());
        }
        if time[0] > 23 || time[1] > 59 || time[2] > 60 || fraction.len() > 9 {
            return Err(());
        }
        let nanos = format!("{fraction:0<9}").parse::<u64>().map_err(|_| ())?;
        let days = days_from_civil(date[0] as i64, date[1], date[2]) as u64;
        Ok(Self((days * 86_400 + time[0] * 3600 + time[1] * 60 + time[2]) * NANOS + nanos))
    }
}

fn numbers(text: &str, separator: char) -> Result<[u64; 3], ()> {
    let mut parts = text.split(separator).map(|part| part.parse::<u64>().map_err(|_| ()));
    let mut next = || parts.next().unwrap_or(Err(()));
    Ok([next()?, next()?, next()?])
}

/// Days since 1970 to year, month, day: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", for days >= 0.
fn civil_from_days(days: i64) -> (i64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month as u64, day as u64)
}

/// The inverse of [`civil_from_days`].
fn days_from_civil(year: i64, month: u64, day: u64) -> i64 {
    let year = year - i64::from(month <= 2);
    let era = year / 400;
    let year_of_era = year % 400;
    let month_from_march = if month > 2 { month as i64 - 3 } else { month as i64 + 9 };
    let day_of_year = (153 * month_from_march + 2) / 5 + day as i64 - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|()| serde::de::Error::custom(format!("expected a time in RFC 3339, found `{text}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn writes_and_reads_rfc_3339() {
        let known = Timestamp(1_709_210_096_000_000_001);
        assert_eq!(known.to_string(), "2024-02-29T12:34:56.000000001Z");
        for seconds in (0..4_000_000_000_u64).step_by(7_654_321) {
            let time = Timestamp(seconds * 1_000_000_000 + 5);
            assert_eq!(time.to_string().parse(), Ok(time));
        }
    }

    #[test]
    fn refuses_other_text() {
        for text in ["", "2024-02-29", "2024-13-01T00:00:00Z", "x-y-zT1:2:3Z", "2024-01-01T00:00:00.1234567890Z"] {
            assert_eq!(text.parse::<Timestamp>(), Err(()), "{text}");
        }
    }
}
