//! Allocators inside wheels: right in sum at the level of mappings, said to be coarse, and exact with the switch that
//! report and doctor name.
use std::path::PathBuf;

use crate::python::{Python, service_pythons, skip};
use crate::session::{Session, ended};

const ARROW: &str = r"
import sys
import pyarrow
first = int(sys.argv[1])
kept = []
before = pyarrow.total_allocated_bytes()
for number in range(200):
    kept.append(pyarrow.allocate_buffer(first + number * 64))
print(pyarrow.total_allocated_bytes() - before)
";
const SWITCH: &str = "ARROW_DEFAULT_MEMORY_POOL=system";

/// What arrow says it allocated, bytes on the line that asked for it, and the report's notes.
fn arrow(python: &Python, first: u32, pool: Option<&str>) -> (i64, i64, String) {
    let session = Session::new();
    let script = session.write("script.py", ARROW);
    let mut run = session.run([&python.in_venv(), &script]);
    run.arg(first.to_string()).env_remove("ARROW_DEFAULT_MEMORY_POOL");
    if let Some(pool) = pool {
        run.env("ARROW_DEFAULT_MEMORY_POOL", pool);
    }
    let said = ended(&mut run).expect_code(0).stdout.trim().parse().unwrap();
    let report = session.report_of(&["--kind", "malloc"]);
    let line = report.line_with("script.py", ARROW, "kept.append(");
    let table = ended(&mut session.brimline(["report"])).expect_code(0).stdout;
    assert_eq!(table.contains("coarse: "), !report.json["notes"].as_array().unwrap().is_empty(), "{table}");
    (said, line.live_bytes, table)
}

#[test]
fn pyarrow_is_coarse_and_exact_with_the_switch_that_is_named() {
    for python in service_pythons() {
        for pool in [None, Some("mimalloc"), Some("jemalloc")] {
            let (said, found, table) = arrow(&python, 20_000, pool);
            assert!(found < said / 2, "{pool:?}: {said} said, {found} found");
            assert!(table.contains("coarse: pyarrow") && table.contains(SWITCH), "{pool:?}: {table}");
        }
        let (small, large) = (arrow(&python, 20_032, Some("system")), arrow(&python, 60_032, Some("system")));
        assert_eq!(large.1 - small.1, large.0 - small.0, "{}", python.venv.display());
        assert!(small.1 >= small.0 && !small.2.contains("coarse: "), "{}", small.2);
    }
}

const POLARS: &str = r#"
import polars
kept = []
def fill():
    for number in range(100):
        kept.append(polars.Series("x", [1.5]).new_from_index(0, 20_000 + number))
fill()
print(sum(series.estimated_size() for series in kept))
"#;

#[test]
fn polars_is_coarse_and_says_so() {
    for python in service_pythons() {
        let session = Session::new();
        let script = session.write("script.py", POLARS);
        let said: i64 =
            ended(&mut session.run([&python.in_venv(), &script])).expect_code(0).stdout.trim().parse().unwrap();
        let rows = session.report_of(&["--kind", "mmap", "--by", "function", "--cumulative"]);
        let fill = rows.rows().find(|row| row["function"] == "fill").and_then(|row| row["live_bytes"].as_i64());
        assert!((said * 9 / 10..said * 2).contains(&fill.unwrap_or(0)), "{said} said, {fill:?} mapped");
        let table = ended(&mut session.brimline(["report"])).expect_code(0).stdout;
        assert!(table.contains("coarse: polars"), "{table}");
    }
}

#[test]
fn doctor_names_the_switch() {
    for python in service_pythons() {
        let session = Session::new();
        let mut doctor = session.brimline(["doctor"]);
        let answer = ended(doctor.env("VIRTUAL_ENV", &python.venv)).expect_code(0).stdout;
        assert!(answer.contains(SWITCH) && answer.contains("  polars: "), "{answer}");
    }
}

const NATIVE: &str = r"
import ctypes
libc = ctypes.CDLL(None)
for name in ('malloc', 'calloc', 'aligned_alloc', 'realloc'):
    getattr(libc, name).restype = ctypes.c_void_p
libc.realloc.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
kept = []
def fill():
    for size in [100, 5000, 300_000, 5_000_000] * 5:
        kept.append(libc.malloc(size))
        kept.append(libc.calloc(1, size))
        kept.append(libc.aligned_alloc(4096, size // 4096 * 4096 + 4096))
        kept.append(libc.realloc(libc.malloc(50), size))
    for block in kept[:40]:
        libc.free(block)
fill()
";

/// A malloc that is preloaded maps the room for its blocks where the C library's is not seen doing so: blocks count, and
/// each once.
#[test]
fn a_preloaded_malloc_changes_no_number() {
    let Some(python) = crate::python::any_python() else { return };
    let folder = PathBuf::from("/usr/lib/x86_64-linux-gnu");
    for mode in ["exact", "malloc"] {
        let numbers = |preloaded: Option<&PathBuf>| {
            let session = Session::new();
            let script = session.write("script.py", NATIVE);
            let mut run = session.brimline(["run", "-q", "--mode", mode, "--"]);
            run.args([&python.bare, &script]);
            if let Some(library) = preloaded {
                run.env("LD_PRELOAD", library);
            }
            ended(&mut run).expect_code(0);
            let report = session.report_of(&["--kind", "malloc", "--kind", "mmap", "--include", "fill"]);
            ["live_bytes", "live_count", "total_bytes", "total_count"].map(|name| report.json["totals"][name].clone())
        };
        let expected = numbers(None);
        for name in ["libjemalloc.so.2", "libmimalloc.so.2.0", "libtcmalloc_minimal.so.4"] {
            let library = folder.join(name);
            if !library.exists() {
                skip(&format!("no {name}"));
                continue;
            }
            assert_eq!(numbers(Some(&library)), expected, "{name}, {mode}");
        }
    }
}
