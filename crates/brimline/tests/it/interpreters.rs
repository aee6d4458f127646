//! `brimline doctor` on interpreters: those of environments, PATH and pyenv, each with what to do.
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use serde_json::Value;

use crate::python::any_python;
use crate::session::{Session, ended};

fn script(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn the_doctor_says_of_each_interpreter_what_to_do() {
    let Some(python) = any_python() else { return };
    let session = Session::new();
    let home = session.work().join("home");
    let versions = home.join(".pyenv/versions");
    fs::create_dir_all(versions.join("3.13/bin")).unwrap();
    symlink(&python.bare, versions.join("3.13/bin/python3")).unwrap();
    script(&versions.join("3.14t/bin/python3"), "printf 'cpython\\n3\\n14\\n0\\nFalse\\nTrue\\nFalse\\nFalse\\n\\n'");
    script(&home.join(".pyenv/shims/python3.9"), "exit 127");
    let broken = session.work().join("env");
    script(&broken.join("bin/python"), "exit 1");
    fs::write(broken.join("pyvenv.cfg"), "").unwrap();

    let doctor = |arguments: &[&str]| {
        let mut command = session.brimline(arguments);
        command.current_dir(session.work()).env("HOME", &home).env("PATH", home.join(".pyenv/shims"));
        command.env_remove("PYENV_ROOT").env_remove("VIRTUAL_ENV").env_remove("CONDA_PREFIX");
        ended(&mut command).expect_code(0).stdout
    };
    let answer: Value = serde_json::from_str(&doctor(&["doctor", "--json"])).unwrap();
    let found: Vec<_> = answer["python"].as_array().unwrap().iter().collect();
    let paths: Vec<_> = found.iter().map(|python| python["path"].as_str().unwrap()).collect();
    assert_eq!(paths.len(), 3, "the shim of a version that is not chosen is left out: {paths:?}");
    assert!(paths[0].ends_with("env/bin/python") && paths[1].ends_with("3.13/bin/python3"), "{paths:?}");
    assert_eq!(found[1]["ready"], true);
    assert_eq!(found[1]["advice"], Value::Null);
    assert!(found[0]["advice"].as_str().unwrap().contains("python3 -m venv"), "{answer}");
    assert!(found[2]["advice"].as_str().unwrap().contains("`python3.14` without `t`"), "{answer}");
    let text = doctor(&["doctor"]);
    assert!(text.contains("process series can be recorded; use the build of Python 3.14"), "{text}");
}
