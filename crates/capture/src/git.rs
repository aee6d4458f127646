//! The commit of the working directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use brimline_store::GitState;

/// A question to git whose answer is fetched later, so that the program does not wait for it.
pub(crate) struct GitQuestion {
    state: GitState,
    status: Option<Child>,
}

/// Reads the commit (from files: no process, no wait) and asks git whether the work tree differs.
pub(crate) fn ask(cwd: &Path) -> Option<GitQuestion> {
    let folder = cwd.ancestors().find_map(git_folder)?;
    let (commit, branch) = head(&folder)?;
    let status = Command::new("git")
        // A repository's own settings must not start programs here.
        .args(["-c", "core.fsmonitor=false", "--no-optional-locks", "status", "--porcelain", "--untracked-files=no"])
        .current_dir(cwd)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok();
    Some(GitQuestion { state: GitState { commit, branch, dirty: None }, status })
}

impl GitQuestion {
    /// The answer; git is stopped if it needs longer than `patience` from now.
    pub(crate) fn answer(mut self, patience: Duration) -> GitState {
        if let Some(status) = self.status.take() {
            self.state.dirty = is_dirty(status, patience);
        }
        self.state
    }
}

fn is_dirty(mut status: Child, patience: Duration) -> Option<bool> {
    let deadline = Instant::now() + patience;
    loop {
        match status.try_wait().ok()? {
            Some(exit) if exit.success() => {
                let mut first = [0];
                let read = std::io::Read::read(status.stdout.as_mut()?, &mut first).ok()?;
                return Some(read > 0);
            }
            Some(_) => return None,
            None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(1)),
            None => {
                // More than a pipe holds (64 KiB) of changes keeps git waiting: that is an answer too.
                let _ = status.kill();
                let _ = status.wait();
                return None;
            }
        }
    }
}

/// `.git` of a folder: itself, or where the file `.git` of a work tree points.
fn git_folder(folder: &Path) -> Option<PathBuf> {
    let git = folder.join(".git");
    if git.is_dir() {
        return Some(git);
    }
    let text = fs::read_to_string(&git).ok()?;
    Some(folder.join(text.strip_prefix("gitdir:")?.trim()))
}

fn head(git: &Path) -> Option<(String, Option<String>)> {
    let head = fs::read_to_string(git.join("HEAD")).ok()?;
    let head = head.trim();
    let Some(reference) = head.strip_prefix("ref: ") else {
        return is_commit(head).then(|| (head.to_owned(), None));
    };
    // A work tree keeps its HEAD for itself, and the branches in the common folder.
    let common = fs::read_to_string(git.join("commondir")).map_or(git.to_owned(), |text| git.join(text.trim()));
    let loose = fs::read_to_string(common.join(reference)).ok().map(|text| text.trim().to_owned());
    let commit = loose.or_else(|| {
        let packed = fs::read_to_string(common.join("packed-refs")).ok()?;
        let line = packed.lines().find(|line| line.split_once(' ').is_some_and(|(_, name)| name == reference))?;
        line.split(' ').next().map(str::to_owned)
    })?;
    let branch = reference.strip_prefix("refs/heads/").map(str::to_owned);
    is_commit(&commit).then_some((commit, branch))
}

fn is_commit(text: &str) -> bool {
    text.len() >= 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
