//! `brimline.pprof/1`: one row per place; with a base also before, after and what sampling alone can explain.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::io::Write;

use super::call_tree::{Pair, add, pair_of};
use super::{Report, ReportError};
use crate::graph::Skeleton;

/// Standard errors of a normal distribution that 95 % of the cases stay within.
const CONFIDENCE: f64 = 1.96;

/// Sums of one place.
#[derive(Default)]
struct Row {
    flat: Pair,
    cum: Pair,
    /// Variance of flat before plus that of flat after.
    variance: f64,
}

impl Report<'_, '_> {
    pub(super) fn json(&mut self, out: &mut dyn Write) -> Result<(), ReportError> {
        self.trim_files();
        let compared = self.options.compared;
        let skeleton = Skeleton::new(self.view, false);
        let names = skeleton.names();
        let sampling = Sampling::of(self);
        let mut rows: HashMap<u32, Row> = HashMap::new();
        let mut total: Pair = [0, 0];
        let mut seen = HashSet::new();
        self.view.samples.for_each(|sample| {
            let pair = pair_of(self.view, sample, self.options.value);
            add(&mut total, pair);
            seen.clear();
            let mut places = sample.locations.iter().flat_map(|&location| skeleton.places(location));
            if let Some(&leaf) = places.clone().next() {
                let row = rows.entry(leaf).or_default();
                add(&mut row.flat, pair);
                row.variance += sampling.as_ref().map_or(0.0, |sampling| sampling.variance(sample.values));
            }
            for &place in &mut places {
                if seen.insert(place) {
                    add(&mut rows.entry(place).or_default().cum, pair);
                }
            }
        });
        let delta = |[before, after]: Pair| after.saturating_sub(before);
        let mut rows: Vec<(u32, Row)> =
            rows.into_iter().filter(|(_, row)| row.flat != [0, 0] || row.cum != [0, 0]).collect();
        rows.sort_by_key(|(place, row)| {
            let (first, last) = if self.options.cum_sort { (row.cum, row.flat) } else { (row.flat, row.cum) };
            (std::cmp::Reverse(delta(first)), std::cmp::Reverse(delta(last)), &names[*place as usize])
        });
        let most = usize::try_from(self.options.node_count).ok().filter(|&count| count > 0).unwrap_or(usize::MAX);
        let mut head = format!(
            "{{\"schema\":\"brimline.pprof/1\",\"type\":{},\"unit\":{}",
            quoted(&self.options.sample_type),
            quoted(&self.options.sample_unit)
        );
        // Writing to a String cannot fail.
        let _ = if compared {
            write!(head, ",\"before\":{},\"after\":{},\"delta\":{}", total[0], total[1], delta(total))
        } else {
            write!(head, ",\"total\":{}", total[1])
        };
        write!(out, "{head},\n\"rows\":[")?;
        for (index, (place, row)) in rows.iter().take(most).enumerate() {
            let mut text = format!("{{\"name\":{}", quoted(&names[*place as usize]));
            if compared {
                let error = sampling.as_ref().map(|_| row.variance.sqrt());
                let _ = write!(
                    text,
                    ",\"before\":{},\"after\":{},\"delta\":{},\"cum_before\":{},\"cum_after\":{},\"cum_delta\":{},\"state\":\"{}\"",
                    row.flat[0],
                    row.flat[1],
                    delta(row.flat),
                    row.cum[0],
                    row.cum[1],
                    delta(row.cum),
                    state(row)
                );
                let _ = match error {
                    Some(error) => write!(
                        text,
                        ",\"standard_error\":{},\"within_noise\":{}",
                        error.round() as i64,
                        (delta(row.flat) as f64).abs() <= CONFIDENCE * error
                    ),
                    None => write!(text, ",\"standard_error\":null,\"within_noise\":null"),
                };
            } else {
                let _ = write!(text, ",\"flat\":{},\"cum\":{}", row.flat[1], row.cum[1]);
            }
            write!(out, "{}{text}}}", if index == 0 { "\n" } else { ",\n" })?;
        }
        writeln!(out, "\n]}}")?;
        Ok(())
    }
}

fn state(row: &Row) -> &'static str {
    let [before, after] = if row.flat == [0, 0] { row.cum } else { row.flat };
    match (before, after) {
        (before, after) if before == after => "same",
        (0, _) => "new",
        (_, 0) => "gone",
        (before, after) if after > before => "grown",
        _ => "shrunk",
    }
}

/// How a heap profile was sampled: one allocation in about `period` bytes, each counted at the inverse of its chance.
struct Sampling {
    period: f64,
    bytes: usize,
    count: usize,
    /// Whether the column shown is the count.
    counts: bool,
}

impl Sampling {
    /// `None` for profiles that are exact, or whose sampling says nothing about the column shown.
    fn of(report: &Report<'_, '_>) -> Option<Self> {
        let view = &*report.view;
        if view.period_type.unit != "bytes" || view.period <= 1 || report.options.mean {
            return None;
        }
        let shown = view.sample_types[report.options.value].name.as_str();
        let (kind, counts) = match (shown.strip_suffix("space"), shown.strip_suffix("objects")) {
            (Some(kind), _) => (kind, false),
            (_, Some(kind)) => (kind, true),
            _ => return None,
        };
        let find = |last: &str| view.sample_types.iter().position(|kind_of| kind_of.name == format!("{kind}{last}"));
        Some(Self { period: view.period as f64, bytes: find("space")?, count: find("objects")?, counts })
    }

    /// Variance of the value of one stack. N blocks of size s, each seen with chance p = 1 - exp(-s/period) and
    /// counted 1/p times: N (1-p)/p for the count, that times s² for the bytes.
    fn variance(&self, values: &[i64]) -> f64 {
        let (bytes, count) = (values[self.bytes].unsigned_abs() as f64, values[self.count].unsigned_abs() as f64);
        if bytes == 0.0 || count == 0.0 {
            return 0.0;
        }
        let size = bytes / count;
        let seen = -(-size / self.period).exp_m1();
        let of_count = count * (1.0 - seen) / seen;
        if self.counts { of_count } else { of_count * size * size }
    }
}

/// A string of JSON, RFC 8259 section 7; control characters and what would end a script element escaped.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        let _ = match c {
            '"' | '\\' => write!(out, "\\{c}"),
            c if c.is_control() || matches!(c, '<' | '\u{2028}' | '\u{2029}') => write!(out, "\\u{:04x}", c as u32),
            c => write!(out, "{c}"),
        };
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_small_blocks_is_that_of_a_poisson_count() {
        let sampling = Sampling { period: 524_288.0, bytes: 0, count: 1, counts: false };
        // A million blocks of 64 bytes: about 122 samples expected, so a relative error of 1/sqrt(122).
        let error = sampling.variance(&[64_000_000, 1_000_000]).sqrt() / 64_000_000.0;
        assert!((error - 1.0 / 122.07_f64.sqrt()).abs() < 1e-3, "{error}");
        // Blocks far above the period are always seen.
        assert!(sampling.variance(&[100 << 20, 1]) < 1e-3);
        assert_eq!(quoted("a\"\\\u{1}</b>"), "\"a\\\"\\\\\\u0001\\u003c/b>\"");
    }
}
