//! Native frames of a recording: addresses in files of machine code, which a [`Symbolizer`] turns into functions.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use brimline_recording::Recording;
use brimline_recording::layout::{NATIVE_CODE, NATIVE_MASK, Node, Table};

use crate::{CodeAddress, FrameId, Module, ProfileBuilder};

/// Name of the frame that stands for native frames which were too many; the innermost ones follow it.
pub const CUT: &str = "<native frames left out>";
/// Name of code that belongs to no file: a just-in-time compiler's.
const NOWHERE: &str = "<code without a file>";

/// A file whose addresses are asked about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NativeFile {
    /// Its path.
    pub path: String,
    /// Its build id; empty if it had none.
    pub build_id: Vec<u8>,
    /// Size in bytes and time of last change (nanoseconds since 1970) of a file without a build id, where known.
    pub version: Option<(u64, u64)>,
}

/// A function that an address lies in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NativeLocation {
    /// Its name as in source code.
    pub function: String,
    /// Its source file, `None` when it is not known.
    pub file: Option<String>,
    /// 1-based; 0 when it is not known.
    pub line: u32,
}

/// Knows what lies at an address. This crate opens no file, so the answer comes from outside.
pub trait Symbolizer: std::fmt::Debug {
    /// For each of `addresses` (as in the file, without load bias) its functions, the innermost inlined call first;
    /// nothing where it is not known.
    fn resolve(&mut self, file: &NativeFile, addresses: &[u64]) -> Vec<Vec<NativeLocation>>;
    /// What could not be used, one sentence each.
    fn warnings(&mut self) -> Vec<String>;
}

/// Knows nothing: every frame is called by its file and address.
#[derive(Clone, Copy, Debug)]
pub struct NoSymbols;

impl Symbolizer for NoSymbols {
    fn resolve(&mut self, _: &NativeFile, addresses: &[u64]) -> Vec<Vec<NativeLocation>> {
        vec![Vec::new(); addresses.len()]
    }

    fn warnings(&mut self) -> Vec<String> {
        Vec::new()
    }
}

/// Frames by node code and address, outermost first.
#[derive(Debug, Default)]
pub(super) struct NativeFrames(HashMap<(u32, u32), Vec<FrameId>>);

impl NativeFrames {
    /// Resolves all native frames of a recording, file by file.
    pub(super) fn resolve(
        recording: &Recording<'_>,
        symbolizer: &mut dyn Symbolizer,
        builder: &mut ProfileBuilder,
    ) -> Self {
        let mut wanted: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        for node in (0..recording.rows(Table::Nodes) as u32).filter_map(|index| recording.node(index)) {
            if node.code & NATIVE_MASK == NATIVE_CODE {
                wanted.entry(node.code).or_default().insert(node.instruction);
            }
        }
        let mut frames = HashMap::new();
        for (code, instructions) in wanted {
            let Some(row) = recording.module(code & !NATIVE_MASK) else {
                let function = builder.function(NOWHERE, "", 0);
                let frame = builder.frame(function, 0);
                frames.extend(instructions.into_iter().map(|instruction| ((code, instruction), vec![frame])));
                continue;
            };
            let path = String::from_utf8_lossy(row.path).into_owned();
            let file = NativeFile { path, build_id: row.build_id.to_vec(), version: row.file };
            let (start, end) = row.mapped;
            let module = builder.module(Module {
                path: without_detours(&file.path),
                build_id: file.build_id.clone(),
                start,
                end,
            });
            let addresses: Vec<u64> = instructions.iter().map(|&address| u64::from(address)).collect();
            let answers = symbolizer.resolve(&file, &addresses);
            for (instruction, locations) in instructions.into_iter().zip(answers) {
                let address = row.bias.wrapping_add(u64::from(instruction));
                let place = Place { file: &file, relative: instruction, code: CodeAddress { module, address } };
                frames.insert((code, instruction), place.frames(&locations, builder));
            }
        }
        Self(frames)
    }

    /// Frames of a native node, outermost first; none for the entry points of allocators.
    pub(super) fn frames(&self, node: &Node) -> &[FrameId] {
        self.0.get(&(node.code, node.instruction)).map_or(&[], |frames| frames)
    }
}

/// One address.
struct Place<'a> {
    file: &'a NativeFile,
    relative: u32,
    code: CodeAddress,
}

