//! Packages that bring an allocator of their own inside their wheels. It takes memory from the kernel in large pieces,
//! and those are all that the tracker sees of it: right in sum, coarse by line.

use std::collections::HashSet;

use brimline_profile::{FrameId, Profile, value};

/// A package with its own allocator.
#[derive(Debug)]
pub(crate) struct Package {
    /// Name of the module and of its folder.
    pub(crate) name: &'static str,
    /// Which allocator, and how each block can be counted after all.
    pub(crate) advice: &'static str,
}

/// Tried with pyarrow 26.0 and polars 2.1.
pub(crate) static PACKAGES: [Package; 2] = [
    Package {
        name: "pyarrow",
        advice: "its buffers come from mimalloc or jemalloc inside the wheel; set ARROW_DEFAULT_MEMORY_POOL=system for \
                 the run, and each counts on its line",
    },
    Package {
        name: "polars",
        advice: "its buffers come from jemalloc inside the wheel, and its releases have no switch for another \
                 allocator; rows of --kind mmap are what it holds from the kernel",
    },
];

/// Mappings smaller than this in sum say nothing about where memory goes.
const NOTEWORTHY: i64 = 1 << 20;

/// One line for each such package that the program used and that may have taken part of its memory as mappings.
pub(crate) fn notes(profile: &Profile) -> Vec<String> {
    let used: Vec<&Package> = PACKAGES
        .iter()
        .filter(|package| {
            let folder = format!("/{}/", package.name);
            profile.functions.iter().any(|function| profile.strings.get(function.file).contains(&folder))
        })
        .collect();
    if used.is_empty() || mapped_after_import(profile) < NOTEWORTHY {
        return Vec::new();
    }
    used.into_iter()
        .map(|package| format!("coarse: {} is counted by the mappings that it takes: {}", package.name, package.advice))
        .collect()
}

/// Bytes ever mapped by running code. What libraries map while they are loaded (tables, thread stacks) is no buffer.
fn mapped_after_import(profile: &Profile) -> i64 {
    let mut importing = HashSet::new();
    for (index, function) in profile.functions.iter().enumerate() {
        if profile.strings.get(function.file).starts_with("<frozen importlib") {
            importing.insert(index as u32);
        }
    }
    let is_import = |frame: FrameId| importing.contains(&profile.frames[frame.0 as usize].function.0);
    profile
        .samples()
        .filter(|(sample, _)| profile.label(sample.labels, "kind") == Some("mmap"))
        .filter(|(sample, _)| profile.frames_of(sample.stack).next().is_some_and(|frame| !is_import(frame)))
        .map(|(_, values)| values[value::TOTAL_BYTES])
        .sum()
}
