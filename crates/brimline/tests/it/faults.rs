//! Ends that nobody plans: the out-of-memory killer, full disks, a umask that shares everything.
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::python::{any_python, skip, soaking};
use crate::session::{Session, ended};

/// A memory control group (version 1) with a limit, removed when dropped.
struct MemoryGroup(PathBuf);

impl MemoryGroup {
    fn new(limit: u64) -> Option<Self> {
        let group = Path::new("/sys/fs/cgroup/memory").join(format!("brimline-test-{}", std::process::id()));
        std::fs::create_dir(&group).ok()?;
        let group = Self(group);
        std::fs::write(group.0.join("memory.limit_in_bytes"), limit.to_string()).ok()?;
        Some(group)
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        std::fs::remove_dir(&self.0).ok();
    }
}

/// Joins the group itself, so that the command that records it is outside.
const HUNGRY: &str = r#"
import os, sys
with open(sys.argv[1] + "/cgroup.procs", "w") as file:
    file.write(str(os.getpid()))
kept = []
while True:
    kept.append(bytearray(b"x" * 1_000_000))
"#;

#[test]
fn soak_recordings_survive_the_out_of_memory_killer() {
    let Some(python) = any_python() else { return };
    let rounds = if soaking() { 30 } else { 2 };
    let Some(group) = MemoryGroup::new(120 << 20) else { return skip("no memory control group can be made") };
    for _ in 0..rounds {
        let session = Session::new();
        let script = session.write("script.py", HUNGRY);
        let run = ended(session.run([&python.bare, &script]).arg(&group.0)).expect_code(137);
        assert!(run.stderr.contains("out-of-memory"), "{}", run.stderr);
        let line = session.report().line_with("script.py", HUNGRY, "kept.append(bytearray");
        assert!((60 << 20..121 << 20).contains(&line.live_bytes), "{line:?}");
    }
    eprintln!("soak: {rounds} kills by the out-of-memory killer, {rounds} recordings open");
}

#[test]
fn files_are_private_whatever_the_umask() {
    let Some(python) = any_python() else { return };
    let session = Session::new();
    let script = session.write("script.py", "import os\nif os.fork(): os.wait()\nkept = [bytes(999)]\n");
    let mut shell = session.plain("sh", ["-c", "umask 000; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_brimline"), "run"]);
    shell.args(["--snapshot-every", "20ms", "--"]).args([&python.bare, &script]).env("BRIMLINE_STORE", session.store());
    ended(&mut shell).expect_code(0);
    let (mut folders, mut files) = (vec![session.store()], 0);
    while let Some(folder) = folders.pop() {
        assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700, "{}", folder.display());
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files += 1;
                assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
            }
        }
    }
    assert!(files >= 4, "{files} files");
}
