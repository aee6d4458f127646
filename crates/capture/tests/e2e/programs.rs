//! Programs that end in every way a program can.

use brimline_capture::{LaunchError, record};
use brimline_store::{ProgramExit, RunState, Tracking, artifacts, series};

use crate::fixture::{Fixture, alone};

#[test]
fn keeps_exit_code_and_writes_the_run_down() {
    let _alone = alone();
    let fixture = Fixture::new();
    let outcome = fixture.run("sleep 0.3; exit 7");
    assert_eq!(outcome.exit, ProgramExit::ExitCode(7));
    let entries = fixture.store().runs().unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].state, RunState::Ended);
    assert_eq!(entries[0].record.end.unwrap().exit, ProgramExit::ExitCode(7));
    assert!(matches!(entries[0].record.tracking, Tracking::Off { .. }));
    // The shell and its `sleep`.
    assert!(entries[0].record.processes.len() >= 2, "{:?}", entries[0].record.processes);
    let series = series::read(&entries[0].folder).unwrap();
    assert!(series.warnings.is_empty() && series.samples.len() >= 3);
    assert!(series.summaries()[0].max_rss_bytes > Some(0));
}

#[test]
fn ends_by_signal_as_128_plus_n() {
    let _alone = alone();
    let outcome = Fixture::new().run("kill -9 $$");
    assert_eq!(outcome.exit, ProgramExit::Signal(9));
    assert_eq!(outcome.exit.code(), 137);
}

#[test]
fn tells_missing_from_unrunnable_programs_and_leaves_no_run() {
    let _alone = alone();
    let fixture = Fixture::new();
    let mut plan = fixture.shell("");
    plan.command = vec!["no-such-program-anywhere".into()];
    let error = record(&plan, &()).unwrap_err();
    assert!(matches!(error, LaunchError::NotFound { .. }) && error.exit_code() == 127, "{error}");
    plan.command = vec![fixture.header_file().into()];
    let error = record(&plan, &()).unwrap_err();
    assert!(matches!(error, LaunchError::NotExecutable { .. }) && error.exit_code() == 126, "{error}");
    assert!(fixture.store().runs().unwrap().is_empty());
}

#[test]
fn runs_a_script_without_interpreter_line() {
    use std::os::unix::fs::PermissionsExt;
    let _alone = alone();
    let fixture = Fixture::new();
    let script = fixture.folder.path().join("script");
    std::fs::write(&script, "exit 3\n").unwrap();
    std::fs::set_permissions(&script, PermissionsExt::from_mode(0o755)).unwrap();
    let mut plan = fixture.shell("");
    plan.command = vec![script.into()];
    assert_eq!(record(&plan, &()).unwrap().exit, ProgramExit::ExitCode(3));
}

#[test]
fn keeps_recordings_of_a_hundred_short_children() {
    let _alone = alone();
    let fixture = Fixture::new();
    let mut plan = fixture.shell(
        "i=0; while [ $i -lt 100 ]; do sh -c 'cp \"$0\" \"$1/$$-1.rec\"' \"$HEADER\" \"$DIR\"; i=$((i+1)); done",
    );
    plan.environment.push(("HEADER".into(), fixture.header_file().into()));
    // The folder's name is not known before the run: the shell finds the only one.
    let runs = fixture.store().runs_path();
    plan.command[2] =
        format!("DIR=$(echo {}/*/processes); {}", runs.display(), plan.command[2].to_str().unwrap()).into();
    let outcome = record(&plan, &()).unwrap();
    assert_eq!(outcome.exit, ProgramExit::ExitCode(0));
    let folder = outcome.folder.unwrap();
    let files = artifacts::processes(&folder).unwrap();
    assert_eq!(files.len(), 100);
    for file in &files {
        assert_eq!(file.state, artifacts::RecordingState::Closed);
        brimline_recording::Recording::open(&file.read(1 << 20).unwrap()).unwrap();
    }
    let record = outcome.record.unwrap();
    assert_eq!(record.python_versions, ["3.11.7"]);
    assert_eq!(record.processes.iter().map(|process| process.recordings.len()).sum::<usize>(), 100);
}

#[test]
fn reports_refusals() {
    let _alone = alone();
    let fixture = Fixture::new();
    let runs = fixture.store().runs_path();
    let script = format!("echo 'Python 3.9.18 is not supported' > {}/*/processes/$$-5.refused", runs.display());
    let script = script
        .replace("> ", "> \"$(echo ")
        .replace("/processes/", "/processes)/")
        .replace("-5.refused", "-5.refused\"");
    let outcome = fixture.run(&script);
    let problems: Vec<String> = outcome.problems.iter().map(ToString::to_string).collect();
    assert!(problems.iter().any(|text| text.contains("3.9.18")), "{problems:?}");
}

#[test]
fn passes_signals_of_other_processes_on() {
    let _alone = alone();
    let fixture = Fixture::new();
    let outcome =
        fixture.run("trap 'exit 5' TERM; kill -TERM $PPID; i=0; while [ $i -lt 200 ]; do sleep 0.05; i=$((i+1)); done");
    assert_eq!(outcome.exit, ProgramExit::ExitCode(5));
}

#[test]
fn does_not_wait_for_daemons() {
    let _alone = alone();
    let fixture = Fixture::new();
    let outcome = fixture.run("setsid sh -c 'sleep 4' >/dev/null 2>&1 & sleep 0.4");
    assert!(outcome.seconds < 3.0, "{}", outcome.seconds);
    let record = outcome.record.unwrap();
    assert!(record.processes.iter().any(|process| process.end.is_none()), "{:?}", record.processes);
}
