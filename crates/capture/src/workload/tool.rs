//! Finds the tools that drivers use.

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use super::WorkloadError;

/// A tool: named by its variable, in `PATH`, or at one of `places`.
pub(crate) fn find(name: &str, variable: &str, places: &[PathBuf]) -> Option<PathBuf> {
    let named = std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    if named.is_some() {
        return named;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let in_path = std::env::split_paths(&path).map(|folder| folder.join(name));
    in_path.chain(places.iter().cloned()).find(|path| path.is_file())
}

/// A port of this machine that nobody listens on now.
pub(crate) fn free_port() -> Result<u16, WorkloadError> {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    Ok(listener.map_err(|error| WorkloadError::broken(format!("no free port: {error}")))?.port())
}

/// A script that is there.
pub(crate) fn script(text: &str, what: &str) -> Result<PathBuf, WorkloadError> {
    let path = Path::new(text);
    if path.is_file() {
        return Ok(path.to_owned());
    }
    Err(WorkloadError::spec(what, format!("no file `{text}`"), "check the path; it counts from the working directory"))
}
