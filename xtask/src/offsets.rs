//! `cargo xtask offsets`: the tracker's table of interpreter offsets, checked against an interpreter's own headers.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

const TABLE: &str = "crates/tracker/src/layout311.rs";
const PROBE: &str = include_str!("offsets.c");

/// Compiles and runs the probe with the headers of `python` and compares each number with the committed one; with
/// `write` puts the numbers into the table. True if nothing differs (any more).
pub(crate) fn run(root: &Path, python: &str, write: bool) -> Result<bool> {
    let found = probe(python)?;
    let path = root.join(TABLE);
    let mut table = std::fs::read_to_string(&path).with_context(|| format!("failed to read {TABLE}"))?;
    let mut differing = 0;
    for (name, value) in &found {
        let (start, end) = number(&table, name).with_context(|| format!("expected `{name}` in {TABLE}"))?;
        if table[start..end] != *value {
            println!("{name}: {TABLE} has {}, the headers of {python} say {value}", &table[start..end]);
            table.replace_range(start..end, value);
            differing += 1;
        }
    }
    println!("{} numbers compared with the headers of {python}, {differing} differed", found.len());
    if write && differing > 0 {
        std::fs::write(&path, table).with_context(|| format!("failed to write {TABLE}"))?;
        return Ok(true);
    }
    Ok(differing == 0)
}

/// Where the number of constant `name` stands in the table.
fn number(table: &str, name: &str) -> Option<(usize, usize)> {
    let at = table.find(&format!("const {name}: "))?;
    let start = at + table[at..].find("= ")? + 2;
    Some((start, start + table[start..].find(';')?))
}

fn probe(python: &str) -> Result<BTreeMap<String, String>> {
    let headers = output(Command::new(python).args(["-c", "import sysconfig; print(sysconfig.get_path('include'))"]))?;
    let folder = std::env::temp_dir().join(format!("brimline-offsets-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    let (source, program) = (folder.join("offsets.c"), folder.join("offsets"));
    let result = std::fs::write(&source, PROBE).map_err(Into::into).and_then(|()| {
        output(Command::new("cc").arg(format!("-I{}", headers.trim())).arg(&source).arg("-o").arg(&program))?;
        output(&mut Command::new(&program))
    });
    std::fs::remove_dir_all(&folder)?;
    let lines = result?;
    let pairs = lines.lines().filter_map(|line| line.split_once(' '));
    Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("failed to start {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
