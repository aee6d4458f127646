//! Programs that nobody here wrote, tracked and untracked: equal output, equal exit code, and something recorded.
use std::path::Path;

use crate::identity::{assert_same, command};
use crate::python::{Python, pythons, skip};
use crate::session::Session;

/// Runs a script in each layout's virtual environment; the run must have tracked at least `least` blocks.
#[track_caller]
fn same(script: &str, arguments: &[&str], least: i64) {
    same_on(&pythons(), script, arguments, least);
}

#[track_caller]
fn same_on(pythons: &[Python], script: &str, arguments: &[&str], least: i64) {
    for python in pythons {
        let session = Session::new();
        session.write("program.py", script);
        let all: Vec<&str> = std::iter::once("program.py").chain(arguments.iter().copied()).collect();
        let ended = assert_same(&session, &command(&python.in_venv(), &all), |_| {});
        assert!(!ended.stdout.is_empty());
        let total = session.report().totals.total_count;
        assert!(total > least, "{}: only {total} blocks tracked", python.venv.display());
    }
}

#[test]
fn flask() {
    same(include_str!("programs/real_flask.py"), &[], 100_000);
}

#[test]
fn django() {
    same(include_str!("programs/real_django.py"), &[], 100_000);
}

#[test]
fn pandas() {
    same(include_str!("programs/real_pandas.py"), &[], 100_000);
}

#[test]
fn requests() {
    same(include_str!("programs/real_requests.py"), &[], 100_000);
}

#[test]
fn sqlalchemy() {
    same(include_str!("programs/real_sqlalchemy.py"), &[], 100_000);
}

#[test]
fn lxml() {
    same(include_str!("programs/real_lxml.py"), &[], 10_000);
}

#[test]
fn asyncio_server_under_load() {
    same(include_str!("programs/real_asyncio.py"), &[], 50_000);
}

#[test]
fn process_pool() {
    same(include_str!("programs/real_pool.py"), &[], 50_000);
}

#[test]
fn uvicorn() {
    same(include_str!("programs/real_servers.py"), &["uvicorn"], 50_000);
}

#[test]
fn gunicorn() {
    same(include_str!("programs/real_servers.py"), &["gunicorn"], 50_000);
}

#[test]
fn part_of_pytests_own_suite() {
    let Ok(sources) = std::env::var("BRIMLINE_TEST_PYTEST_SOURCES") else {
        return skip("pytest's sources are not unpacked");
    };
    assert!(Path::new(&sources).join("testing/code").is_dir());
    // The sources are of the release that all but the oldest interpreters have.
    let release = sources.rsplit('-').next().unwrap();
    let fits = |python: &Python| {
        let site =
            format!("lib/{}/site-packages/pytest-{release}.dist-info", python.bare.file_name().unwrap().display());
        python.venv.join(site).is_dir()
    };
    let pythons: Vec<Python> = pythons().into_iter().filter(fits).collect();
    if pythons.is_empty() {
        return skip(&format!("no interpreter has pytest {release}"));
    }
    same_on(&pythons, include_str!("programs/real_pytest.py"), &[&sources], 1_000_000);
}

#[test]
fn console_scripts_and_shebangs() {
    use std::os::unix::fs::PermissionsExt as _;
    for python in pythons() {
        let session = Session::new();
        session.write("test_sample.py", "def test_one():\n    assert [str(n) for n in range(1000)]\n");
        let pytest = python.venv.join("bin/pytest");
        let all = [pytest.into_os_string(), "-p".into(), "no:terminal".into()];
        assert_same(&session, &all, |_| {});
        assert!(!session.report().lines("test_sample.py").is_empty());

        let script =
            session.write("shebang", &format!("#!{}\nkept = [bytes(999)]\nprint('ran')\n", python.in_venv().display()));
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_same(&session, &["./shebang".into()], |_| {});
        assert!(!session.report().lines("shebang").is_empty());
        assert_same(&session, &command(&python.in_venv(), &["-m", "pytest", "--version"]), |_| {});
    }
}
