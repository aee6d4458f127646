//! Dates and durations as Go prints them.

/// The zone in which a profile's time is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone {
    /// East of Greenwich.
    pub offset_seconds: i64,
    /// `UTC`, `CEST`, `+03`.
    pub name: String,
}

impl Default for Zone {
    fn default() -> Self {
        Self { offset_seconds: 0, name: "UTC".into() }
    }
}

impl Zone {
    /// `+0200`.
    pub(super) fn offset(&self) -> String {
        let sign = if self.offset_seconds < 0 { '-' } else { '+' };
        let minutes = self.offset_seconds.abs() / 60;
        format!("{sign}{:02}{:02}", minutes / 60, minutes % 60)
    }
}

/// `2006-01-02 15:04:05` in a zone.
pub(super) fn date(nanos: i64, zone: &Zone) -> String {
    let seconds = nanos.div_euclid(1_000_000_000).saturating_add(zone.offset_seconds);
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Howard Hinnant's days-to-civil algorithm: eras of 400 years that begin on 1 March.
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// Digits of a fraction of a second with the point, without trailing zeros.
pub(super) fn fraction(nanos: i64) -> String {
    let digits = format!(".{:09}", nanos.rem_euclid(1_000_000_000));
    digits.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A duration in its largest fitting unit below a minute, in hours, minutes and seconds above.
pub(super) fn duration(nanos: i64) -> String {
    let size = nanos.unsigned_abs();
    let sign = if nanos < 0 { "-" } else { "" };
    let decimal = |unit: u64, name: &str| {
        let width = unit.ilog10() as usize;
        let rest = format!("{:0width$}", size % unit);
        let rest = rest.trim_end_matches('0');
        let point = if rest.is_empty() || unit == 1 { "" } else { "." };
        let rest = if unit == 1 { "" } else { rest };
        format!("{sign}{}{point}{rest}{name}", size / unit)
    };
    match size {
        0 => "0s".into(),
        1..=999 => decimal(1, "ns"),
        1_000..=999_999 => decimal(1_000, "µs"),
        1_000_000..=999_999_999 => decimal(1_000_000, "ms"),
        _ => {
            let seconds = size / 1_000_000_000;
            let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
            let fraction = fraction((size % 1_000_000_000) as i64);
            let rest = format!("{}{fraction}s", seconds % 60);
            match (hours, minutes) {
                (0, 0) => format!("{sign}{rest}"),
                (0, _) => format!("{sign}{minutes}m{rest}"),
                _ => format!("{sign}{hours}h{minutes}m{rest}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_dates_and_durations() {
        assert_eq!(date(1_709_210_096_000_000_000, &Zone::default()), "2024-02-29 12:34:56");
        assert_eq!(date(-1, &Zone::default()), "1969-12-31 23:59:59");
        let india = Zone { offset_seconds: 19_800, name: "IST".into() };
        assert_eq!((date(-1, &india).as_str(), india.offset().as_str()), ("1970-01-01 05:29:59", "+0530"));
        assert_eq!(Zone { offset_seconds: -12_600, name: "NST".into() }.offset(), "-0330");
        for (nanos, expected) in [
            (10_000_000_000, "10s"),
            (1_500_000_000, "1.5s"),
            (3_723_000_000_000, "1h2m3s"),
            (1_250, "1.25µs"),
            (2_000_000, "2ms"),
            (-5, "-5ns"),
        ] {
            assert_eq!(duration(nanos), expected);
        }
    }
}
