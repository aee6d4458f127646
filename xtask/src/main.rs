//! Development tasks: `cargo xtask tidy|bless|soak|offsets|debian-python`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command talks to its user")]

mod commands;
mod debian_python;
mod offsets;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};

const USAGE: &str = "usage: cargo xtask <task>

  tidy    check what the compiler does not: crate edges, names, sizes, paths, licences, docs, reasons for `unsafe`
  bless   run the tests and write what they produced over the golden files
  soak    the long versions of the end-to-end tests: 100 kills, 1,000 forks, 10 races
  offsets PYTHON… [--write]   compare (or renew) the tracker's interpreter offsets with the headers of interpreters
  debian-python VERSION…      run the end-to-end tests on interpreters of a later Debian, such as 3.14";

fn main() -> ExitCode {
    let task = std::env::args().nth(1);
    let result = match task.as_deref() {
        Some("tidy") => root().and_then(|root| tidy::run(&root)),
        Some("bless") => root().and_then(|root| commands::bless(&root)),
        Some("offsets") => {
            let arguments: Vec<String> = std::env::args().skip(2).collect();
            let write = arguments.iter().any(|argument| argument == "--write");
            let pythons: Vec<_> = arguments.into_iter().filter(|argument| !argument.starts_with('-')).collect();
            root().and_then(|root| offsets::run(&root, &pythons, write))
        }
        Some("debian-python") => {
            let versions: Vec<String> = std::env::args().skip(2).collect();
            root().and_then(|root| debian_python::run(&root, &versions))
        }
        Some("soak") => root().and_then(|root| commands::soak(&root)),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// The workspace's folder: the parent of this crate's.
fn root() -> Result<PathBuf> {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").context("start me with `cargo xtask`")?;
    Ok(PathBuf::from(manifest).parent().context("xtask lies in the workspace")?.to_path_buf())
}
