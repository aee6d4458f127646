//! `cargo xtask offsets`: the tracker's table of interpreter offsets, checked against the interpreters' own headers.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

const TABLE: &str = "crates/tracker/src/offsets.rs";
const PROBE: &str = include_str!("offsets.c");

/// Compiles and runs the probe with the headers of each of `pythons` (interpreters, or folders with a `Python.h`) and
/// compares the numbers with the committed row of that version; with `write` puts them there. True if nothing differs
/// (any more).
pub(crate) fn run(root: &Path, pythons: &[String], write: bool) -> Result<bool> {
    let path = root.join(TABLE);
    let mut table = std::fs::read_to_string(&path).with_context(|| format!("failed to read {TABLE}"))?;
    let mut equal = true;
    for python in pythons {
        let row = row(&probe(python)?);
        let head = row.lines().next().context("the probe printed nothing")?;
        let old = find(&table, head);
        if old.clone().is_some_and(|range| squeeze(&table[range]) == squeeze(&row)) {
            println!("{python}: as committed");
            continue;
        }
        equal = false;
        println!("{python}: {TABLE} {}; its headers say\n{row}", if old.is_some() { "differs" } else { "has no row" });
        // A new row goes to the end of the table.
        let range = match old {
            Some(range) => range,
            None => table.rfind("];").map(|end| end..end).with_context(|| format!("expected a table in {TABLE}"))?,
        };
        table.replace_range(range, &row);
    }
    if write && !equal {
        std::fs::write(&path, table).with_context(|| format!("failed to write {TABLE}"))?;
        output(Command::new("rustfmt").arg("--edition=2024").arg(&path))?;
        return Ok(true);
    }
    Ok(equal)
}

/// Where the row that starts with the line `head` stands.
fn find(table: &str, head: &str) -> Option<std::ops::Range<usize>> {
    let start = table.find(head)?;
    Some(start..start + table[start..].find("\n    },\n")? + "\n    },\n".len())
}

fn squeeze(text: &str) -> String {
    text.replace(char::is_whitespace, "").replace(",]", "]")
}

/// The probe's lines as a row: `debug_X` lines become pairs of a place in `_Py_DebugOffsets` and what it must hold.
fn row(lines: &[(String, String)]) -> String {
    let value = |wanted: &str| lines.iter().find(|(name, _)| name == wanted).map_or("0", |(_, value)| value);
    let mut row = format!("    // CPython 3.{}\n    Offsets {{\n", value("minor"));
    for (name, value) in lines.iter().filter(|(name, _)| !name.starts_with("debug_")) {
        row += &format!("        {name}: {value},\n");
    }
    let checks: Vec<_> = lines
        .iter()
        .filter_map(|(name, at)| name.strip_prefix("debug_").map(|name| format!("({at}, {})", value(name))))
        .collect();
    if !checks.is_empty() {
        row += &format!("        debug: &[{}],\n", checks.join(", "));
    }
    row + "        ..ABSENT\n    },\n"
}

fn probe(python: &str) -> Result<Vec<(String, String)>> {
    let headers = if Path::new(python).join("Python.h").exists() {
        PathBuf::from(python)
    } else {
        let script = "import sysconfig; print(sysconfig.get_path('include'))";
        PathBuf::from(output(Command::new(python).args(["-c", script]))?.trim())
    };
    let folder = std::env::temp_dir().join(format!("brimline-offsets-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    let (source, program) = (folder.join("offsets.c"), folder.join("offsets"));
    let result = std::fs::write(&source, PROBE).map_err(Into::into).and_then(|()| {
        let mut compiler = Command::new("cc");
        compiler.arg("-I").arg(&headers).arg("-I").arg(headers.join("internal"));
        // Debian's `pyconfig.h` includes another one by a path below `/usr/include`.
        compiler.arg("-idirafter").arg(headers.parent().unwrap_or(&headers));
        output(compiler.arg(&source).arg("-o").arg(&program))?;
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
