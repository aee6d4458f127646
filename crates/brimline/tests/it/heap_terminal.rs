//! Long snapshots on a terminal: how far the work is, and an end when it is asked for.
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::os::fd::FromRawFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::session::Session;

/// A valid snapshot that takes a while: a root that refers to `nodes` objects.
fn write_snapshot(path: &Path, nodes: usize) {
    let mut out = BufWriter::new(File::create(path).unwrap());
    write!(
        out,
        "{{\"snapshot\":{{\"meta\":{{\"node_fields\":[\"type\",\"name\",\"id\",\"self_size\",\"edge_count\",\"detachedness\"],\
         \"node_types\":[[\"hidden\",\"array\",\"string\",\"object\",\"code\",\"closure\",\"regexp\",\"number\",\"native\",\
         \"synthetic\"],\"string\",\"number\",\"number\",\"number\",\"number\"],\
         \"edge_fields\":[\"type\",\"name_or_index\",\"to_node\"],\
         \"edge_types\":[[\"context\",\"element\",\"property\",\"internal\",\"hidden\",\"shortcut\",\"weak\"],\
         \"string_or_number\",\"node\"]}},\"node_count\":{},\"edge_count\":{nodes},\"trace_function_count\":0}},\n\
         \"nodes\":[9,0,1,0,{nodes},0\n",
        nodes + 1
    )
    .unwrap();
    for node in 0..nodes {
        writeln!(out, ",3,1,{},24,0,0", node * 2 + 3).unwrap();
    }
    write!(out, "],\n\"edges\":[").unwrap();
    for node in 0..nodes {
        writeln!(out, "{}1,{node},{}", if node == 0 { "" } else { "," }, (node + 1) * 6).unwrap();
    }
    write!(out, "],\n\"trace_function_infos\":[],\"trace_tree\":[],\"samples\":[],\"locations\":[],\n\"strings\":[\"\",\"Row\"]}}")
        .unwrap();
    out.flush().unwrap();
}

/// Both ends of a new terminal.
fn terminal() -> (File, File) {
    let (mut outer, mut inner) = (0, 0);
    let none = std::ptr::null_mut();
    // SAFETY: the two numbers are written to, the rest may be null.
    let made = unsafe { libc::openpty(&raw mut outer, &raw mut inner, none, none.cast(), none.cast()) };
    assert_eq!(made, 0);
    // SAFETY: both descriptors are new and belong to no one else.
    unsafe { (File::from_raw_fd(outer), File::from_raw_fd(inner)) }
}

#[test]
fn tells_how_far_it_is_and_ends_when_interrupted() {
    let session = Session::new();
    let path = session.work().join("rows.heapsnapshot");
    write_snapshot(&path, 1_000_000);
    // The words at which the interrupt comes; never, to see the whole.
    for stop_at in [None, Some("read "), Some("computing retained sizes")] {
        let (mut outer, inner) = terminal();
        let mut command = session.brimline(["heap", "top", "--no-index", "rows.heapsnapshot"]);
        let mut child = command.stdout(Stdio::null()).stderr(inner).spawn().unwrap();
        // The command holds a copy of the inner end; without it the outer one never ends.
        drop(command);
        let (mut seen, mut piece, mut interrupted) = (String::new(), [0; 4096], None);
        // A terminal whose inner end is closed answers with an error.
        while let Ok(length @ 1..) = outer.read(&mut piece) {
            seen.push_str(&String::from_utf8_lossy(&piece[..length]));
            if interrupted.is_none() && stop_at.is_some_and(|words| seen.contains(words)) {
                // SAFETY: the process is a child that has not been waited for.
                assert_eq!(unsafe { libc::kill(child.id() as i32, libc::SIGINT) }, 0);
                interrupted = Some(Instant::now());
            }
        }
        let status = child.wait().unwrap();
        if let Some(interrupted) = interrupted {
            // A second on a machine that has nothing else to do.
            assert!(interrupted.elapsed() < Duration::from_secs(3), "{:?}", interrupted.elapsed());
            assert!(status.signal() == Some(libc::SIGINT) || status.code() == Some(130), "{status}");
        } else {
            assert_eq!(stop_at, None, "never said so: {seen}");
            assert!(status.success(), "{status}: {seen}");
            for words in ["rows.heapsnapshot: read ", "% …", "computing retained sizes …", "naming what holds memory …"]
            {
                assert!(seen.contains(words), "no `{words}` in {seen:?}");
            }
            assert!(seen.ends_with("\r\x1b[K"), "the line is cleared: {seen:?}");
        }
    }
    // Not on a terminal: not a word.
    let quiet = session.brimline(["heap", "top", "--no-index", "rows.heapsnapshot"]).output().unwrap();
    assert!(quiet.status.success() && quiet.stderr.is_empty(), "{quiet:?}");
}
