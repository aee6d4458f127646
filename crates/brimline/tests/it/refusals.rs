//! What cannot be recorded runs as it would without brimline, and one line says why.
use crate::identity::{assert_same, command};
use crate::python::{any_python, old_python};
use crate::session::{Session, ended};

#[test]
fn an_old_python_runs_untracked_with_one_line() {
    let Some(old) = old_python() else { return };
    let session = Session::new();
    let ended = assert_same(&session, &command(&old, &["-c", "print(sum(range(10)))"]), |_| {});
    let lines: Vec<&str> = ended.stderr.lines().filter(|line| line.contains("is not tracked")).collect();
    assert_eq!(lines.len(), 1, "{}", ended.stderr);
    assert!(lines[0].contains("expected 3.8 or newer"), "{}", lines[0]);
    assert!(session.run_record()["processes"][0]["refused"].is_string());
    assert!(session.recordings().is_empty());
}

#[test]
fn a_program_without_python_runs_with_its_series() {
    let session = Session::new();
    let ended = assert_same(&session, &["sh".into(), "-c".into(), "echo out; echo err >&2; exit 9".into()], |_| {});
    assert_eq!(ended.stdout, "out\n");
    assert!(session.recordings().is_empty());
}

#[test]
fn commands_that_do_not_start_are_named() {
    let session = Session::new();
    for missing in ["no-such-program", "./no-such-program", "/dev/null"] {
        let answer = ended(&mut session.run([missing]));
        // As `env` and the shells: 127 not found, 126 found and not executable.
        assert!((125..=127).contains(&answer.code().unwrap()), "{missing}: {answer:?}");
        assert!(answer.stderr.starts_with("error: ") && answer.stderr.contains(missing), "{}", answer.stderr);
    }
}

#[test]
fn bad_usage_ends_with_2_and_names_what_is_known() {
    let session = Session::new();
    for arguments in
        [&["report"][..], &["report", "no-such-run"], &["no-such-command"], &["report", "--by", "colour"], &["run"]]
    {
        let answer = ended(&mut session.brimline(arguments)).expect_code(2);
        assert!(answer.stdout.is_empty(), "{arguments:?}: {}", answer.stdout);
        assert!(answer.stderr.starts_with("error: "), "{arguments:?}: {}", answer.stderr);
    }
    let Some(python) = any_python() else { return };
    session.record(&python.bare, "print(1)");
    let answer = ended(&mut session.brimline(["report", "nothing-of-this-name"])).expect_code(2);
    assert!(answer.stderr.contains("nothing-of-this-name"), "{}", answer.stderr);
}

#[test]
fn hostile_names_stay_data() {
    let Some(python) = any_python() else { return };
    let session = Session::new();
    let name = "we\u{1b}[31mird \n<script>alert(1)<b>.py";
    let path = session.write(name, "kept = [bytes(3000) for _ in range(1000)]\n");
    ended(&mut session.run([&python.bare, &path])).expect_code(0);
    let json = session.report();
    let found = json.rows().any(|row| row["file"].as_str().is_some_and(|file| file.ends_with(name)));
    assert!(found, "the name is kept as it is in JSON");
    for arguments in [&["report"][..], &["report", "--format", "tree"], &["report", "--format", "markdown"], &["runs"]]
    {
        let answer = ended(&mut session.brimline(arguments)).expect_code(0);
        assert!(!answer.stdout.contains('\u{1b}'), "{arguments:?} prints escapes: {:?}", answer.stdout);
    }
    let flame = ended(&mut session.brimline(["report", "--format", "flame"])).expect_code(0);
    assert!(!flame.stdout.contains("<script>alert"), "a name became markup");
}
