//! `cargo xtask debian-python 3.14 …`: the tests on interpreters that only a later Debian has.
//!
//! Its files are unpacked below the user's cache folder by debootstrap, and the interpreter is made to use the C library
//! that came with it (patchelf), so that it runs beside everything else, without a chroot. Needs root.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::offsets;

const SUITE: &str = "sid";
const MIRROR: &str = "http://deb.debian.org/debian";
const REQUIREMENTS: &str = "crates/brimline/tests/requirements.txt";

/// Unpacks, checks the offsets against the headers, and runs the end-to-end tests on each of `versions`.
pub(crate) fn run(root: &Path, versions: &[String]) -> Result<bool> {
    if versions.is_empty() {
        bail!("expected versions such as 3.14");
    }
    let home = std::env::var_os("HOME").context("HOME is not set")?;
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(|| Path::new(&home).join(".cache"), PathBuf::from);
    let cache = cache.join("brimline-tests");
    let debian = cache.join(format!("debian-{SUITE}"));
    unpack(&debian, versions)?;
    let (mut pythons, mut venvs, mut headers) = (Vec::new(), Vec::new(), Vec::new());
    for version in versions {
        let python = debian.join(format!("usr/bin/python{version}"));
        let venv = cache.join(format!("debian-{SUITE}-{version}"));
        if !venv.join(".complete").exists() {
            make_venv(root, &python, &venv)?;
        }
        headers.push(debian.join(format!("usr/include/python{version}")).display().to_string());
        pythons.push(python.display().to_string());
        venvs.push(venv.display().to_string());
    }
    if !offsets::run(root, &headers, false)? {
        return Ok(false);
    }
    let mut tests = Command::new("cargo");
    tests.args(["test", "--package", "brimline", "--test", "it"]).current_dir(root);
    tests.env("BRIMLINE_TEST_PYTHONS", pythons.join(":")).env("BRIMLINE_TEST_VENVS", venvs.join(":"));
    Ok(tests.status().context("failed to start cargo")?.success())
}

/// Everything the interpreters need, once.
fn unpack(debian: &Path, versions: &[String]) -> Result<()> {
    let wanted: Vec<&String> =
        versions.iter().filter(|version| !debian.join(format!("usr/include/python{version}")).exists()).collect();
    if wanted.is_empty() {
        return Ok(());
    }
    checked(Command::new("apt-get").args([
        "install",
        "-q",
        "-y",
        "--no-install-recommends",
        "debootstrap",
        "patchelf",
    ]))?;
    if !debian.join("usr").exists() {
        std::fs::create_dir_all(debian)?;
        checked(Command::new("debootstrap").args(["--variant=minbase", SUITE]).arg(debian).arg(MIRROR))?;
    }
    let mut install = Command::new("chroot");
    install.arg(debian).args(["apt-get", "install", "-q", "-y", "--no-install-recommends"]);
    for version in &wanted {
        install.args([format!("python{version}"), format!("libpython{version}-dev")]);
    }
    checked(&mut install)?;
    let libraries =
        ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"].map(|path| debian.join(path).display().to_string());
    for version in wanted {
        let mut patch = Command::new("patchelf");
        patch.arg("--set-interpreter").arg(debian.join("lib64/ld-linux-x86-64.so.2"));
        // Extension modules find their libraries by this path too.
        patch.args(["--force-rpath", "--set-rpath", &libraries.join(":")]);
        checked(patch.arg(debian.join(format!("usr/bin/python{version}"))))?;
    }
    Ok(())
}

/// Debian keeps pip apart; that of another interpreter installs here. A package without a wheel for the version is left
/// out, and the tests that need it fail and say so.
fn make_venv(root: &Path, python: &Path, venv: &Path) -> Result<()> {
    checked(Command::new(python).args(["-m", "venv", "--clear", "--without-pip"]).arg(venv))?;
    let list = std::fs::read_to_string(root.join(REQUIREMENTS))?;
    let pip = venv.with_extension("pip");
    checked(Command::new("python3").args(["-m", "venv"]).arg(&pip))?;
    checked(Command::new(pip.join("bin/pip")).args(["install", "-q", "--upgrade", "pip"]))?;
    for package in list.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let mut install = Command::new(pip.join("bin/pip"));
        install.arg("--python").arg(venv.join("bin/python"));
        install.args(["install", "-q", "--disable-pip-version-check", "--only-binary", ":all:", package]);
        if let Err(error) = checked(&mut install) {
            println!("left out: {error:#}");
        }
    }
    std::fs::write(venv.join(".complete"), "").map_err(Into::into)
}

fn checked(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("failed to start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed: {status}");
    }
    Ok(())
}
