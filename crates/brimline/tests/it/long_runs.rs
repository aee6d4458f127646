//! Programs that run for days: what they make again and again is bounded, in the recording and in memory.
use crate::python::{any_python, pythons, soaking};
use crate::session::{Session, ended};

const GENERATED: &str = r#"
import resource, sys
count = int(sys.argv[1])
kept = []
for number in range(count):
    scope = {}
    exec(compile("def render(kept):\n    kept.append(bytes(500))\n    return '%d' % len(kept)\n", "<template>", "exec"), scope)
    scope["render"](kept)
    if len(kept) == 100:
        kept.clear()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"#;

#[test]
fn soak_generated_code_in_an_endless_loop_stays_bounded() {
    for python in pythons().into_iter().take(if soaking() { 1 } else { usize::MAX }) {
        let counts = if soaking() { [20_000, 500_000] } else { [1_000, 6_000] };
        let measured = counts.map(|count: u32| {
            let session = Session::new();
            let script = session.write("script.py", GENERATED);
            let run = ended(session.run([&python.bare, &script]).arg(count.to_string())).expect_code(0);
            let bytes: u64 = session.recordings().iter().map(|path| path.metadata().unwrap().len()).sum();
            let rows = session.report_of(&["--by", "stack"]).rows().count();
            (run.stdout.trim().parse::<u64>().unwrap(), bytes, rows)
        });
        let [few, many] = measured;
        eprintln!("soak: generated code, {counts:?} times: (RSS in KiB, recording's bytes, stacks) {measured:?}");
        assert!(many.0 < few.0 + 3000, "{}: RSS {measured:?} KiB", python.bare.display());
        assert!(many.1 < few.1 * 5 / 4 && many.2 < few.2 + 50, "{}: {measured:?}", python.bare.display());
    }
}

const STACKS: &str = r"
import sys
kept = []
def left(depth):
    walk(depth - 1)
def right(depth):
    walk(depth - 1)
def walk(depth):
    if depth == 0:
        kept.append(bytes(40))
        return
    left(depth)
    right(depth)
depth = int(sys.argv[1])
walk(depth)
print(len(kept))
";

#[test]
fn soak_stacks_beyond_the_tables_are_counted_in_the_other_row() {
    let Some(python) = any_python() else { return };
    if !soaking() {
        // The tables hold 2^20 rows and are filled for real, which takes a minute.
        eprintln!("only under `cargo xtask soak`");
        return;
    }
    let depth = 21;
    let session = Session::new();
    let script = session.write("script.py", STACKS);
    let run = ended(session.run([&python.bare, &script]).arg(depth.to_string())).expect_code(0);
    assert_eq!(run.stdout, format!("{}\n", 1 << depth));
    // The answer is whole in sum, and says that its stacks are not.
    let answer = ended(&mut session.brimline(["report", "--json", "--kind", "python"])).expect_code(3);
    assert!(answer.stderr.contains("tables were full"), "{}", answer.stderr);
    let report = crate::answer::Report::parse(&answer.stdout);
    let other = report.rows().find(|row| row["function"] == "<other>").expect("the other row");
    let line = report.line_with("script.py", STACKS, "kept.append(bytes(40))");
    let sum = line.live_count + other["live_count"].as_i64().unwrap();
    assert!((1 << depth..(1 << depth) + 3000).contains(&sum), "{sum} of {} blocks", 1 << depth);
    let recording: u64 = session.recordings().iter().map(|path| path.metadata().unwrap().len()).sum();
    eprintln!("soak: 2^{depth} stacks: {} in rows of their own, {other}; recording {recording} bytes", line.live_count);
}
