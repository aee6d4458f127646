//! The JSON answers of `report` and `diff`, as far as tests read them.
use std::collections::BTreeMap;

use serde_json::Value;

/// Live and total figures of one line or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) live_bytes: i64,
    pub(crate) live_count: i64,
    pub(crate) peak_bytes: i64,
    pub(crate) total_bytes: i64,
    pub(crate) total_count: i64,
}

impl Figures {
    fn read(value: &Value) -> Self {
        let number = |key: &str| value[key].as_i64().unwrap_or_else(|| panic!("`{key}` is no integer in {value}"));
        Self {
            live_bytes: number("live_bytes"),
            live_count: number("live_count"),
            peak_bytes: number("peak_bytes"),
            total_bytes: number("total_bytes"),
            total_count: number("total_count"),
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.live_bytes += other.live_bytes;
        self.live_count += other.live_count;
        self.peak_bytes += other.peak_bytes;
        self.total_bytes += other.total_bytes;
        self.total_count += other.total_count;
    }
}

/// A report by line.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) totals: Figures,
    pub(crate) json: Value,
}

impl Report {
    pub(crate) fn parse(text: &str) -> Self {
        let json: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error} in:\n{text}"));
        assert_eq!(json.as_object().and_then(|object| object.keys().next()).map(String::as_str), Some("schema"));
        assert_eq!(json["schema"], "brimline.report/1");
        Self { totals: Figures::read(&json["totals"]), json }
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &Value> {
        self.json["rows"].as_array().expect("rows").iter()
    }

    /// Sums by line of all files whose name ends with `file`.
    pub(crate) fn lines(&self, file: &str) -> BTreeMap<u64, Figures> {
        let mut lines = BTreeMap::<u64, Figures>::new();
        for row in self.rows().filter(|row| row["file"].as_str().is_some_and(|name| name.ends_with(file))) {
            lines.entry(row["line"].as_u64().unwrap_or(0)).or_default().add(Figures::read(row));
        }
        lines
    }

    /// The line of `file` that contains `text`, in the script `source`.
    #[track_caller]
    pub(crate) fn line_with(&self, file: &str, source: &str, text: &str) -> Figures {
        self.lines(file).get(&line_number(source, text)).copied().unwrap_or_default()
    }

    /// Sum over all rows.
    pub(crate) fn sum(&self) -> Figures {
        let mut sum = Figures::default();
        self.rows().for_each(|row| sum.add(Figures::read(row)));
        sum
    }
}

/// Number of the one line that contains `text`.
#[track_caller]
pub(crate) fn line_number(source: &str, text: &str) -> u64 {
    let found: Vec<usize> =
        source.lines().enumerate().filter(|(_, line)| line.contains(text)).map(|(n, _)| n + 1).collect();
    assert_eq!(found.len(), 1, "`{text}` is on lines {found:?}");
    found[0] as u64
}
