//! Lines of the user's source files, read when they are first asked for.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Files larger than this are not read: no one reads such source beside a table.
const LARGEST_FILE: u64 = 8 << 20;

/// Source files, relative ones taken from the folder in which the program ran.
#[derive(Debug, Default)]
pub(crate) struct SourceText {
    folder: Option<PathBuf>,
    /// Whether Go's folders are searched for files that are not where the program says.
    searches_go: bool,
    files: RefCell<HashMap<String, Option<Rc<[String]>>>>,
}

impl SourceText {
    /// `folder` is where the program ran.
    pub(crate) fn new(folder: Option<PathBuf>) -> Self {
        Self { folder, ..Self::default() }
    }

    /// The same for a Go program, whose files may be named by their module.
    pub(crate) fn of_go(folder: Option<PathBuf>) -> Self {
        Self { folder, searches_go: true, ..Self::default() }
    }

    /// All lines of `file`; `None` when it is not there or no regular text file of a sane size.
    pub(crate) fn lines(&self, file: &str) -> Option<Rc<[String]>> {
        if file.is_empty() || file.starts_with('<') {
            return None;
        }
        if let Some(known) = self.files.borrow().get(file) {
            return known.clone();
        }
        let lines = self.read(file);
        self.files.borrow_mut().insert(file.to_owned(), lines.clone());
        lines
    }

    /// One line, trimmed, 1-based.
    pub(crate) fn line(&self, file: &str, line: u32) -> Option<String> {
        let lines = self.lines(file)?;
        let text = lines.get((line as usize).checked_sub(1)?)?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// Last line of the definition that starts at `first`. In Python it ends before the first line that is indented no
    /// deeper than the definition, in Go with the first brace that stands no deeper.
    pub(crate) fn block_end(&self, file: &str, first: u32) -> Option<u32> {
        let lines = self.lines(file)?;
        let indent = |line: &str| line.len() - line.trim_start().len();
        let start = (first as usize).checked_sub(1)?;
        let depth = indent(lines.get(start)?);
        if file.ends_with(".go") {
            // Whole on one line, or closed by a line of its own: gofmt writes no other.
            if lines[start].trim_end().ends_with('}') {
                return Some(first);
            }
            let closes = |line: &String| line.trim_start().starts_with('}') && indent(line) <= depth;
            let end = lines[start + 1..].iter().position(closes)?;
            return u32::try_from(start + 2 + end).ok();
        }
        // Decorators and a signature over several lines come before the body: it begins at the first deeper line
        // behind a line that ends with a colon.
        let colon =
            lines[start..].iter().position(|line| line.split('#').next().unwrap_or("").trim_end().ends_with(':'));
        let header = start + colon?;
        let mut end = header;
        for (offset, line) in lines[header + 1..].iter().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            if indent(line) <= depth {
                break;
            }
            end = header + 1 + offset;
        }
        u32::try_from(end + 1).ok()
    }

    fn read(&self, file: &str) -> Option<Rc<[String]>> {
        let path = match &self.folder {
            Some(folder) => folder.join(file),
            None => Path::new(file).to_owned(),
        };
        let metadata = fs::metadata(&path).ok().filter(fs::Metadata::is_file);
        let text = match metadata {
            Some(metadata) if metadata.len() > LARGEST_FILE => return None,
            Some(_) => fs::read(&path).ok()?,
            None if self.searches_go => crate::go::source(file, self.folder.as_deref())?,
            None => return None,
        };
        Some(String::from_utf8_lossy(&text).lines().map(str::to_owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_ends_where_the_indentation_does() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let text = "@cached\ndef f(\n    a,\n):\n    x = 1\n\n    return x\n\ny = 2\n";
        fs::write(folder.path().join("a.py"), text).expect("writes");
        let source = SourceText::new(Some(folder.path().to_owned()));
        assert_eq!(source.block_end("a.py", 1), Some(7));
        assert_eq!(source.line("a.py", 5).as_deref(), Some("x = 1"));
        assert_eq!(source.line("a.py", 0), None);
        assert_eq!(source.line("b.py", 1), None);
        assert_eq!(source.line("/dev/zero", 1), None);
        let text = "package a\n\nfunc f(\n\tx int,\n) {\n\tgo func() {\n\t\tg()\n\t}()\n}\n\nfunc h() {}\n";
        fs::write(folder.path().join("a.go"), text).expect("writes");
        let source = SourceText::of_go(Some(folder.path().to_owned()));
        assert_eq!([3, 6, 11].map(|first| source.block_end("a.go", first)), [Some(9), Some(8), Some(11)]);
    }
}