impl Place<'_> {
    fn frames(&self, locations: &[NativeLocation], builder: &mut ProfileBuilder) -> Vec<FrameId> {
        let path = &*without_detours(&self.file.path);
        let mut frame = |name: &str, file: Option<&str>, line| {
            // Without a source, the library is the file.
            let function = builder.native_function(name, file.unwrap_or(path), 0, path);
            let frame = builder.frame(function, line);
            builder.set_code_address(frame, self.code);
            frame
        };
        if locations.is_empty() {
            let library = path.rsplit('/').next().unwrap_or(path);
            return vec![frame(&format!("{library}+{:#x}", self.relative), None, 0)];
        }
        let shown = locations.iter().rev().filter(|location| !is_allocator(&location.function));
        shown.map(|location| frame(&location.function, location.file.as_deref(), location.line)).collect()
    }
}

/// A path without `a/../`, as libraries that name others relative to themselves are loaded by.
fn without_detours(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            ".." if parts.last().is_some_and(|last| !matches!(*last, "" | "..")) => {
                parts.pop();
            }
            "." if !parts.is_empty() => {}
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The innermost functions of nearly every stack, which say nothing: what is asked is who called them.
const ALLOCATORS: [&str; 27] = [
    "_PyObject_MallocWithType",
    "_PyMem_MallocWithType",
    "malloc",
    "calloc",
    "realloc",
    "PyMem_Malloc",
    "PyMem_Calloc",
    "PyMem_Realloc",
    "PyMem_RawMalloc",
    "PyMem_RawCalloc",
    "PyMem_RawRealloc",
    "PyObject_Malloc",
    "PyObject_Calloc",
    "PyObject_Realloc",
    "_PyObject_Malloc",
    "_PyMem_DebugRawAlloc",
    "_PyMem_DebugRawMalloc",
    "_PyMem_DebugRawCalloc",
    "_PyMem_DebugRawRealloc",
    "_PyMem_DebugMalloc",
    "_PyMem_DebugCalloc",
    "_PyMem_DebugRealloc",
    "operator new(unsigned long)",
    "operator new[](unsigned long)",
    "__rust_alloc",
    "__rust_alloc_zeroed",
    "__rust_realloc",
];

/// Beginnings of further ones, from the standard libraries of Rust and C++.
const ALLOCATOR_FAMILIES: [&str; 13] = [
    "__rustc::__r",
    "__rdl_",
    "__rg_",
    "alloc::alloc::",
    "<alloc::alloc::Global",
    "std::sys::alloc::unix::",
    "std::sys::pal::unix::alloc::",
    "<std::alloc::System",
    "operator new(unsigned long, ",
    "operator new[](unsigned long, ",
    "std::__new_allocator<",
    "__gnu_cxx::new_allocator<",
    "std::allocator_traits<std::allocator<",
];

fn is_allocator(function: &str) -> bool {
    ALLOCATORS.contains(&function)
        || ALLOCATOR_FAMILIES.iter().any(|family| function.starts_with(family))
        || (function.starts_with("std::allocator<") && function.ends_with("::allocate(unsigned long)"))
}

#[cfg(test)]
mod tests {
    use super::{is_allocator, without_detours};

    #[test]
    fn detours_in_paths_are_cut() {
        for (path, straight) in [
            ("/v/numpy/_core/../../numpy.libs/b.so", "/v/numpy.libs/b.so"),
            ("/v/./b.so", "/v/b.so"),
            ("/../b.so", "/../b.so"),
            ("linux-vdso.so.1", "linux-vdso.so.1"),
        ] {
            assert_eq!(without_detours(path), straight);
        }
    }

    #[test]
    fn entry_points_of_allocators_are_told_from_who_calls_them() {
        for yes in [
            "PyObject_Malloc",
            "operator new(unsigned long)",
            "operator new(unsigned long, std::align_val_t)",
            "alloc::alloc::exchange_malloc",
            "__rustc::__rust_alloc",
            "std::__new_allocator<int>::allocate(unsigned long, void const*)",
            "std::allocator_traits<std::allocator<int> >::allocate(std::allocator<int>&, unsigned long)",
        ] {
            assert!(is_allocator(yes), "{yes}");
        }
        for no in ["PyDict_New", "alloc::vec::Vec<T,A>::push", "operator newer()", "std::vector<int>::reserve", ""] {
            assert!(!is_allocator(no), "{no}");
        }
    }
}
