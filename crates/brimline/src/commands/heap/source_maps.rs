//! Places in generated code said in terms of its source, where a source map lies in the file or beside it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use brimline_analysis::heap::source::Place;
use brimline_profile::source_map::{SourceMap, data_url, mapping_url};

/// Maps larger than this are not read.
const LARGEST_MAP: u64 = 256 << 20;
/// The comment that names the map stands at the end; an inline map is part of it.
const COMMENT_LIMIT: u64 = 128 << 20;

/// The maps of a program's scripts, each read when it is first asked for.
#[derive(Debug, Default)]
pub(crate) struct SourceMaps {
    folder: Option<PathBuf>,
    maps: RefCell<HashMap<String, Option<Rc<Script>>>>,
}

#[derive(Debug)]
struct Script {
    map: SourceMap,
    /// Folder that relative sources are taken from.
    folder: PathBuf,
}

impl SourceMaps {
    /// Scripts lie where the snapshot says, or below `folder` with as much of their path as fits.
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, maps: RefCell::default() }
    }

    /// The place in the source, or `place` itself where no map says otherwise.
    pub(crate) fn place(&self, place: &Place) -> Place {
        self.original(place).unwrap_or_else(|| place.clone())
    }

    /// The source's name of the function `generated` at `place`.
    pub(crate) fn function(&self, place: Option<&Place>, generated: &str) -> String {
        let named = place.and_then(|place| {
            let script = self.script(&place.script)?;
            script.map.name(place.line - 1, place.column - 1, generated).map(str::to_owned)
        });
        named.unwrap_or_else(|| generated.to_owned())
    }

    fn original(&self, place: &Place) -> Option<Place> {
        let script = self.script(&place.script)?;
        let original = script.map.original(place.line.checked_sub(1)?, place.column.checked_sub(1)?)?;
        let source = original.source.strip_prefix("file://").unwrap_or(original.source);
        let source = if source.contains("://") || source.is_empty() {
            source.to_owned()
        } else {
            normal(&script.folder.join(source)).display().to_string()
        };
        Some(Place { script: source, line: original.line + 1, column: original.column + 1 })
    }

    fn script(&self, path: &str) -> Option<Rc<Script>> {
        if let Some(known) = self.maps.borrow().get(path) {
            return known.clone();
        }
        let script = self.read(path).map(Rc::new);
        self.maps.borrow_mut().insert(path.to_owned(), script.clone());
        script
    }

    fn read(&self, script: &str) -> Option<Script> {
        if script.starts_with("node:") || script.is_empty() {
            return None;
        }
        let path = self.find(script)?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let url = comment(&path);
        let beside = path.with_file_name(format!("{}.map", path.file_name()?.to_string_lossy()));
        let (text, folder) = match url.as_deref() {
            Some(url) if url.starts_with("data:") => (data_url(url)?, folder),
            Some(url) if !url.contains("://") => {
                let named = folder.join(url);
                let map = if named.is_file() { named } else { beside };
                let folder = map.parent().map_or(folder, Path::to_owned);
                (read_text(&map)?, folder)
            }
            _ => (read_text(&beside)?, folder),
        };
        SourceMap::parse(&text).ok().map(|map| Script { map, folder })
    }

    fn find(&self, script: &str) -> Option<PathBuf> {
        let path = Path::new(script.strip_prefix("file://").unwrap_or(script));
        let given = self.folder.iter().flat_map(|folder| {
            let parts: Vec<_> = path.components().filter(|part| matches!(part, Component::Normal(_))).collect();
            (0..parts.len()).map(move |from| folder.join(parts[from..].iter().collect::<PathBuf>()))
        });
        let found = given.into_iter().find(|path| path.is_file());
        found.or_else(|| (path.is_absolute() && path.is_file()).then(|| path.to_owned()))
    }
}

/// What the comment at the end of the script at `path` says.
fn comment(path: &Path) -> Option<String> {
    let mut file = std::fs::File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    for tail in [4096, COMMENT_LIMIT] {
        file.seek(SeekFrom::Start(length.saturating_sub(tail))).ok()?;
        let mut bytes = Vec::new();
        (&file).take(tail).read_to_end(&mut bytes).ok()?;
        if let Some(url) = mapping_url(&String::from_utf8_lossy(&bytes)) {
            return Some(url.to_owned());
        }
        // Only a line that is longer than the tail can hide an inline map.
        let last_line = bytes.trim_ascii_end();
        if last_line.contains(&b'\n') || tail >= length {
            return None;
        }
    }
    None
}

fn read_text(path: &Path) -> Option<String> {
    let file = std::fs::File::open(path).ok()?;
    let metadata = file.metadata().ok()?;
    if !metadata.is_file() || metadata.len() > LARGEST_MAP {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(LARGEST_MAP).read_to_end(&mut bytes).ok()?;
    String::from_utf8(bytes).ok()
}

/// The path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if normal.file_name().is_some() => {
                normal.pop();
            }
            part => normal.push(part),
        }
    }
    normal
}
