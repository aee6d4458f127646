//! `brimline pprof`: the command line of `go tool pprof`. Here are only the files, the network and the terminal it uses.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufRead as _, BufWriter, IsTerminal as _, Read as _, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use brimline_capture::http::{self, FetchError, Limits, Trust, Url};
use brimline_pprof::cli::{CallTree, Completion, Drawing, GoFolders, Host, Sources, Zone, run};
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{Config, Context, Editor, Helper};

use crate::exit_code::ExitCode;
use crate::flame::{self, Calls, Shape};
use crate::page_server::PageServer;
use crate::raster;

/// No profile is larger; a server that sends more is cut off.
const LARGEST_FILE: u64 = 4 << 30;

/// Arguments, which clap does not look at: one dash, Go's rules.
#[derive(clap::Args, Debug)]
#[command(
    disable_help_flag = true,
    after_help = "Examples:
  brimline pprof -top heap.pb.gz
  brimline pprof -top -diff_base before.pb.gz after.pb.gz
  brimline pprof -peek 'json.*Decode' http://localhost:6060/debug/pprof/heap
  brimline pprof heap.pb.gz             a prompt; `help` lists its commands
  brimline pprof -help                  all flags"
)]
pub(crate) struct Args {
    /// Flags of pprof, then files or URLs.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENT")]
    pub(crate) arguments: Vec<OsString>,
}

/// Carries the command out.
pub(crate) fn execute(args: &Args) -> ExitCode {
    let mut process = Process { stdout: BufWriter::new(io::stdout()), stderr: io::stderr(), editor: None };
    let code = run(&args.arguments, &mut process);
    let flushed = process.stdout.flush();
    match flushed {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::USAGE,
        _ => ExitCode(u8::try_from(code).unwrap_or(ExitCode::USAGE.0)),
    }
}

/// This process as the host of the command line.
struct Process {
    stdout: BufWriter<io::Stdout>,
    stderr: io::Stderr,
    /// Made when the first line is read from a terminal.
    editor: Option<Editor<Words, MemHistory>>,
}

impl Sources for Process {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        let file = File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(io::Error::other("expected a file, found a folder"));
        }
        let mut bytes = Vec::new();
        file.take(LARGEST_FILE).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn current_directory(&self) -> String {
        std::env::current_dir().map(|path| path.to_string_lossy().into_owned()).unwrap_or_default()
    }

    fn go_folders(&self) -> GoFolders {
        crate::go::go_folders()
    }
}

impl Host for Process {
    fn is_program(&self, path: &str) -> bool {
        let regular = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
        let mut magic = [0; 4];
        regular && File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && &magic == b"\x7fELF"
    }

    fn fetch(&mut self, url: &str, timeout_seconds: u64) -> io::Result<Vec<u8>> {
        // Go's spelling for a server whose certificate nobody signed.
        let (url, trust) = match url.strip_prefix("https+insecure://") {
            Some(rest) => (format!("https://{rest}"), Trust::Any),
            None => (url.to_owned(), Trust::Roots),
        };
        let (place, query) = url.split_at(url.find('?').unwrap_or(url.len()));
        let place = Url::parse(place).map_err(io::Error::other)?;
        let limits = Limits { time: Duration::from_secs(timeout_seconds), bytes: LARGEST_FILE as usize };
        http::get(&place, query, trust, limits).map_err(|error| match error {
            FetchError::TimedOut { .. } => io::Error::new(io::ErrorKind::TimedOut, error),
            other => io::Error::other(other),
        })
    }

    fn zone(&self, seconds: i64) -> Zone {
        let zone = jiff::tz::TimeZone::system();
        jiff::Timestamp::from_second(seconds).map_or_else(
            |_| Zone::default(),
            |time| {
                let info = zone.to_offset_info(time);
                Zone { offset_seconds: info.offset().seconds().into(), name: info.abbreviation().to_owned() }
            },
        )
    }

    fn stdout(&mut self) -> &mut dyn Write {
        &mut self.stdout
    }

