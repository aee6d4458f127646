//! `--native-frames`: stacks equal memray's, names come from debug information and nowhere else, and nothing that a
//! program does to its stack confuses the walk.
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::python::{Python, any_python, pythons, shared_library, skip};
use crate::session::{Ended, Session, ended};

/// Native functions below a line of a script, innermost first.
type Stack = (u64, Vec<String>);

/// Bytes and blocks ever allocated by stack.
type Stacks = BTreeMap<Stack, (i64, i64)>;

fn record(session: &Session, python: &Path, arguments: &[&Path]) -> Ended {
    let mut command = session.brimline(["run", "--native-frames", "--"]);
    ended(command.arg(python).args(arguments)).expect_code(0)
}

/// What `report --by stack` says about the lines of some functions of `script.py`; `name` makes words of frames.
fn stacks(session: &Session, functions: &[&str], name: impl Fn(&Value) -> String) -> Stacks {
    let mut arguments = vec!["--by", "stack", "--metric", "total"];
    arguments.extend(functions.iter().flat_map(|function| ["--include", function]));
    let report = session.report_of(&arguments);
    let mut stacks = Stacks::new();
    for row in report.rows() {
        let frames = row["frames"].as_array().expect("frames");
        let file = |frame: &Value| frame["file"].as_str().unwrap_or_default().to_owned();
        let python = |frame: &Value| {
            Path::new(&file(frame)).extension().is_some_and(|ending| ending == "py")
                || file(frame).starts_with("<frozen")
        };
        let Some(at) = frames.iter().position(python).filter(|&at| file(&frames[at]).ends_with("/script.py")) else {
            continue;
        };
        let names = frames[..at].iter().map(&name).collect();
        let sums = stacks.entry((frames[at]["line"].as_u64().expect("a line"), names)).or_default();
        sums.0 += row["total_bytes"].as_i64().expect("bytes");
        sums.1 += row["total_count"].as_i64().expect("blocks");
    }
    stacks
}

fn function(frame: &Value) -> String {
    frame["function"].as_str().unwrap_or_default().to_owned()
}

/// memray calls what it has no name for so.
fn name_as_memray(frame: &Value) -> String {
    let name = function(frame);
    if name.contains("+0x") { "<unknown>".to_owned() } else { name }
}

/// memray's profile function changes how the interpreter calls: what lies further out than a C function is not compared.
fn without_calls(stacks: Stacks) -> Stacks {
    let mut shorter = Stacks::new();
    for ((line, mut names), (bytes, blocks)) in stacks {
        let call = |name: &String| {
            ["cfunction_", "method_vectorcall", "trace_call_function"].iter().any(|start| name.starts_with(start))
        };
        names.truncate(names.iter().position(call).unwrap_or(names.len()));
        let sums = shorter.entry((line, names)).or_default();
        sums.0 += bytes;
        sums.1 += blocks;
    }
    shorter
}

fn memrays(session: &Session, python: &Python, functions: &[&str]) -> Stacks {
    let run = ["-m", "memray", "run", "--native", "-q", "-f", "-o", "memray.bin", "script.py"];
    ended(&mut session.plain(python.in_venv(), run)).expect_code(0);
    session.write("native_oracle.py", include_str!("programs/native_oracle.py"));
    let mut oracle = session.plain(python.in_venv(), ["native_oracle.py", "memray.bin", "script.py"]);
    let oracle = ended(oracle.args(functions)).expect_code(0);
    let rows: Vec<(u64, Vec<String>, i64, i64)> = serde_json::from_str(&oracle.stdout).unwrap();
    rows.into_iter().map(|(line, names, bytes, blocks)| ((line, names), (bytes, blocks))).collect()
}

/// Every stack that memray has must be there with the same bytes and blocks. memray counts a request for nothing as one
/// byte, so a byte for each block may differ.
#[track_caller]
fn agrees_with_memray(python: &Python, text: &str, functions: &[&str], least: usize) {
    let session = Session::new();
    let script = session.write("script.py", text);
    record(&session, &python.in_venv(), &[&script]);
    let ours = without_calls(stacks(&session, functions, name_as_memray));
    let oracle = without_calls(memrays(&session, python, functions));
    assert!(oracle.len() >= least, "memray has {} stacks only", oracle.len());
    let deepest = oracle.keys().map(|(_, names)| names.len()).max();
    assert!(deepest >= Some(5), "{deepest:?}");
    let wrong: Vec<_> = oracle
        .iter()
        .filter_map(|(stack, &(bytes, blocks))| {
            let found = ours.get(stack).copied().unwrap_or_default();
            (found.1 != blocks || (found.0 - bytes).abs() > blocks).then_some((stack, (bytes, blocks), found))
        })
        .collect();
    assert!(wrong.is_empty(), "{}: {} of {} differ: {wrong:#?}", python.bare.display(), wrong.len(), oracle.len());
}

