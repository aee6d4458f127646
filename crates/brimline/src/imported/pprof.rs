//! pprof files, of any maker and age.

use std::fmt::Write as _;
use std::path::Path;

use brimline_analysis::aggregate::Attribution;
use brimline_pprof::{Limits, View, inflate};
use brimline_profile::{Precision, Profile, ProfileBuilder, ValueType, value};

use super::{COLUMNS, Kind, Numbers};
use crate::quantity::bytes as amount;
use crate::refusal::usage;

/// Row of [`super::KINDS`].
pub(super) struct Pprof;

impl Kind for Pprof {
    fn name(&self) -> &'static str {
        "pprof"
    }

    fn sniff(&self, bytes: &[u8]) -> bool {
        // Gzip, or profile.proto's first field; the legacy texts are recognised by reading them.
        bytes.starts_with(&[0x1f, 0x8b]) || bytes.first() == Some(&0x0a)
    }

    fn check(&self, bytes: &[u8], path: &Path) -> anyhow::Result<()> {
        with_view(bytes, path, |_| Ok(()))
    }

    fn numbers(&self, bytes: &[u8], path: &Path) -> anyhow::Result<Numbers> {
        with_view(bytes, path, |view| numbers(view, path))
    }
}

fn with_view<T>(bytes: &[u8], path: &Path, then: impl FnOnce(&View<'_>) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let refused = |error: brimline_pprof::ReadError| {
        usage(
            format!("failed to read `{}` as a recording or a pprof profile: {error}", path.display()),
            "`brimline import --help` lists what can be read; record or download the file again if it should be one",
        )
    };
    let plain = inflate(bytes, Limits::default()).map_err(refused)?;
    let view = View::read(&plain).map_err(refused)?;
    then(&view)
}

/// The column of a run that a sample type is about, by the names that Go, Node, C++ and this program write.
fn column(name: &str) -> Option<usize> {
    Some(match name {
        "live_bytes" | "inuse_space" | "space" => value::LIVE_BYTES,
        "live_count" | "inuse_objects" | "objects" | "goroutine" | "goroutineleak" => value::LIVE_COUNT,
        "peak_bytes" => value::PEAK_BYTES,
        "peak_count" => value::PEAK_COUNT,
        "total_bytes" | "alloc_space" => value::TOTAL_BYTES,
        "total_count" | "alloc_objects" => value::TOTAL_COUNT,
        _ => return None,
    })
}

fn numbers(view: &View<'_>, path: &Path) -> anyhow::Result<Numbers> {
    let mut measured = [false; COLUMNS];
    let mut pairs = Vec::new();
    for (from, kind) in view.sample_types.iter().enumerate() {
        if let Some(to) = column(&kind.name).filter(|&to| !measured[to]) {
            measured[to] = true;
            pairs.push((from, to));
        }
    }
    if pairs.is_empty() {
        let found: Vec<&str> = view.sample_types.iter().map(|kind| kind.name.as_str()).collect();
        return Err(usage(
            format!("expected a profile of memory in `{}`, found sample types {}", path.display(), found.join(", ")),
            format!("brimline pprof -top {}", path.display()),
        ));
    }
    let profile = Profile::from(view);
    let mut builder = ProfileBuilder::new(ValueType::tracked(), Precision::Exact);
    builder.append_columns(&profile, &pairs);
    let mut tracked = builder.finish();
    let mut about = "pprof profile".to_owned();
    if let Precision::Sampled { period } = profile.precision {
        let _ = write!(
            about,
            ", one allocation in about {} sampled: numbers with their 95 % intervals",
            amount(period as i64)
        );
        tracked = with_variances(&tracked, period);
    }
    Ok(Numbers { profile: tracked, measured, about, warnings: Vec::new(), cumulative: Attribution::Cumulative })
}

/// Adds the variances that follow from the sampling: of N blocks of size s each was seen with chance
/// p = 1 - exp(-s/period) and counted 1/p times, so the count varies by N (1-p)/p and the bytes by s² times that.
fn with_variances(profile: &Profile, period: u64) -> Profile {
    let mut builder = ProfileBuilder::new(ValueType::sampled(), Precision::Sampled { period });
    let same: Vec<(usize, usize)> = (0..COLUMNS).map(|column| (column, column)).collect();
    builder.append_columns(profile, &same);
    // Stacks keep their ids: they are added in the same order to an empty profile.
    for (sample, values) in profile.samples() {
        let mut row = vec![0; 2 * COLUMNS];
        for (in_bytes, in_blocks) in [
            (value::LIVE_BYTES, value::LIVE_COUNT),
            (value::PEAK_BYTES, value::PEAK_COUNT),
            (value::TOTAL_BYTES, value::TOTAL_COUNT),
        ] {
            let (bytes, blocks) = (values[in_bytes] as f64, values[in_blocks] as f64);
            if bytes <= 0.0 || blocks <= 0.0 {
                continue;
            }
            let size = bytes / blocks;
            let seen = -(-size / period as f64).exp_m1();
            let of_blocks = blocks * (1.0 - seen) / seen;
            row[in_bytes + value::VARIANCE] = (of_blocks * size * size / period as f64) as i64;
            row[in_blocks + value::VARIANCE] = (of_blocks * value::COUNT_VARIANCE_UNIT as f64) as i64;
        }
        let labels: Vec<_> = profile.labels(sample.labels).collect();
        let labels = builder.label_set(&labels);
        builder.add(sample.stack, labels, &row);
    }
    builder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_a_go_heap_profile_are_those_of_a_run() {
        let types = ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"];
        let types = types.map(|name| ValueType { name: name.into(), unit: "bytes".into() });
        let mut builder = ProfileBuilder::new(types.into(), Precision::Sampled { period: 524_288 });
        let function = builder.function("main.f", "f.go", 1);
        let frame = builder.frame(function, 3);
        let stack = builder.stack(brimline_profile::StackId::ROOT, frame);
        let labels = builder.label_set(&[]);
        builder.add(stack, labels, &[10, 1000, 2, 200]);
        let file = brimline_pprof::encode(&builder.finish());
        let read = Pprof.numbers(&file, Path::new("heap.pb.gz")).unwrap();
        let totals = read.profile.totals();
        assert_eq!(totals[..6], [200, 2, 0, 0, 1000, 10]);
        // Two blocks of 100 bytes, each seen with chance 1.9e-4: 2 * 5242 blocks², 100² times that in bytes².
        assert_eq!(totals[value::LIVE_COUNT + value::VARIANCE] / value::COUNT_VARIANCE_UNIT, 10_484);
        assert_eq!(totals[value::LIVE_BYTES + value::VARIANCE], 10_484 * 10_000 / 524_288);
        assert_eq!(read.measured, [true, true, false, false, true, true]);
    }
}
