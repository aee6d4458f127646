//! Go programs: told by their build information, captured through the profiles they serve.
//!
//! [`Recorder`] follows the Go processes of a run, finds their endpoints and captures them by time; [`capture_targets`]
//! captures now, from any process. Profiles are kept as the runtime wrote them; nothing here reads them.

mod build_info;
mod command;
mod end_captures;
mod endpoint;
mod inspect;
mod overlay;
mod recorder;
pub(crate) mod sockets;
mod take;
mod thinning;

pub use build_info::BuildInfo;
pub use endpoint::{Endpoint, EndpointError};
pub use inspect::{GoProcess, find_process, inspect, running};
pub use sockets::Listener;

pub(crate) use command::with_captures;
pub(crate) use end_captures::collect;
pub(crate) use recorder::{GoEvent, GoRecorder, GoState};
pub(crate) use sockets::listeners;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use brimline_store::go_capture::{self, GoTarget, SUFFIX};
use brimline_store::{RunFolder, RunName, SnapshotFile, StoreError, Timestamp, private_file};

use crate::http::Url;
use crate::launch;
use crate::proc_files;
use take::{Depth, Occasion, take};

/// Where the package `brimline` serves, on its socket.
const PACKAGE_BASE: &str = "/brimline";
/// Tells the package where to put its socket.
pub(crate) const SOCKETS_VARIABLE: &str = "BRIMLINE_GO_SOCKETS";
/// Tells programs where to keep a capture of their own.
pub(crate) const CAPTURES_VARIABLE: &str = "BRIMLINE_GO_CAPTURES";

/// What asks for the capture before a signal is passed on.
const BEFORE_SIGNAL: &str = "end";

/// What the user said about Go programs.
#[derive(Clone, Debug, Default)]
pub struct GoPlan {
    /// The endpoint, where it is not to be searched.
    pub endpoint: Option<Url>,
    /// Accept any certificate.
    pub insecure: bool,
    /// Leave Go programs alone: no endpoint is asked.
    pub off: bool,
}

/// The folder in a run where sockets of the package lie.
pub(crate) fn sockets_path(folder: &RunFolder) -> PathBuf {
    folder.path().join("go")
}

/// Whether a command starts a Go program: one itself, `go run` or `go test`.
pub fn is_go_command(command: &[OsString]) -> bool {
    let path = command.first().and_then(|program| launch::find(program));
    path.is_some_and(|path| BuildInfo::read(&path).is_some())
}

/// Targets of a run that are alive.
pub(crate) fn living_targets(folder: &RunFolder) -> Vec<GoTarget> {
    let mut targets = go_capture::targets(folder);
    targets.retain(|target| target.pid == 0 || is_same(target));
    targets
}

fn is_same(target: &GoTarget) -> bool {
    let alive = |stat: &proc_files::Stat| !matches!(stat.state, b'Z' | b'X');
    proc_files::stat(target.pid).filter(alive).is_some_and(|stat| stat.start_ticks == target.start_ticks)
}

/// Captures `targets` at once into a snapshot's folder.
pub(crate) fn capture_targets(
    targets: &[GoTarget],
    snapshot: &Path,
    name: &RunName,
    trigger: &str,
) -> Result<Vec<SnapshotFile>, StoreError> {
    let capture = |target: &GoTarget| {
        let file = format!("{}-{}{SUFFIX}", target.pid, Timestamp::now().0);
        let path = snapshot.join(&file);
        private_file::create_folder(&path)?;
        let occasion = Occasion { name: Some(name), trigger, depth: Depth::Asked };
        let record = take(target, &path, &occasion)?;
        Ok(SnapshotFile { pid: target.pid, file, collected: record.collected })
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = targets.iter().map(|target| scope.spawn(move || capture(target))).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    })
}
