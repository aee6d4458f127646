//! Servers that fork their workers: each worker is told by its process id, all of them added up by default, and both
//! equal what the workers themselves have counted ±0.
use crate::answer::Figures;
use crate::python::service_pythons;
use crate::session::{Session, ended};

const DRIVER: &str = include_str!("programs/servers_prefork.py");

/// Blocks and bytes that live on the line that keeps them.
fn kept(session: &Session, arguments: &[&str]) -> (i64, i64) {
    let report = session.report_of(arguments);
    let mut sum = Figures::default();
    // The line's number in the module that the driver writes.
    report.lines("served.py").into_iter().filter(|(line, _)| *line == 5).for_each(|(_, figures)| sum.add(figures));
    (sum.live_count, sum.live_bytes)
}

fn check(kind: &str) {
    // Celery takes half a minute to come and go.
    for python in service_pythons().into_iter().take(if kind == "celery" { 1 } else { 2 }) {
        let session = Session::new();
        let script = session.write("driver.py", DRIVER);
        let run = ended(session.run([&python.in_venv(), &script]).arg(kind));
        let log = std::fs::read_to_string(session.work().join("log")).unwrap_or_default();
        assert_eq!(run.code(), Some(0), "{kind}: {}\n{}\n{log}", run.stdout, run.stderr);
        let mut notes = run.stdout.lines().skip(1).map(|line| {
            let numbers: Vec<i64> = line.split(' ').map(|word| word.parse().unwrap()).collect();
            <[i64; 3]>::try_from(numbers).expect("process, blocks, bytes")
        });
        let notes: Vec<[i64; 3]> = notes.by_ref().collect();
        assert!((1..=2).contains(&notes.len()), "{kind}: {}", run.stdout);
        let mut all = (0, 0);
        let processes = session.report_of(&["--by", "process"]);
        for [pid, blocks, bytes] in notes {
            let worker = pid.to_string();
            assert_eq!(kept(&session, &["--process", &worker, "--kind", "python"]), (blocks, bytes), "{kind} {worker}");
            all = (all.0 + blocks, all.1 + bytes);
            // The list of processes has the worker with all its own.
            let row =
                processes.rows().find(|row| row["process"] == pid).unwrap_or_else(|| panic!("{:#?}", processes.json));
            let alone = session.report_of(&["--process", &worker]).totals;
            assert_eq!(row["live_bytes"], alone.live_bytes, "{kind} {worker}");
            assert_eq!(row["total_count"], alone.total_count, "{kind} {worker}");
        }
        assert_eq!(kept(&session, &["--kind", "python"]), all, "{kind}: all workers");
        assert_eq!(processes.sum(), session.report().totals, "{kind}: processes add up");
    }
}

#[test]
fn gunicorn_workers() {
    check("gunicorn");
}

#[test]
fn uwsgi_workers() {
    check("uwsgi");
}

#[test]
fn celery_workers() {
    check("celery");
}
