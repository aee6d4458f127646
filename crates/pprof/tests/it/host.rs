//! A host in memory.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, Write};

use brimline_pprof::cli::{Host, Sources, run};

/// Files by name, and what a run left behind.
#[derive(Debug, Default)]
pub(crate) struct MemoryHost {
    pub(crate) files: HashMap<String, Vec<u8>>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
    pub(crate) input: Vec<&'static str>,
}

impl MemoryHost {
    pub(crate) fn with(name: &str, bytes: Vec<u8>) -> Self {
        Self { files: HashMap::from([(name.to_owned(), bytes)]), ..Self::default() }
    }

    /// Runs a command line; the answer is the exit code.
    pub(crate) fn run(&mut self, args: &[&str]) -> i32 {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        run(&args, self)
    }

    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

impl Sources for MemoryHost {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        self.files.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn current_directory(&self) -> String {
        "/src".into()
    }
}

impl Host for MemoryHost {
    fn is_program(&self, path: &str) -> bool {
        self.files.get(path).is_some_and(|bytes| bytes.starts_with(b"\x7fELF"))
    }

    fn fetch(&mut self, url: &str, _timeout_seconds: u64) -> io::Result<Vec<u8>> {
        self.read(url)
    }

    fn stdout(&mut self) -> &mut dyn Write {
        &mut self.stdout
    }

    fn stderr(&mut self) -> &mut dyn Write {
        &mut self.stderr
    }

    fn exists(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    fn write(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.files.insert(path.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn read_line(
        &mut self,
        _prompt: &str,
        _completion: &std::rc::Rc<brimline_pprof::cli::Completion>,
    ) -> io::Result<Option<String>> {
        Ok(if self.input.is_empty() { None } else { Some(self.input.remove(0).to_owned()) })
    }

    fn stdout_is_terminal(&self) -> bool {
        false
    }
}
