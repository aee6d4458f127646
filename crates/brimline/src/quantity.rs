//! Byte counts and numbers as people read them.

/// How a number of bytes or blocks is written.
pub(crate) type Text = fn(i64) -> String;

/// `1536` as `1.5 KiB`; negative values keep their sign.
pub(crate) fn bytes(value: i64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let magnitude = value.unsigned_abs();
    if magnitude < 1024 {
        return format!("{value} B");
    }
    let mut scaled = magnitude as f64 / 1024.0;
    let mut unit = 0;
    while scaled >= 1023.95 && unit + 1 < UNITS.len() {
        scaled /= 1024.0;
        unit += 1;
    }
    format!("{}{scaled:.1} {}", if value < 0 { "-" } else { "" }, UNITS[unit])
}

/// As [`bytes`], with a `+` before growth.
pub(crate) fn delta_bytes(value: i64) -> String {
    if value > 0 { format!("+{}", bytes(value)) } else { bytes(value) }
}

/// `1234567` as `1,234,567`.
pub(crate) fn count(value: i64) -> String {
    let digits = value.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if value < 0 {
        text.push('-');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// As [`count`], with a `+` before growth.
pub(crate) fn delta_count(value: i64) -> String {
    if value > 0 { format!("+{}", count(value)) } else { count(value) }
}

/// Share of `value` in `total`, in percent with one decimal; a dash where there is no total.
pub(crate) fn percent(value: i64, total: i64) -> String {
    if total <= 0 { "–".to_owned() } else { format!("{:.1}%", value as f64 * 100.0 / total as f64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_change_before_four_digits_show() {
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(1024 * 1024 - 1), "1.0 MiB");
        assert_eq!(bytes(-3 * 1024 * 1024), "-3.0 MiB");
        assert_eq!(bytes(i64::MIN), "-8.0 EiB");
    }

    #[test]
    fn groups_of_three() {
        assert_eq!(count(0), "0");
        assert_eq!(count(123), "123");
        assert_eq!(count(-1_234_567), "-1,234,567");
        assert_eq!(delta_count(1000), "+1,000");
        assert_eq!(percent(1, 0), "–");
        assert_eq!(percent(1, 8), "12.5%");
    }
}
