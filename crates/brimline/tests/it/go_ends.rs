//! Go programs that end by themselves: what they leave, without a change of theirs where `go` builds them.
use serde_json::Value;

use crate::answer::line_number;
use crate::go_programs::{build, has_go, json, programs};
use crate::session::{Ended, Session, ended};

/// `brimline run` of a Go command in the folder of the programs.
fn go(session: &Session, words: &[&str], variables: &[(&str, &str)]) -> Ended {
    let mut command = session.brimline(["run", "--"]);
    command.arg("go").args(words).envs(variables.iter().copied());
    ended(command.current_dir(programs()))
}

/// The state of a program that kept 24 MiB and ended.
#[track_caller]
fn is_the_end(session: &Session, said: &Ended) {
    assert!(said.stdout.contains("filled 24"), "{}", said.stdout);
    assert!(!said.stderr.contains("no profiles of Go process"), "{}", said.stderr);
    let report = json(session, &["report"]);
    let live = report["totals"]["live_heap_bytes"].as_i64().unwrap();
    assert!((24 << 20..25 << 20).contains(&live), "{report}");
    let capture = &report["captures"][0];
    assert_eq!((&capture["collected"], &capture["complete"]), (&true.into(), &true.into()), "{capture}");
    // Live memory, garbage, the file, …: to the last byte.
    let memory = json(session, &["report", "--by", "rss"]);
    let process = &memory["processes"][0];
    let rows = process["rows"].as_array().unwrap().iter().map(|row| row["resident_bytes"].as_i64().unwrap());
    assert_eq!(Some(rows.sum()), process["vm_rss_bytes"].as_i64(), "{memory}");
}

#[test]
fn go_run_keeps_the_end_of_main_and_of_os_exit() {
    if !has_go() {
        return;
    }
    let words = &["run", "./brief"][..];
    // What names the folder comes first or not at all.
    let elsewhere = &["run", "-C", "brief", "."][..];
    for (words, variables, code) in [
        (words, &[][..], 0),
        (elsewhere, &[("EXIT", "0")], 0),
        // `go run` itself gives 1 for a program that failed.
        (words, &[("EXIT", "3")], 1),
    ] {
        let session = Session::new();
        let said = go(&session, words, variables).expect_code(code);
        is_the_end(&session, &said);
    }
}

#[test]
fn the_package_keeps_the_end_of_any_program() {
    if !has_go() {
        return;
    }
    let program = build("brief", &[]);
    let session = Session::new();
    let said = ended(session.run([&program]).env("END", "1")).expect_code(0);
    is_the_end(&session, &said);
    let captures = std::fs::read_dir(session.run_folder().join("captures")).unwrap();
    let is_end =
        |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().to_str().unwrap().starts_with("end-");
    assert!(captures.into_iter().any(is_end));
    // Without it there is none, and nothing is left of the folder for them.
    let session = Session::new();
    ended(session.run([&program]).env_remove("END")).expect_code(0);
    let left = session.run_folder().join("captures");
    let captured = std::fs::read_dir(&left).map_or(0, Iterator::count);
    // The package's socket may have been found in the moment it was there.
    assert!(captured > 0 || !left.exists(), "an empty folder was left");
}

#[test]
fn tests_tell_the_goroutines_that_they_left_behind() {
    if !has_go() {
        return;
    }
    let session = Session::new();
    go(&session, &["test", "./forgetting", "./leaking"], &[]).expect_code(0);
    let answer = json(&session, &["goroutines"]);
    let of = |package: &str| -> Value {
        let processes = answer["processes"].as_array().unwrap();
        processes.iter().find(|row| row["test"] == package).unwrap_or_else(|| panic!("{package}: {answer}")).clone()
    };
    let source = std::fs::read_to_string(programs().join("forgetting/forgetting.go")).unwrap();
    let left = &of("forgetting.test")["grown"][0];
    assert_eq!((&left["delta"], &left["state"]), (&7.into(), &"chan send".into()), "{left}");
    assert_eq!(left["blocked_at"]["line"], line_number(&source, "answers <- question + share"), "{left}");
    assert_eq!(left["created_by"]["line"], line_number(&source, "go func() {"), "{left}");
    assert_eq!(of("leaking.test")["grown"].as_array().unwrap().len(), 0, "{answer}");
    let text = ended(&mut session.brimline(["goroutines", "--fail-on-leak"])).expect_code(1).stdout;
    assert!(text.contains("left behind by the tests") && text.contains("nothing was left behind"), "{text}");
    // Tests that fail leave them as well; with Go's own detector they are told as leaks.
    let session = Session::new();
    let variables = [("FAIL", "1"), ("GOEXPERIMENT", "goroutineleakprofile")];
    let failed = go(&session, &["test", "./forgetting"], &variables).expect_code(1);
    assert!(failed.stdout.contains("as asked"), "{}", failed.stdout);
    let answer = json(&session, &["goroutines"]);
    assert_eq!(answer["processes"][0]["leaks"]["count"], 7, "{answer}");
    let clean = Session::new();
    go(&clean, &["test", "-C", "leaking", "."], &[]).expect_code(0);
    ended(&mut clean.brimline(["goroutines", "--fail-on-leak"])).expect_code(0);
}

#[test]
fn a_store_inside_the_module_is_no_package_of_it() {
    if !has_go() {
        return;
    }
    let session = Session::new();
    let module = session.work();
    std::fs::write(module.join("go.mod"), "module example.com/own\n\ngo 1.25\n").unwrap();
    let test = "package own\n\nimport \"testing\"\n\nfunc TestWaits(t *testing.T) {\n\tgo func() { select {} }()\n}\n";
    std::fs::write(module.join("own_test.go"), test).unwrap();
    let store = module.join("it's a store");
    let mut command = session.brimline(["run", "--store", store.to_str().unwrap(), "--", "go", "test", "./..."]);
    let said = ended(command.current_dir(&module)).expect_code(0);
    assert!(said.stdout.contains("ok  \texample.com/own"), "{}", said.stdout);
    let answer =
        ended(&mut session.brimline(["goroutines", "--json", "--store", store.to_str().unwrap()])).expect_code(0);
    let answer: Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(answer["processes"][0]["grown"][0]["blocked_at"]["line"], 6, "{answer}");
}

#[test]
fn an_overlay_of_the_users_own_is_left_alone() {
    if !has_go() {
        return;
    }
    let session = Session::new();
    let overlay = session.work().join("own.json");
    std::fs::write(&overlay, r#"{"Replace":{}}"#).unwrap();
    let flag = format!("-overlay={}", overlay.display());
    go(&session, &["test", &flag, "./leaking"], &[]).expect_code(0);
    // The heap profile is there, as the test binary itself writes it.
    let report = json(&session, &["report", "--by", "function"]);
    assert_eq!(report["rows"][0]["function"], "brimline.dev/programs/go/leaking.Remember", "{report}");
    assert_eq!(ended(&mut session.brimline(["goroutines"])).code(), Some(3));
}
