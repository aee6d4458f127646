//! Bytes and blocks per line: live ones equal tracemalloc's where it counts the same thing, and live ones and totals
//! equal those of a counter in C on Python's allocators everywhere.
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use crate::python::{Python, pythons, skip};
use crate::session::{Session, ended};

const MAIN: &str = include_str!("programs/tracemalloc_main.py");
const WORK: &str = include_str!("programs/tracemalloc_work.py");
const DEEP: &str = include_str!("programs/tracemalloc_deep.py");
const PLAIN: &str = include_str!("programs/tracemalloc_plain.py");

/// Figures of a line: live bytes, live blocks, and with the counter in C also total bytes, total blocks.
type Lines = BTreeMap<u64, Vec<i64>>;

/// Builds the counter against the interpreter's own headers, or those of another one of the same version; `None` where
/// none are installed.
fn counter(session: &Session, python: &Python) -> Option<PathBuf> {
    let source = session.write("line_oracle.c", include_str!("programs/line_oracle.c"));
    let library = session.work().join("line_oracle.so");
    let headers = |python: &Python| {
        let script = "import sys, sysconfig; print(sys.version_info[:2], sysconfig.get_paths()['include'], sep='\\n')";
        let answer = ended(&mut session.plain(&python.bare, ["-c", script])).stdout;
        let (version, include) = answer.split_once('\n').expect("two lines");
        (version.to_owned(), PathBuf::from(include.trim()))
    };
    let (version, _) = headers(python);
    pythons().iter().map(headers).filter(|(other, _)| *other == version).find_map(|(_, include)| {
        let mut compiler = Command::new("cc");
        compiler.args(["-O1", "-w", "-shared", "-fPIC", "-pthread", "-I"]).arg(&include);
        compiler.arg("-I").arg(include.join("internal")).arg("-idirafter").arg(include.parent()?);
        compiler.arg("-o").args([&library, &source]);
        (ended(&mut compiler).code() == Some(0)).then(|| library.clone())
    })
}

/// Where a module's functions start: before that it makes its lists and classes, partly from free lists, and with
/// numbers that depend on addresses.
fn first_function(source: &str) -> u64 {
    source.lines().position(|line| line.starts_with("def ")).expect("a function") as u64
}

fn read(answer: &str) -> Lines {
    let numbers = |line: &str| line.split(' ').map(|word| word.parse::<i64>().unwrap()).collect::<Vec<_>>();
    let lines = answer.lines().map(numbers).filter(|row| row[2] != 0 || row.get(4).is_some_and(|total| *total != 0));
    lines.map(|row| (row[0] as u64, row[1..].to_vec())).collect()
}

/// From 3.14 on the interpreter keeps a free list of ints.
fn keeps_free_ints(session: &Session, python: &Python) -> bool {
    let script = "import sys; sys.exit(sys.version_info < (3, 14))";
    ended(&mut session.plain(&python.bare, ["-c", script])).code() == Some(0)
}

/// Runs `module` with an oracle and under brimline, and compares all its lines.
pub(crate) fn compare(python: &Python, module: &str, source: &str, options: &[&str], oracle: &str, columns: usize) {
    let session = Session::new();
    let Some(library) = counter(&session, python) else { return skip("Python's internal headers are not installed") };
    let main = session.write("main.py", MAIN);
    session.write(&format!("{module}.py"), source);
    let answer = session.work().join("answer.txt");
    let arguments = |oracle: &str| [module.into(), library.clone(), answer.clone(), PathBuf::from(oracle)];

    let mut plain = session.plain(&python.bare, options);
    let plain = ended(plain.arg(&main).args(arguments(oracle))).expect_code(0);
    let mut expected = read(&std::fs::read_to_string(&answer).unwrap());
    let mut tracked = session.run([&python.bare, &main]);
    let tracked = ended(tracked.args(arguments("none"))).expect_code(0);
    assert_eq!(tracked.stdout, plain.stdout);

    assert!(expected.len() > 8, "the oracle saw only {} lines", expected.len());
    for row in expected.values_mut() {
        row.truncate(columns);
    }
    expected.retain(|_, row| columns > 2 || row[1] != 0);
    // Python's allocators alone: the interpreter maps memory for deep stacks without them.
    let figures = session.report_of(&["--kind", "python"]).lines(&format!("{module}.py"));
    let mut found: Lines = figures
        .into_iter()
        .map(|(line, f)| (line, [f.live_bytes, f.live_count, f.total_bytes, f.total_count][..columns].to_vec()))
        .filter(|(_, row)| row[1] != 0 || row.get(3).is_some_and(|total| *total != 0))
        .collect();
    expected.retain(|line, _| *line > first_function(source));
    found.retain(|line, _| *line > first_function(source));
    if oracle == "none" && keeps_free_ints(&session, python) {
        // Which line a reused int counts on differs (docs/python.md); all lines together do not.
        let sum = |lines: &Lines| lines.values().fold([0; 2], |sum, row| [sum[0] + row[0], sum[1] + row[1]]);
        assert_eq!(sum(&found), sum(&expected), "{}", python.bare.display());
        return;
    }
    let lines: BTreeSet<u64> = expected.keys().chain(found.keys()).copied().collect();
    let different: Vec<String> = lines
        .into_iter()
        .filter(|line| expected.get(line) != found.get(line))
        .map(|line| {
            let text = source.lines().nth(line as usize - 1).unwrap_or_default().trim();
            format!("{line}: {:?} expected, {:?} found: {text}", expected.get(&line), found.get(&line))
        })
        .collect();
    assert!(different.is_empty(), "{}:\n{}", python.bare.display(), different.join("\n"));
}

#[test]
fn live_memory_per_line_equals_tracemallocs() {
    for python in pythons() {
        compare(&python, "tracemalloc_plain", PLAIN, &["-X", "tracemalloc=1"], "none", 2);
    }
}

#[test]
fn live_and_total_per_line_equal_a_counter_in_c() {
    for python in pythons() {
        compare(&python, "tracemalloc_plain", PLAIN, &[], "library", 4);
        compare(&python, "tracemalloc_work", WORK, &[], "library", 4);
    }
}

#[test]
fn deep_stacks_equal_a_counter_in_c() {
    for python in pythons() {
        compare(&python, "tracemalloc_deep", DEEP, &[], "library", 4);
    }
}