    fn stderr(&mut self) -> &mut dyn Write {
        &mut self.stderr
    }

    fn exists(&self, path: &str) -> bool {
        Path::new(path).exists()
    }

    fn write(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        std::fs::write(path, bytes)
    }

    fn read_line(&mut self, prompt: &str, completion: &Rc<Completion>) -> io::Result<Option<String>> {
        if !io::stdin().is_terminal() {
            return io::stdin().lock().lines().next().transpose();
        }
        let editor = match &mut self.editor {
            Some(editor) => editor,
            none => {
                let mut editor =
                    Editor::with_history(Config::default(), MemHistory::new()).map_err(io::Error::other)?;
                editor.set_helper(Some(Words(Rc::clone(completion))));
                none.insert(editor)
            }
        };
        match editor.readline(prompt) {
            Ok(line) => {
                // A line that is not remembered is no reason to stop.
                let _ = editor.add_history_entry(line.as_str());
                Ok(Some(line))
            }
            Err(ReadlineError::Eof | ReadlineError::Interrupted) => Ok(None),
            Err(ReadlineError::Io(error)) => Err(error),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn flame(&mut self, tree: &CallTree, html: bool) -> io::Result<Vec<u8>> {
        let mut callees = vec![Vec::new(); tree.nodes.len()];
        for (row, node) in tree.nodes.iter().enumerate().skip(1) {
            callees[node.parent].push(row);
        }
        for rows in &mut callees {
            rows.sort_by_key(|&row| std::cmp::Reverse(tree.nodes[row].weight));
        }
        let shape = if html { Shape::Html } else { Shape::Svg };
        let mut out = Vec::new();
        flame::write(&tree.title.join(" · "), &Tree { tree, callees }, shape, &mut out)?;
        Ok(out)
    }

    fn png(&mut self, drawing: &Drawing) -> io::Result<Vec<u8>> {
        raster::png(drawing)
    }

    fn open(&mut self, bytes: &[u8], extension: &str) -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix("brimline-").suffix(&format!(".{extension}")).tempfile()?;
        file.write_all(bytes)?;
        // The browser reads it after this program may have ended.
        let (_, path) = file.keep().map_err(|error| error.error)?;
        writeln!(self.stderr, "Written to {}", path.display())?;
        browse(path.as_os_str());
        Ok(())
    }

    fn serve(&mut self, address: &str, page: &[u8], browser: bool) -> io::Result<()> {
        let server = PageServer::bind(address)?;
        let url = server.url()?;
        writeln!(self.stderr, "Serving on {url}; Ctrl-C ends it")?;
        if browser {
            browse(url.as_ref());
        }
        server.run(page)
    }

    fn stdout_is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }
}

/// Asks the desktop to show a file or URL; without one, its place has been told.
fn browse(what: &OsStr) {
    let quiet =
        |command: &mut Command| command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    for program in ["xdg-open", "open"] {
        if quiet(Command::new(program).arg(what)).is_ok() {
            return;
        }
    }
}

/// A report's tree as calls to draw.
struct Tree<'t> {
    tree: &'t CallTree,
    callees: Vec<Vec<usize>>,
}

impl Calls for Tree<'_> {
    fn callees(&self, row: usize) -> Vec<usize> {
        self.callees[row].clone()
    }

    fn weight(&self, row: usize) -> i64 {
        self.tree.nodes[row].weight
    }

    fn name(&self, row: usize) -> String {
        self.tree.nodes[row].name.clone()
    }

    fn text(&self, row: usize) -> String {
        self.tree.nodes[row].text.clone()
    }

    fn growth(&self, row: usize) -> Option<f64> {
        self.tree.nodes[row].growth
    }
}

/// What the Tab key offers.
struct Words(Rc<Completion>);

impl Completer for Words {
    type Candidate = String;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        Ok((0, self.0.lines(line.get(..at).unwrap_or(line))))
    }
}

impl Hinter for Words {
    type Hint = String;
}

impl Highlighter for Words {}

impl Validator for Words {}

impl Helper for Words {}