/// An interpreter in a shared library has names; Debian's is stripped, and memray then guesses.
fn named_python() -> Option<Python> {
    let has_library = |python: &Python| {
        let script = "import sys; sys.exit('/libpython3' not in open('/proc/self/maps').read())";
        Command::new(&python.bare).args(["-c", script]).status().is_ok_and(|status| status.success())
    };
    let found = pythons().into_iter().find(has_library);
    if found.is_none() {
        skip("no interpreter in a shared library");
    }
    found
}

#[test]
fn stacks_of_numpy_equal_memrays() {
    if let Some(python) = named_python() {
        agrees_with_memray(&python, include_str!("programs/native_numpy.py"), &["numbers", "text"], 8);
    }
}

#[test]
fn stacks_of_lxml_equal_memrays() {
    if let Some(python) = named_python() {
        agrees_with_memray(
            &python,
            include_str!("programs/native_lxml.py"),
            &["build", "parse", "query", "transform"],
            120,
        );
    }
}

/// Compiles a source with another compiler than C's; `None`, said aloud, if there is none.
fn compiled(session: &Session, compiler: &str, arguments: &[&str], name: &str, source: &str) -> Option<PathBuf> {
    let (from, to) = (session.write(name, source), session.work().join(format!("lib{}.so", name.replace('.', "_"))));
    let Ok(status) = Command::new(compiler).args(arguments).arg("-o").args([&to, &from]).status() else {
        skip(&format!("no `{compiler}`"));
        return None;
    };
    assert!(status.success(), "{compiler} failed on {name}");
    Some(to)
}

/// `function file:line` of each frame.
fn place(frame: &Value) -> String {
    let file = frame["file"].as_str().unwrap_or_default();
    let file = file.rsplit('/').next().unwrap_or_default();
    format!("{} {file}:{}", function(frame), frame["line"].as_u64().unwrap_or(0))
}

#[test]
fn cpp_functions_are_demangled_with_lines_and_inlined_calls() {
    let session = Session::new();
    let source = include_str!("programs/native_shapes.cpp");
    let options = ["-O2", "-g", "-shared", "-fPIC"];
    let Some(library) = compiled(&session, "c++", &options, "shapes.cpp", source) else { return };
    let text = "import ctypes, sys\ndef go(shapes):\n    shapes.shapes_fill(50)\n    shapes.shapes_make(3)\n    assert shapes.shapes_throw(20) == 20\ngo(ctypes.CDLL(sys.argv[1]))\n";
    let script = session.write("script.py", text);
    for python in pythons() {
        record(&session, &python.bare, &[&script, &library]);
        let stacks = stacks(&session, &["go"], place);
        let starts = |line, start: &[&str]| {
            let is_wanted = |names: &[String]| {
                names.len() >= start.len() && names.iter().zip(start).all(|(name, wanted)| name.contains(wanted))
            };
            let found = stacks.iter().find(|((at, names), _)| *at == line && is_wanted(names));
            found.map_or_else(|| panic!("{line}: {start:?} is not in {stacks:#?}"), |(_, &sums)| sums)
        };
        let filled = [
            "shapes::Store::inlined_into_add(unsigned long) shapes.cpp:16",
            "shapes::Store::add(unsigned long) shapes.cpp:10",
            "shapes_fill shapes.cpp:31",
        ];
        assert_eq!(starts(3, &filled), (50_000, 50));
        let made = ["shapes::Maker<Circle>::make(int) shapes.cpp:21", "shapes_make shapes.cpp:39"];
        assert_eq!(starts(4, &made), (4096, 1));
        // What a throw allocates lies in the C++ library, below the function that throws.
        let thrown: i64 = stacks
            .iter()
            .filter(|((line, names), _)| {
                *line == 5 && names.iter().any(|name| name.starts_with("shapes_throw shapes.cpp:4"))
            })
            .map(|(_, sums)| sums.1)
            .sum();
        assert!(thrown >= 40, "{thrown} of 20 exceptions and 20 strings: {stacks:#?}");
    }
}

