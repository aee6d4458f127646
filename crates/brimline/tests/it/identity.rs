//! Programs behave as before: the same output and the same exit code, tracked and untracked.
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use crate::python::pythons;
use crate::session::{Ended, Session, ended};

const LANGUAGE: &str = include_str!("programs/identity_language.py");

/// Runs the same command untracked and tracked; both must end alike. Gives the tracked one's streams.
#[track_caller]
pub(crate) fn assert_same(session: &Session, command: &[OsString], change: impl Fn(&mut Command)) -> Ended {
    let mut plain = session.plain(&command[0], &command[1..]);
    change(&mut plain);
    let mut tracked = session.run(command);
    change(&mut tracked);
    let (plain, tracked) = (ended(&mut plain), ended(&mut tracked));
    let expected = plain.code().unwrap_or_else(|| {
        use std::os::unix::process::ExitStatusExt;
        128 + plain.status.signal().expect("a code or a signal")
    });
    assert_eq!(tracked.code(), Some(expected), "tracked: {}\nuntracked: {}", tracked.stderr, plain.stderr);
    assert_eq!(tracked.stdout, plain.stdout, "{}", tracked.stderr);
    let told = without_addresses(&tracked.stderr);
    for line in without_addresses(&plain.stderr).lines() {
        assert!(told.contains(line), "`{line}` is missing in:\n{}", tracked.stderr);
    }
    tracked
}

/// The text with every `0x…` shortened: addresses differ from run to run.
fn without_addresses(text: &str) -> String {
    let mut parts = text.split("0x");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "0x" + part.trim_start_matches(|c: char| c.is_ascii_hexdigit()))
}

pub(crate) fn command(python: &Path, arguments: &[&str]) -> Vec<OsString> {
    std::iter::once(python.into()).chain(arguments.iter().map(OsString::from)).collect()
}

/// A program of one line per kind of end.
const ENDS: &[&str] = &[
    "raise SystemExit(7)",
    "raise SystemExit('told you')",
    "import os; os._exit(3)",
    "import os; os.abort()",
    "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
    "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "import ctypes; ctypes.string_at(0)",
    "1 / 0",
    "import sys; sys.exit(256 + 5)",
    "import atexit, sys; atexit.register(print, 'bye'); print('hello')",
    "import atexit; atexit.register(lambda: 1 / 0)",
    "import threading; threading.Thread(target=lambda: 1 / 0).start()",
    "import os; os.close(1); os.close(2)",
    "import os; os.close(0); print(open('/dev/null').fileno())",
    "import os\nfor fd in range(3, 256):\n    try: os.close(fd)\n    except OSError: pass\nprint('closed')",
    "import os; os.closerange(3, 65536); print(len([bytes(n) for n in range(5000)]))",
    "import os; print(sorted(os.listdir('/proc/self/fd'))[:3])",
    "import os; os.chdir('/'); os.environ.clear(); print(os.getcwd())",
    "import sys; print(len(sys.argv), sys.flags.dev_mode, sys.orig_argv[1:2])",
    "this is no python",
];

#[test]
fn every_kind_of_end_is_passed_on() {
    for python in pythons() {
        let session = Session::new();
        for end in ENDS {
            assert_same(&session, &command(&python.bare, &["-c", end]), |_| {});
        }
        assert_same(&session, &command(&python.bare, &["no_such_script.py"]), |_| {});
        assert_same(&session, &command(&python.bare, &["-m", "no_such_module"]), |_| {});
        assert_same(&session, &command(&python.bare, &["--no-such-option"]), |_| {});
    }
}

#[test]
fn the_language_behaves_as_before() {
    for python in pythons() {
        let session = Session::new();
        session.write("language.py", LANGUAGE);
        let same = |arguments: &[&str], variable: Option<(&str, &str)>| {
            assert_same(&session, &command(&python.bare, arguments), |command| {
                if let Some((name, value)) = variable {
                    command.env(name, value);
                }
            });
        };
        same(&["language.py"], None);
        same(&["-X", "dev", "language.py"], None);
        same(&["-X", "tracemalloc=3", "language.py"], None);
        same(&["-I", "-S", "-E", "language.py"], None);
        same(&["-O", "-u", "language.py"], None);
        for allocator in ["malloc", "debug", "pymalloc", "malloc_debug", "pymalloc_debug"] {
            same(&["language.py"], Some(("PYTHONMALLOC", allocator)));
        }
    }
}

#[test]
fn other_allocators_are_tracked_too() {
    let script = "kept = [bytes(1000 + n) for n in range(1000)]\n";
    for python in pythons() {
        for (arguments, variable) in [
            (&[][..], Some("malloc")),
            (&[], Some("debug")),
            (&["-X", "dev"], None),
            (&["-X", "tracemalloc"], None),
            (&["-X", "importtime"], None),
        ] {
            let session = Session::new();
            let path = session.write("script.py", script);
            let mut run = session.run([&python.bare]);
            run.args(arguments).arg(&path);
            if let Some(value) = variable {
                run.env("PYTHONMALLOC", value);
            }
            ended(&mut run).expect_code(0);
            let line = session.report_of(&["--kind", "python"]).line_with("script.py", script, "kept");
            // tracemalloc keeps two tables and an entry per block, on the same line.
            let entries = if arguments.contains(&"tracemalloc") { 2100 } else { 0 };
            // bytes objects and the list; debug allocators add their guards to each block.
            assert!((1001..1010 + entries).contains(&line.live_count), "{arguments:?} {variable:?}: {line:?}");
            assert!((1_500_000..1_700_000).contains(&line.live_bytes), "{arguments:?} {variable:?}: {line:?}");
        }
    }
}

#[test]
fn input_reaches_the_program() {
    use std::io::Write as _;
    use std::process::Stdio;
    for python in pythons() {
        let session = Session::new();
        let script = "import sys; print(sum(map(int, sys.stdin)))";
        let mut run = session.run(command(&python.bare, &["-c", script]));
        let mut child = run.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"1\n2\n39\n").unwrap();
        assert_eq!(String::from_utf8_lossy(&child.wait_with_output().unwrap().stdout), "42\n");
    }
}
