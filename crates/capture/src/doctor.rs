//! What is here and what would work: plain data for `brimline doctor`.

use std::fs;
use std::path::Path;

use crate::cgroup::memory_limit;
use crate::file_system::free_bytes;
use crate::interpreters::interpreters;
pub use crate::interpreters::{Python, Support};

/// The state of this machine and working directory.
#[derive(Clone, Debug, PartialEq)]
pub struct Doctor {
    /// Interpreters: the active environment's, the folder's own, those on `PATH`, those of pyenv, uv and conda.
    pub pythons: Vec<Python>,
    /// The control group's memory limit.
    pub memory_limit_bytes: Option<u64>,
    /// Memory of the machine.
    pub physical_memory_bytes: Option<u64>,
    /// Yama's setting; `None` where there is no Yama, so that attaching needs the same user only.
    pub ptrace_scope: Option<u8>,
    /// Room for runs.
    pub store_free_bytes: Option<u64>,
    /// Room for temporary files.
    pub temporary_free_bytes: Option<u64>,
    /// `x86_64`, `aarch64`.
    pub architecture: &'static str,
    /// Linux release.
    pub kernel: Option<String>,
}

/// Looks around; `store` is where runs would be kept, `packages` are those whose presence matters.
pub fn inspect(store: &Path, packages: &[&str]) -> Doctor {
    Doctor {
        pythons: interpreters(packages),
        memory_limit_bytes: memory_limit(),
        physical_memory_bytes: crate::proc_files::physical_memory(),
        ptrace_scope: read("/proc/sys/kernel/yama/ptrace_scope").and_then(|text| text.parse().ok()),
        store_free_bytes: free_bytes(store),
        temporary_free_bytes: free_bytes(&std::env::temp_dir()),
        architecture: std::env::consts::ARCH,
        kernel: read("/proc/sys/kernel/osrelease"),
    }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}
