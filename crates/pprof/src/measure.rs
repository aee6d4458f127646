//! Values with units, formatted as the reference formats them.

use std::fmt::Write as _;

/// A unit: name shown, spellings read, size in the base unit of its family.
type Unit = (&'static str, &'static [&'static str], f64);

/// Units that convert into each other, and the one used for values that fit no other.
struct Family {
    units: &'static [Unit],
    default: (&'static str, f64),
}

static FAMILIES: [Family; 3] = [
    Family {
        units: &[
            ("B", &["b", "byte"], 1.0),
            ("kB", &["kb", "kbyte", "kilobyte"], 1024.0),
            ("MB", &["mb", "mbyte", "megabyte"], 1_048_576.0),
            ("GB", &["gb", "gbyte", "gigabyte"], 1_073_741_824.0),
            ("TB", &["tb", "tbyte", "terabyte"], 1_099_511_627_776.0),
            ("PB", &["pb", "pbyte", "petabyte"], 1_125_899_906_842_624.0),
        ],
        default: ("B", 1.0),
    },
    Family {
        units: &[
            ("ns", &["ns", "nanosecond"], 1.0),
            ("us", &["μs", "us", "microsecond"], 1e3),
            ("ms", &["ms", "millisecond"], 1e6),
            ("s", &["s", "sec", "second"], 1e9),
            ("hrs", &["hour", "hr"], 3.6e12),
        ],
        default: ("s", 1e9),
    },
    Family {
        units: &[
            ("n*GCU", &["nanogcu"], 1e-9),
            ("u*GCU", &["microgcu"], 1e-6),
            ("m*GCU", &["milligcu"], 1e-3),
            ("GCU", &["gcu"], 1.0),
            ("k*GCU", &["kilogcu"], 1e3),
            ("M*GCU", &["megagcu"], 1e6),
            ("G*GCU", &["gigagcu"], 1e9),
            ("T*GCU", &["teragcu"], 1e12),
            ("P*GCU", &["petagcu"], 1e15),
        ],
        default: ("GCU", 1.0),
    },
];

impl Family {
    fn find(&self, name: &str) -> Option<&Unit> {
        let name = name.to_lowercase();
        let name = if name.len() > 2 { name.strip_suffix('s').unwrap_or(&name) } else { &name };
        self.units.iter().find(|(_, spellings, _)| spellings.contains(&name))
    }
}

/// Whether both units belong to one family.
pub(crate) fn convertible(one: &str, other: &str) -> bool {
    FAMILIES.iter().any(|family| family.find(one).is_some() && family.find(other).is_some())
}

/// `value` in unit `to`, and the unit's name as shown, which is empty where a name says nothing.
/// `minimum` and `auto` choose the largest unit in which the value is at least 1.
pub(crate) fn scale(value: i64, from: &str, to: &str) -> (f64, String) {
    if value < 0 && value != i64::MIN {
        let (scaled, unit) = scale(-value, from, to);
        return (-scaled, unit);
    }
    for family in &FAMILIES {
        let Some(&(_, _, factor)) = family.find(from) else { continue };
        let base = value as f64 * factor;
        let chosen = if to == "minimum" || to == "auto" {
            let fitting = family.units.iter().rev().find(|&&(_, _, size)| base / size >= 1.0);
            fitting.map(|&(name, _, size)| (name, size))
        } else {
            family.find(to).map(|&(name, _, size)| (name, size))
        };
        let (name, size) = chosen.unwrap_or(family.default);
        return (base / size, name.to_owned());
    }
    match to {
        "count" | "sample" | "unit" | "minimum" | "auto" => (value as f64, String::new()),
        _ => (value as f64, to.to_owned()),
    }
}

/// `value` with its unit in the most natural size.
pub(crate) fn label(value: i64, unit: &str) -> String {
    scaled_label(value, unit, "auto")
}

/// `value` in unit `to`, with at most two decimals.
pub(crate) fn scaled_label(value: i64, from: &str, to: &str) -> String {
    let (scaled, unit) = scale(value, from, to);
    let mut text = format!("{scaled:.2}");
    if text.ends_with(".00") {
        text.truncate(text.len() - 3);
    }
    if text == "0" || text == "-0" {
        return "0".into();
    }
    text.push_str(&unit);
    text
}

/// The share of `total` that `value` is, six columns wide.
pub(crate) fn percentage(value: i64, total: i64) -> String {
    let ratio = if total == 0 { 0.0 } else { (value as f64 / total as f64).abs() * 100.0 };
    if (99.95..=100.05).contains(&ratio) {
        "  100%".into()
    } else if ratio >= 1.0 {
        format!("{ratio:5.2}%")
    } else {
        format!("{:>5}%", two_digits(ratio))
    }
}

/// C's `%.2g` for 0 <= `value` < 1.
fn two_digits(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    // Rust's exponent form rounds the exact value as C does: `d.d` and the power of ten after rounding.
    let scientific = format!("{value:.1e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if exponent < -4 {
        let digits = digits.strip_suffix(".0").unwrap_or(digits);
        let mut text = digits.to_owned();
        // Writing to a String cannot fail.
        let _ = write!(text, "e-{:02}", -exponent);
        return text;
    }
    let places = (1 - exponent).max(0) as usize;
    let text = format!("{value:.places$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_percentages_like_c() {
        for (value, total, expected) in [
            (0, 10, "    0%"),
            (1, 3, "33.33%"),
            (1000, 1000, "  100%"),
            (5, 1000, "  0.5%"),
            (37, 100_000, "0.037%"),
            (1, 100_000_000, "1e-06%"),
            (123, 10_000_000_000, "1.2e-06%"),
            (9999, 1_000_000, "    1%"),
        ] {
            assert_eq!(percentage(value, total), expected, "{value} of {total}");
        }
    }

    #[test]
    fn scales_units() {
        assert_eq!(label(1_536, "bytes"), "1.50kB");
        assert_eq!(scaled_label(-2_097_152, "bytes", "MB"), "-2MB");
        assert_eq!(label(90_000_000_000, "nanoseconds"), "90s");
        assert_eq!(label(7, "count"), "7");
        assert_eq!(scaled_label(1, "bytes", "GB"), "0");
    }
}
