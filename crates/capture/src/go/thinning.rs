//! Keeps the captures taken by time few: a run of a month has as many as one of ten minutes, further apart.

use std::fs;
use std::path::{Path, PathBuf};

/// More than this of one process are thinned out.
const MOST: usize = 64;
/// The newest stay as close together as they were taken.
const NEWEST: usize = 8;

/// Removes every second of the older captures of `pid` when there are too many; the first stays.
pub(super) fn thin(folder: &Path, pid: u32) {
    let ending = format!("-{pid}");
    let Ok(listing) = fs::read_dir(folder) else { return };
    let mut paths: Vec<(u64, PathBuf)> = listing
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some((name.strip_suffix(&ending)?.parse().ok()?, entry.path()))
        })
        .collect();
    if paths.len() <= MOST {
        return;
    }
    paths.sort_unstable();
    paths.truncate(paths.len() - NEWEST);
    for (_, path) in paths.iter().skip(1).step_by(2) {
        // One that stays is room lost and nothing else.
        let _ = fs::remove_dir_all(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_first_and_the_newest() {
        let folder = tempfile::tempdir().unwrap();
        for at in 100..200 {
            fs::create_dir(folder.path().join(format!("{at}-7"))).unwrap();
            thin(folder.path(), 7);
        }
        fs::create_dir(folder.path().join("100-8")).unwrap();
        let has = |name: &str| folder.path().join(name).is_dir();
        let count = fs::read_dir(folder.path()).unwrap().count();
        assert!((30..=MOST + 2).contains(&count), "{count}");
        assert!(has("100-7") && has("199-7") && has("198-7") && has("100-8"));
    }
}
