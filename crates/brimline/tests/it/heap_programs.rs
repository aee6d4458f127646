//! The servers of `programs/node` under requests: what their truth names holds the memory, and nothing in the bounded ones.
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use crate::answer::line_number;
use crate::heap_apps::packages;
use crate::heaps::{heap, json, node, rows};
use crate::session::{Session, ended, kill};

/// Requests before the first snapshots, and again before the second ones.
const REQUESTS: u64 = 600;

fn programs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../programs/node").canonicalize().unwrap()
}

/// A program and what `truth.toml` says of it.
struct Truth {
    folder: PathBuf,
    table: toml::Table,
}

impl Truth {
    fn read(name: &str) -> Self {
        let folder = programs().join(name);
        let table = std::fs::read_to_string(folder.join("truth.toml")).unwrap().parse().unwrap();
        Self { folder, table }
    }

    fn text(&self, variant: &str, key: &str) -> &str {
        self.table[variant][key].as_str().unwrap()
    }

    /// File and line of what keeps the memory.
    fn keeps(&self) -> (PathBuf, u64) {
        let keeps = &self.table["leaky"]["keeps"];
        let file = self.folder.join(keeps["file"].as_str().unwrap());
        let line = line_number(&std::fs::read_to_string(&file).unwrap(), keeps["text"].as_str().unwrap());
        (file, line)
    }

    fn processes(&self) -> usize {
        self.table.get("processes").map_or(1, |processes| processes.as_integer().unwrap() as usize)
    }
}

/// A server that tells on its standard output where it listens and what it wrote.
struct Server {
    child: Child,
    lines: Receiver<String>,
    port: String,
}

impl Server {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let mut server = Self { child, lines, port: String::new() };
        server.port = server.next("listening on ");
        server
    }

    /// What follows `beginning` on the next line.
    fn next(&self, beginning: &str) -> String {
        let line = self.lines.recv_timeout(Duration::from_secs(60)).unwrap();
        line.strip_prefix(beginning).unwrap_or_else(|| panic!("expected `{beginning}`, found `{line}`")).to_owned()
    }

    /// A heap snapshot of each process or thread, in an order that stays.
    fn snapshots(&self, processes: usize) -> Vec<String> {
        kill(self.child.id(), libc::SIGUSR2);
        let mut files: Vec<_> = (0..processes).map(|_| self.next("wrote ")).collect();
        // `Heap.DATE.TIME.PID.…`: the time is no part of the order.
        files.sort_by_key(|file| file.split('.').skip(3).map(str::to_owned).collect::<Vec<_>>());
        files.sort_by_key(|file| file.starts_with("thread").then(|| file.clone()));
        files
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        kill(self.child.id(), libc::SIGTERM);
        let _ = self.child.wait();
    }
}

/// Snapshots of a program before and after requests, for each of its processes.
fn record(session: &Session, truth: &Truth, arguments: &[&str]) -> Vec<[String; 2]> {
    let (Some(node), Some(packages)) = (node(), packages()) else { return Vec::new() };
    let modules = packages.join("node_modules");
    let mut command = session.plain(&node, arguments);
    command.env("NODE_PATH", &modules);
    let server = Server::start(command);
    let drive = programs().join("drive.cjs");
    let load = |first: u64| {
        let (requests, first) = (REQUESTS.to_string(), first.to_string());
        let route = truth.table["route"].as_str().unwrap();
        let arguments = [drive.to_str().unwrap(), &server.port, route, &requests, &first];
        ended(&mut session.plain(&node, arguments)).expect_code(0);
    };
    load(0);
    let before = server.snapshots(truth.processes());
    load(REQUESTS);
    let after = server.snapshots(truth.processes());
    before.into_iter().zip(after).map(|(before, after)| [before, after]).collect()
}

