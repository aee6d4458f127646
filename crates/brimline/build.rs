//! Builds the tracker, the library that is loaded into other programs, and names the result for `include_bytes!`.
//!
//! It is a crate of its own with a profile of its own (abort on panic, one codegen unit), so a nested cargo builds it
//! into a target folder of its own; the variables that instrument the outer build must not reach it.

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let workspace = manifest.join("../..");
    for watched in ["crates/tracker", "crates/recording", "Cargo.lock", "Cargo.toml"] {
        println!("cargo::rerun-if-changed={}", workspace.join(watched).display());
    }
    let target = out.join("tracker");
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(&workspace)
        .args(["build", "--package", "brimline-tracker", "--profile", "tracker", "--quiet", "--target-dir"])
        .arg(&target)
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .status()
        .expect("cargo starts");
    assert!(status.success(), "the tracker could not be built: {status}");
    let library = target.join("tracker/libbrimline_tracker.so");
    assert!(library.is_file(), "expected the tracker at {}", library.display());
    println!("cargo::rustc-env=BRIMLINE_TRACKER={}", library.display());
}
