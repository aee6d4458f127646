//! `list`: source lines with their values.

use std::collections::HashMap;
use std::io::{self, Write};

use super::go_sources::{self, GoFolders};
use super::{Report, ReportError};
use crate::graph::{Edges, Plan, Skeleton};
use crate::measure::percentage;
use crate::paths;

/// Where source files come from.
pub trait Sources {
    /// The file at `path`.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;
    /// Directory that relative paths are looked up from when no search path is given.
    fn current_directory(&self) -> String;
    /// Where Go is installed on this machine.
    fn go_folders(&self) -> GoFolders {
        GoFolders::default()
    }
}

/// Lines shown before the first and after the last one with a value.
const MARGIN: i64 = 5;

/// Values of one source line.
struct Row {
    line: i64,
    start: i64,
    flat: i64,
    cum: i64,
}

/// A source file with the values of its lines.
type FileRows<'i> = (&'i str, Vec<Row>);

impl Report<'_, '_> {
    pub(super) fn list(&mut self, out: &mut dyn Write, sources: &dyn Sources) -> Result<(), ReportError> {
        self.trim_files();
        let skeleton = Skeleton::new(self.view, true);
        let plan = Plan {
            value: self.options.value,
            mean: self.options.mean,
            call_tree: false,
            drop_negative: self.options.drop_negative,
            edges: Edges::None,
            tags: None,
        };
        let graph = skeleton.graph(self.view, plan, None);
        let Some(symbol) = self.options.symbol.clone() else { return Ok(()) };

        let mut functions: Vec<(&str, Vec<FileRows<'_>>)> = Vec::new();
        for &index in &graph.order {
            let node = graph.node(index);
            let info = &skeleton.infos[node.info as usize];
            if symbol.regex.is_match(&info.name) {
                let row = Row { line: info.line, start: info.start_line, flat: node.flat, cum: node.cum };
                push(push_key(&mut functions, &info.name), &info.file, row);
            }
        }
        if functions.is_empty() {
            return Err(ReportError::NoMatches(symbol.text));
        }
        functions.sort_by(|one, other| one.0.cmp(other.0));

        writeln!(out, "Total: {}", self.value(self.total))?;
        let mut cache = Cache { sources, files: HashMap::new(), report: self };
        for (name, mut files) in functions {
            files.retain(|(file, _)| !file.is_empty());
            if files.is_empty() {
                writeln!(out, "No source information for {name}")?;
            }
            files.sort_by(|one, other| one.0.cmp(other.0));
            for (file, rows) in files {
                let sum = |of: fn(&Row) -> i64| rows.iter().fold(0_i64, |sum, row| sum.wrapping_add(of(row)));
                let (flat, cum) = (sum(|row| row.flat), sum(|row| row.cum));
                writeln!(out, "ROUTINE ======================== {name} in {file}")?;
                let share = percentage(cum, self.total);
                let (flat, cum) = (self.value(flat), self.value(cum));
                writeln!(out, "{flat:>10} {cum:>10} (flat, cum) {share} of Total")?;
                let (first, last) = window(&rows);
                // The reference opens a file for its first line: without lines, it cannot be missing.
                if first > last && !cache.files.contains_key(file) {
                    continue;
                }
                match cache.lines(file) {
                    Err(problem) => writeln!(out, " Error: {problem}")?,
                    Ok(lines) => {
                        let lines = lines.iter().zip(1..).take(last.max(0) as usize).skip(first as usize - 1);
                        self.source_rows(out, lines, &rows)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn source_rows<'l>(
        &self,
        out: &mut dyn Write,
        lines: impl Iterator<Item = (&'l String, i64)>,
        rows: &[Row],
    ) -> io::Result<()> {
        let mut values: HashMap<i64, (i64, i64)> = HashMap::new();
        for row in rows {
            let sums = values.entry(row.line).or_default();
            *sums = (sums.0.wrapping_add(row.flat), sums.1.wrapping_add(row.cum));
        }
        let shown = |value: i64| if value == 0 { ".".to_owned() } else { self.value(value) };
        for (text, number) in lines {
            let (flat, cum) = values.get(&number).copied().unwrap_or_default();
            writeln!(out, "{:>10} {:>10} {number:6}:{text}", shown(flat), shown(cum))?;
        }
        Ok(())
    }
}

/// First and last line shown of a function.
fn window(rows: &[Row]) -> (i64, i64) {
    let start_of = |row: &Row| if row.start == 0 { row.line.saturating_sub(MARGIN) } else { row.start };
    let (mut first, mut last) = (start_of(&rows[0]), rows[0].line.saturating_add(MARGIN));
    for row in rows {
        if start_of(row) < first {
            first = start_of(row);
        } else {
            last = last.max(row.line.saturating_add(MARGIN));
        }
    }
    (first.max(1), last)
}

fn push_key<'r, 'i, T>(rows: &'r mut Vec<(&'i str, Vec<T>)>, key: &'i str) -> &'r mut Vec<T> {
    let index = rows.iter().position(|(known, _)| *known == key).unwrap_or_else(|| {
        rows.push((key, Vec::new()));
        rows.len() - 1
    });
    &mut rows[index].1
}

fn push<'i>(rows: &mut Vec<FileRows<'i>>, key: &'i str, row: Row) {
    push_key(rows, key).push(row);
}

/// Source files read once.
struct Cache<'c, 'r, 'a> {
    sources: &'c dyn Sources,
    files: HashMap<String, Result<Vec<String>, String>>,
    report: &'c Report<'r, 'a>,
}

impl Cache<'_, '_, '_> {
    fn lines(&mut self, file: &str) -> &Result<Vec<String>, String> {
        if !self.files.contains_key(file) {
            let found = self.open(file).or_else(|problem| self.open_elsewhere(file).ok_or(problem));
            let lines = found.map(|bytes| {
                let mut lines: Vec<String> =
                    bytes.split(|&byte| byte == b'\n').map(|line| String::from_utf8_lossy(line).into_owned()).collect();
                if lines.last().is_some_and(String::is_empty) {
                    lines.pop();
                }
                for line in &mut lines {
                    if line.ends_with('\r') {
                        line.pop();
                    }
                }
                lines
            });
            self.files.insert(file.to_owned(), lines);
        }
        &self.files[file]
    }

    /// The file where Go keeps sources, which the reference does not look into.
    fn open_elsewhere(&self, file: &str) -> Option<Vec<u8>> {
        let options = &self.report.options;
        let current = self.sources.current_directory();
        let search = if options.source_path.is_empty() { &current } else { &options.source_path };
        go_sources::read(file, search, self.sources)
    }

    /// The file itself if its path is absolute, else the first found below the search path and its parents.
    fn open(&self, file: &str) -> Result<Vec<u8>, String> {
        let options = &self.report.options;
        let current = self.sources.current_directory();
        let search = if options.source_path.is_empty() { &current } else { &options.source_path };
        let path = paths::trim_source(file, &options.trim_path, search);
        if path.starts_with('/') {
            return self.sources.read(path).map_err(|source| format!("open {path}: {}", reason(&source)));
        }
        for directory in search.split(':') {
            let mut directory = directory;
            loop {
                if let Ok(bytes) = self.sources.read(&paths::clean(&format!("{directory}/{path}"))) {
                    return Ok(bytes);
                }
                match directory.rfind('/') {
                    Some(0) if directory.len() > 1 => directory = "/",
                    Some(at) if at > 0 => directory = &directory[..at],
                    _ => break,
                }
            }
        }
        Err(format!("could not find file {path} on path {search}"))
    }
}

/// An error in the words of the C library, as Go prints it.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        io::ErrorKind::IsADirectory => "is a directory".into(),
        _ => error.to_string(),
    }
}