#[test]
fn rust_functions_are_demangled_with_lines_and_inlined_calls() {
    let Some(python) = any_python() else { return };
    let session = Session::new();
    let source = include_str!("programs/native_shapes.rs");
    let options = ["--crate-type=cdylib", "--edition=2021", "-O", "-g", "--crate-name=shapes"];
    let Some(library) = compiled(&session, "rustc", &options, "shapes.rs", source) else { return };
    let text =
        "import ctypes, sys\ndef go(shapes):\n    assert shapes.rust_fill(40) == 40\ngo(ctypes.CDLL(sys.argv[1]))\n";
    let script = session.write("script.py", text);
    record(&session, &python.bare, &[&script, &library]);
    let stacks = stacks(&session, &["go"], place);
    let found = stacks.iter().find(|((line, names), sums)| {
        let at = names.iter().position(|name| name == "shapes::Store::inlined_push shapes.rs:8");
        let outer = at.and_then(|at| names.get(at + 1));
        *line == 3 && **sums == (40_000, 40) && outer.is_some_and(|name| name == "shapes::Store::fill shapes.rs:14")
    });
    let Some(((_, names), _)) = found else { panic!("{stacks:#?}") };
    assert!(!names.iter().any(|name| name.contains("__rust_alloc") || name.contains("alloc::alloc::")), "{names:#?}");
}

/// The C library's own stacks, and what must be on them.
#[test]
fn recursion_signals_jumps_reloading_and_threads_are_followed_to_the_block() {
    for python in pythons() {
        hazards(&python);
    }
}

fn hazards(python: &Python) {
    let session = Session::new();
    let library = shared_library(&session.work(), "hazards", include_str!("programs/native_hazards.c"));
    let part = |name: &str| {
        let source = format!(
            "#include <stddef.h>\nvoid {name}_inner(void (*keep)(size_t)) {{ keep(600); __asm__ volatile(\"\"); }}\nvoid {name}_call(void (*keep)(size_t)) {{ {name}_inner(keep); __asm__ volatile(\"\"); }}\n"
        );
        shared_library(&session.work(), name, &source)
    };
    let (first, second) = (part("first"), part("second"));
    let script = session.write("script.py", include_str!("programs/native_hazards.py"));
    let ended = record(&session, &python.bare, &[&script, &library, &first, &second]);

    let report = session.report_of(&[
        "--by",
        "stack",
        "--metric",
        "total",
        "--kind",
        "malloc",
        "--kind",
        "mmap",
        "--include",
        "keep",
        "--include",
        "tick",
    ]);
    let stacks: Vec<(Vec<String>, i64, i64)> = report
        .rows()
        .map(|row| {
            let names = row["frames"].as_array().expect("frames").iter().map(function).collect();
            (names, row["total_bytes"].as_i64().expect("bytes"), row["total_count"].as_i64().expect("blocks"))
        })
        .filter(|(names, ..): &(Vec<String>, _, _)| names.first().is_some_and(|name| name == "keep" || name == "tick"))
        .collect();
    // Blocks of stacks below `inside` that have all of these one after the other, from the innermost function on.
    let count = |start: &[&str], inside: &str| -> (i64, i64) {
        let is_wanted = |names: &[String]| {
            names.iter().zip(start).all(|(name, wanted)| name == wanted)
                && names.len() >= start.len()
                && names.iter().any(|name| name == inside)
        };
        let found = stacks.iter().filter(|(names, ..)| is_wanted(names));
        found.fold((0, 0), |sums, (_, bytes, blocks)| (sums.0 + bytes, sums.1 + blocks))
    };
    let recursed = |names: &[String]| names.iter().filter(|name| *name == "recurse").count();

    // Deep: every depth up to the limit has a stack of its own, deeper ones say that they are cut.
    let depths: BTreeMap<usize, i64> = stacks
        .iter()
        .filter(|(names, ..)| {
            names.iter().any(|name| name == "deep")
                && !names.iter().any(|name| name.starts_with('<') && name.contains("left out"))
        })
        .map(|(names, _, blocks)| (recursed(names), *blocks))
        .collect();
    let whole = depths.len();
    assert!(
        whole > 240 && depths.keys().copied().eq(1..=whole) && depths.values().all(|&blocks| blocks == 1),
        "{depths:?}"
    );
    assert_eq!(count(&["keep", "recurse"], "deep"), (40_000, 400));
    assert_eq!(count(&["keep", "recurse"], "<native frames left out>").1, 400 - whole as i64);

    assert_eq!(count(&["keep", "realigned"], "aligned"), (150 * 50 * 7, 50 * 7));
    assert_eq!(count(&["keep", "on_signal"], "interrupted"), (200 * 100, 100));
    assert_eq!(count(&["keep", "on_signal"], "signals"), (200 * 100, 100));
    assert_eq!(count(&["keep", "jump"], "jumps"), (300 * 70, 70));
    assert_eq!(count(&["keep", "jumps"], "jumping"), (301, 1));
    assert_eq!(count(&["keep", "first_inner", "first_call", "reload"], "reloading"), (600 * 40, 40));
    assert_eq!(count(&["keep", "second_inner", "second_call", "reload"], "reloading"), (600 * 40, 40));
    // Threads that Python does not know have their stacks from where they start.
    // A thread's own signal finds it inside the tracker now and then, where nothing is counted: ticks bound the rest.
    let made = 8 * 200 + 16 * 2000;
    assert_eq!(count(&["keep", "realigned", "work"], "work"), (400 * made, made));
    assert_eq!(count(&["keep", "recurse"], "work"), (100 * made, made));
    let reloaded = ["first", "second"].map(|name| {
        count(&["keep", &format!("{name}_inner"), &format!("{name}_call"), "reload"], "everything_at_once")
    });
    assert_eq!(reloaded, [(600 * 100, 100); 2]);
    let ticks: i64 = ended.stdout.trim().parse().unwrap();
    let ticked: i64 = stacks.iter().filter(|(names, ..)| names[0] == "tick").map(|(_, _, blocks)| blocks).sum();
    assert!(ticked > 0 && ticked <= ticks, "{ticked} of {ticks}");
    let native: Vec<_> = stacks.iter().filter(|(names, ..)| names.iter().any(|name| name == "work")).collect();
    assert!(native.iter().all(|(names, ..)| !names.iter().any(|name| name == "native_threads")), "{native:?}");
}

