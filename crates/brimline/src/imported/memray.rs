//! Captures of memray.

use std::path::Path;

use brimline_analysis::aggregate::Attribution;
use brimline_profile::formats::memray;

use super::{Kind, Numbers};
use crate::refusal::usage;

/// Row of [`super::KINDS`].
pub(super) struct Memray;

impl Kind for Memray {
    fn name(&self) -> &'static str {
        "memray"
    }

    fn sniff(&self, bytes: &[u8]) -> bool {
        memray::is_capture(bytes)
    }

    fn check(&self, bytes: &[u8], path: &Path) -> anyhow::Result<()> {
        self.numbers(bytes, path).map(drop)
    }

    fn numbers(&self, bytes: &[u8], path: &Path) -> anyhow::Result<Numbers> {
        let decoded = memray::read(bytes).map_err(|error| {
            let hint = match error {
                memray::MemrayError::Version { .. } => "record again with memray 1.10 to 1.20, or with `brimline run`",
                _ => "the file is damaged or was cut in its header; record again",
            };
            usage(format!("failed to read `{}` as a capture of memray: {error}", path.display()), hint)
        })?;
        let capture = decoded.value;
        let mut about = format!("memray capture, format {} of `{}`", capture.version, capture.command_line);
        match capture.has_python_allocators {
            Some(true) => {}
            Some(false) => about.push_str("; without Python's small objects (--trace-python-allocators was not given)"),
            None => about.push_str("; with Python's small objects only if --trace-python-allocators was given"),
        }
        if capture.has_native_frames {
            about.push_str("; its native frames are left out");
        }
        let known = !capture.is_aggregated;
        if capture.is_aggregated {
            about.push_str("; aggregated: total bytes and blocks are not in it");
        }
        Ok(Numbers {
            profile: capture.profile,
            measured: [true, true, true, true, known, known],
            about,
            warnings: decoded.warnings,
            cumulative: Attribution::Cumulative,
        })
    }
}