/// The leak that `truth` tells of, by every question; answers how many it holds.
fn check_leaky(session: &Session, truth: &Truth, [before, after]: &[String; 2]) -> u64 {
    let (file, line) = truth.keeps();
    let variable = format!("variable {}", truth.text("leaky", "variable"));
    // Who sees a variable may be any function beside it; a function or class of its own has its line.
    let function = truth.table["leaky"].get("function").and_then(toml::Value::as_str);
    let named = |holder: &Value| {
        holder["shape"] == truth.text("leaky", "shape")
            && holder["path"].as_str().unwrap().contains(&variable)
            && holder["file"].as_str().is_some_and(|found| Path::new(found) == file)
            && function.is_none_or(|function| holder["function"] == function && holder["line"] == line)
    };
    let diff = json(&heap(session, &["diff", before, after, "--json"]).expect_code(0));
    // A set of promises is told of beside them; nothing else grew.
    let holders = rows(&diff, "holders");
    let named_one = holders.iter().find(|holder| named(holder));
    let leak = named_one.unwrap_or_else(|| panic!("not {}:{line}: {:#}", file.display(), diff["holders"]));
    assert!(holders.len() <= 2, "{:#}", diff["holders"]);
    let top = json(&heap(session, &["top", after, "--json"]).expect_code(0));
    assert!(rows(&top, "holders").iter().any(named), "{:#}", top["holders"]);
    let owner = format!("@{}", leak["owner"]);
    let paths = heap(session, &["paths", &owner, after]).expect_code(0).stdout;
    assert!(paths.contains(&variable), "{paths}");
    leak["after_count"].as_u64().unwrap()
}

/// Nothing grew.
fn check_bounded(session: &Session, [before, after]: &[String; 2]) {
    let diff = json(&heap(session, &["diff", before, after, "--json"]).expect_code(0));
    assert_eq!(rows(&diff, "holders"), &[] as &[Value]);
}

/// Both variants of a program; `start` gives the arguments for its main file.
fn check(truth: &Truth, start: impl Fn(&Session, &str) -> Vec<String>) {
    for variant in ["leaky", "bounded"] {
        let session = Session::new();
        let arguments = start(&session, truth.text(variant, "main"));
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let pairs = record(&session, truth, &arguments);
        match variant {
            "bounded" => pairs.iter().for_each(|pair| check_bounded(&session, pair)),
            _ if pairs.is_empty() => {}
            _ => {
                let grown: u64 = pairs.iter().map(|pair| check_leaky(&session, truth, pair)).sum();
                assert_eq!(grown, 2 * REQUESTS, "{}", truth.folder.display());
            }
        }
    }
}

/// A module's routes below each web framework.
fn check_routes(name: &str) {
    let truth = Truth::read(name);
    let serve = programs().join("serve.cjs").display().to_string();
    for framework in ["express", "fastify"] {
        check(&truth, |_, main| {
            vec![serve.clone(), framework.to_owned(), truth.folder.join(main).display().to_string()]
        });
    }
}

/// A program that starts processes or threads of its own.
fn check_alone(name: &str) {
    let truth = Truth::read(name);
    check(&truth, |_, main| vec![truth.folder.join(main).display().to_string()]);
}

#[test]
fn names_a_listener() {
    check_routes("listener");
}

#[test]
fn names_a_growing_map() {
    check_routes("growing_map");
}

#[test]
fn names_a_closure() {
    check_routes("closure");
}

#[test]
fn names_a_timer() {
    check_routes("timer");
}

#[test]
fn names_a_promise() {
    check_routes("promise");
}

#[test]
fn names_the_map_in_each_worker_of_a_cluster() {
    check_alone("cluster");
}

#[test]
fn names_the_map_in_each_thread_of_a_pool() {
    check_alone("worker_pool");
}

#[test]
fn names_the_line_of_a_typescript_source() {
    let Some(packages) = packages() else { return };
    let truth = Truth::read("typescript");
    check(&truth, |session, main| {
        let compiler = packages.join("node_modules/typescript/bin/tsc");
        let (project, out) = (truth.folder.join("tsconfig.json"), session.work().join("out"));
        let arguments = [compiler.as_os_str(), "-p".as_ref(), project.as_ref(), "--outDir".as_ref(), out.as_ref()];
        ended(&mut session.plain(&node().unwrap(), arguments)).expect_code(0);
        let main = out.join(Path::new(main).with_extension("js").file_name().unwrap());
        let serve = programs().join("serve.cjs");
        [serve, "express".into(), main].map(|path: PathBuf| path.display().to_string()).to_vec()
    });
}
