//! Names for native frames, from the files on this machine.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::rc::Rc;

use brimline_profile::formats::native::{NativeFile, NativeLocation, Symbolizer};
use brimline_symbols::{FileError, Identity, Location, resolve};

/// Looks addresses up in the files they were recorded in, each address once.
///
/// Clones share what they know: several snapshots of one run are asked about one after the other.
#[derive(Clone, Debug, Default)]
pub(crate) struct LocalFiles(Rc<RefCell<Known>>);

#[derive(Debug, Default)]
struct Known {
    known: HashMap<NativeFile, HashMap<u64, Vec<NativeLocation>>>,
    problems: BTreeSet<String>,
}

impl Symbolizer for LocalFiles {
    fn resolve(&mut self, file: &NativeFile, addresses: &[u64]) -> Vec<Vec<NativeLocation>> {
        // The kernel's own page of code is no file.
        if !file.path.starts_with('/') {
            return vec![Vec::new(); addresses.len()];
        }
        let Known { known, problems } = &mut *self.0.borrow_mut();
        let known = known.entry(file.clone()).or_default();
        let new: Vec<u64> = addresses.iter().copied().filter(|address| !known.contains_key(address)).collect();
        if !new.is_empty() {
            let identity = Identity { build_id: &file.build_id, file: file.version };
            let answer = resolve(Path::new(&file.path), identity, &new);
            if let Some(problem) = answer.problem {
                problems.insert(in_words(&problem));
            }
            for (address, locations) in new.into_iter().zip(answer.locations) {
                known.insert(address, locations.into_iter().map(location).collect());
            }
        }
        addresses.iter().map(|address| known.get(address).cloned().unwrap_or_default()).collect()
    }

    fn warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.0.borrow_mut().problems).into_iter().collect()
    }
}

fn in_words(problem: &FileError) -> String {
    format!("native frames without names: {problem}")
}

fn location(found: Location) -> NativeLocation {
    NativeLocation { function: found.function, file: found.file, line: found.line }
}