#[test]
fn a_library_that_has_changed_since_is_said_so_and_not_guessed_from() {
    let Some(python) = any_python() else { return };
    let session = Session::new();
    let source = |bytes: usize| {
        format!(
            "#include <stdlib.h>\nvoid *take(void) {{ void *block = malloc({bytes}); __asm__ volatile(\"\"); return block; }}\n"
        )
    };
    let library = shared_library(&session.work(), "changing", &source(7000));
    let script = session.write("script.py", "import ctypes, sys\nctypes.CDLL(sys.argv[1]).take()\n");
    record(&session, &python.bare, &[&script, &library]);
    let answer = |code| {
        ended(
            session
                .brimline(["report", "--by", "function", "--include", "*take*", "--include", "*changing*", "--json"])
                .arg("--cumulative"),
        )
        .expect_code(code)
    };
    let before = answer(0);
    assert!(before.stdout.contains("\"take\""), "{}", before.stdout);
    shared_library(&session.work(), "changing", &source(8000));
    let after = answer(3);
    assert!(!after.stdout.contains("\"take\"") && after.stdout.contains("libchanging.so+0x"), "{}", after.stdout);
    assert!(after.stderr.contains("has changed since: expected build id"), "{}", after.stderr);
    std::fs::remove_file(&library).unwrap();
    assert!(answer(3).stderr.contains("cannot be read"));
}

#[test]
fn exports_carry_addresses_and_build_ids() {
    let Some(python) = any_python() else { return };
    let session = Session::new();
    let library = shared_library(
        &session.work(),
        "block",
        "#include <stdlib.h>\nvoid *take(void) { void *block = malloc(7000); __asm__ volatile(\"\"); return block; }\n",
    );
    let script = session.write("script.py", "import ctypes, sys\nctypes.CDLL(sys.argv[1]).take()\n");
    record(&session, &python.bare, &[&script, &library]);
    ended(&mut session.brimline(["export", "--output", "run.pb.gz"])).expect_code(0);
    let bytes = std::fs::read(session.work().join("run.pb.gz")).unwrap();
    let bytes = brimline_pprof::inflate(&bytes, brimline_pprof::Limits::default()).unwrap();
    let view = brimline_pprof::View::read(&bytes).unwrap();
    let mapping =
        view.mappings.iter().find(|mapping| mapping.file == library.display().to_string()).expect("a mapping");
    let note = Command::new("readelf").args(["-n"]).arg(&library).output().expect("readelf");
    assert!(String::from_utf8_lossy(&note.stdout).contains(&format!("Build ID: {}", mapping.build_id)));
    let take = view.functions.iter().position(|function| view.texts.get(function.name) == "take").expect("a function");
    let location = view.locations.iter().find(|at| at.lines.iter().any(|line| line.function as usize == take));
    assert!((mapping.start..mapping.limit).contains(&location.expect("a location").address));
}
