//! Snapshots of `tracemalloc`, as `Snapshot.dump` writes them.

use std::fmt::Write as _;
use std::path::Path;

use brimline_analysis::aggregate::Attribution;
use brimline_profile::formats::tracemalloc;

use super::{Kind, Numbers};
use crate::quantity::count;
use crate::refusal::usage;

/// Row of [`super::KINDS`].
pub(super) struct Tracemalloc;

impl Kind for Tracemalloc {
    fn name(&self) -> &'static str {
        "tracemalloc"
    }

    fn sniff(&self, bytes: &[u8]) -> bool {
        tracemalloc::is_pickle(bytes)
    }

    fn check(&self, bytes: &[u8], path: &Path) -> anyhow::Result<()> {
        self.numbers(bytes, path).map(drop)
    }

    fn numbers(&self, bytes: &[u8], path: &Path) -> anyhow::Result<Numbers> {
        let snapshot = tracemalloc::read(bytes).map_err(|error| {
            usage(
                format!("failed to read `{}` as a snapshot of tracemalloc: {error}", path.display()),
                "no pickle is ever executed here: it must be what `tracemalloc.take_snapshot().dump(file)` wrote",
            )
        })?;
        let mut about = format!(
            "tracemalloc snapshot, {} traces of up to {}",
            count(snapshot.traces as i64),
            if snapshot.traceback_limit == 1 {
                "1 frame".to_owned()
            } else {
                format!("{} frames", snapshot.traceback_limit)
            },
        );
        if snapshot.cut > 0 && snapshot.traceback_limit > 1 {
            let _ = write!(about, " ({} were deeper)", count(snapshot.cut as i64));
        }
        about.push_str("; functions are not in it");
        Ok(Numbers {
            profile: snapshot.profile,
            measured: [true, true, false, false, false, false],
            about,
            warnings: Vec::new(),
            cumulative: Attribution::EveryFrame,
        })
    }
}
