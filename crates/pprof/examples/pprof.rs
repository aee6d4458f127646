//! `go tool pprof` on files alone: the smallest host of the command line.

use std::io::{self, BufRead as _, Write};

use brimline_pprof::cli::{Host, Sources, run};

struct Files {
    stdout: io::BufWriter<io::Stdout>,
    stderr: io::Stderr,
}

impl Sources for Files {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn current_directory(&self) -> String {
        std::env::current_dir().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default()
    }
}

impl Host for Files {
    fn fetch(&mut self, _url: &str, _timeout_seconds: u64) -> io::Result<Vec<u8>> {
        Err(io::Error::other("expected a file, this example has no network"))
    }

    fn stdout(&mut self) -> &mut dyn Write {
        &mut self.stdout
    }

    fn stderr(&mut self) -> &mut dyn Write {
        &mut self.stderr
    }

    fn exists(&self, path: &str) -> bool {
        std::path::Path::new(path).exists()
    }

    fn write(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        std::fs::write(path, bytes)
    }

    fn read_line(
        &mut self,
        prompt: &str,
        _completion: &std::rc::Rc<brimline_pprof::cli::Completion>,
    ) -> io::Result<Option<String>> {
        write!(self.stderr, "{prompt}")?;
        io::stdin().lock().lines().next().transpose()
    }

    fn stdout_is_terminal(&self) -> bool {
        io::IsTerminal::is_terminal(&io::stdout())
    }
}

fn main() {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    let mut host = Files { stdout: io::BufWriter::new(io::stdout()), stderr: io::stderr() };
    let code = run(&args, &mut host);
    let _ = host.stdout.flush();
    std::process::exit(code);
}
