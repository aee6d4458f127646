//! `brimline pprof` and `brimline import` as a user has them: files, servers good and bad, runs made of files.
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use brimline_profile::{Precision, ProfileBuilder, StackId, ValueType};
use serde_json::Value;

use crate::go_endpoints::Program;
use crate::go_programs::{build, has_go};
use crate::session::{Session, ended};

/// A heap profile of two functions; `grown` is what the second one holds.
fn heap(grown: i64) -> Vec<u8> {
    let types = ["inuse_objects", "inuse_space"].map(|name| ValueType { name: name.into(), unit: "bytes".into() });
    let mut builder = ProfileBuilder::new(types.into(), Precision::Sampled { period: 524_288 });
    for (name, line, values) in [("main.steady", 3, [100, 40 << 20]), ("main.leak", 7, [grown >> 20, grown])] {
        let function = builder.function(name, "/app/main.go", 1);
        let frame = builder.frame(function, line);
        let stack = builder.stack(StackId::ROOT, frame);
        let labels = builder.label_set(&[]);
        builder.add(stack, labels, &values);
    }
    brimline_pprof::encode(&builder.finish())
}

#[test]
fn imported_files_are_runs() {
    let session = Session::new();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("before.pb.gz"), heap(8 << 20)).unwrap();
    std::fs::write(path("after.pb.gz"), heap(300 << 20)).unwrap();
    std::fs::write(path("page.html"), "<!doctype html><html>no</html>").unwrap();
    for name in ["before", "after"] {
        ended(&mut session.brimline(["import", &path(&format!("{name}.pb.gz")), "--name", name])).expect_code(0);
    }
    let answer = ended(&mut session.brimline(["report", "after", "--json"])).expect_code(0);
    let report: Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!(report["rows"][0]["function"], "main.leak");
    assert_eq!(report["rows"][0]["live_bytes"], 300 << 20);
    assert!(report["totals"]["peak_bytes"].is_null(), "{report}");
    // The run and the file itself give the same answer.
    for (before, after) in [("before".to_owned(), "after".to_owned()), (path("before.pb.gz"), path("after.pb.gz"))] {
        let answer = ended(&mut session.brimline(["diff", &before, &after, "--json"])).expect_code(0);
        let diff: Value = serde_json::from_str(&answer.stdout).unwrap();
        assert_eq!(diff["rows"].as_array().unwrap().len(), 1, "{diff}");
        assert_eq!(diff["rows"][0]["delta_bytes"], 292 << 20);
        assert_eq!(diff["rows"][0]["within_noise"], false);
    }
    let collapsed = ended(&mut session.brimline(["export", "after", "--format", "collapsed"])).expect_code(0);
    assert!(collapsed.stdout.contains("main.leak"), "{}", collapsed.stdout);
    let page = ended(&mut session.brimline(["report", "after", "--format", "html"])).expect_code(0);
    assert!(page.stdout.starts_with("<!doctype html>") && !page.stdout.contains("http://localhost"));
    for arguments in [["import", &path("page.html")], ["report", &path("page.html")]] {
        let answer = ended(&mut session.brimline(arguments)).expect_code(2);
        assert!(answer.stderr.contains("found an HTML page") && answer.stderr.contains("hint: "), "{}", answer.stderr);
    }
}

#[test]
fn growth_that_sampling_explains_is_said_to_be_so() {
    let session = Session::new();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    // Blocks of about a MiB, of which one in seven goes unseen: 4 MiB more of 40 are within the error, 200 are not.
    std::fs::write(path("a"), heap(40 << 20)).unwrap();
    std::fs::write(path("b"), heap(44 << 20)).unwrap();
    let answer = ended(&mut session.brimline(["diff", &path("a"), &path("b")])).expect_code(0);
    assert!(answer.stdout.contains("noise?"), "{}", answer.stdout);
    let answer = ended(&mut session.brimline(["pprof", "-json", "-base", &path("a"), &path("b")])).expect_code(0);
    let diff: Value = serde_json::from_str(&answer.stdout).unwrap();
    assert_eq!((&diff["rows"][0]["name"], &diff["rows"][0]["within_noise"]), (&"main.leak".into(), &true.into()));
    let flame = ended(&mut session.brimline(["pprof", "-flame", "-base", &path("a"), &path("b")])).expect_code(0);
    assert!(flame.stdout.contains("40MB → 44MB (+4MB)"), "{}", flame.stdout);
}

/// Answers one request with `bytes`, or holds it open.
fn server(bytes: Option<Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/debug/pprof/heap", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 1024];
        let _ = stream.read(&mut request);
        match bytes {
            Some(bytes) => {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", bytes.len());
                let _ = stream.write_all(&[head.as_bytes(), &bytes].concat());
            }
            None => std::thread::sleep(Duration::from_secs(20)),
        }
    });
    url
}

#[test]
fn servers_are_read_and_bad_ones_named_in_time() {
    let session = Session::new();
    let answer = ended(&mut session.brimline(["pprof", "-top", &server(Some(heap(1 << 20)))])).expect_code(0);
    assert!(answer.stdout.contains("main.steady"), "{}", answer.stdout);
    let dead = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/debug/pprof/heap", listener.local_addr().unwrap())
    };
    let start = Instant::now();
    for (url, expected) in [
        (dead, "refused"),
        (server(Some(b"<html>index</html>".to_vec())), "found an HTML page"),
        (server(None), "within 1.0 s, found none"),
    ] {
        let answer = ended(&mut session.brimline(["pprof", "-top", "-timeout=1", &url])).expect_code(2);
        assert!(answer.stderr.contains(expected) && answer.stderr.contains("hint: "), "{}", answer.stderr);
        assert!(answer.stdout.is_empty());
    }
    assert!(start.elapsed() < Duration::from_secs(15));
}

#[test]
fn pipes_are_read_once_and_passwords_kept() {
    let session = Session::new();
    let file = session.work().join("one.pb.gz");
    std::fs::write(&file, heap(1 << 20)).unwrap();
    let twice = format!("{} pprof -top <(cat {1}) <(cat {1})", env!("CARGO_BIN_EXE_brimline"), file.display());
    let mut shell = session.plain("bash", ["-c", &twice]);
    let both = ended(&mut shell).expect_code(0).stdout;
    let one = ended(session.brimline(["pprof", "-top"]).arg(&file)).expect_code(0).stdout;
    assert!(one.contains("41MB total") && both.contains("82MB total"), "{one}\n{both}");

    let url = server(Some(heap(1 << 20))).replace("://", "://me:secret@");
    let longest = format!("-timeout={}", i64::MAX);
    let answer = ended(&mut session.brimline(["pprof", "-top", &longest, &url])).expect_code(0);
    assert!(answer.stderr.contains("me:xxxxx@") && !answer.stderr.contains("secret"), "{}", answer.stderr);
}

#[test]
fn pictures_need_no_graphviz() {
    let session = Session::new();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("a.pb.gz"), heap(8 << 20)).unwrap();
    let draw = |options: &[&str], name: &str| {
        let (file, profile) = (path(name), path("a.pb.gz"));
        let arguments = [&["pprof"], options, &["-output", &file, &profile]].concat();
        ended(session.brimline(arguments).env("PATH", "/nonexistent")).expect_code(0);
        let decoder = png::Decoder::new(std::io::BufReader::new(std::fs::File::open(&file).unwrap()));
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        (info.width, info.height, pixels)
    };
    let svg = ended(&mut session.brimline(["pprof", "-svg", &path("a.pb.gz")])).expect_code(0).stdout;
    let view = svg.split("viewBox=\"0 0 ").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let sides: Vec<u32> = view.split(' ').map(|side| side.parse().unwrap()).collect();
    let (width, height, pixels) = draw(&["-png"], "all.png");
    assert!(width.abs_diff(sides[0] * 2) <= 2 && height.abs_diff(sides[1] * 2) <= 2, "{width} {height} {view}");
    let colours: std::collections::BTreeSet<_> = pixels.chunks(4).collect();
    assert!(colours.len() > 50, "boxes, lines and letters with smooth edges: {}", colours.len());
    let (_, _, other) = draw(&["-png", "-focus=leak"], "focused.png");
    assert_ne!(pixels, other);
}

#[test]
fn a_server_with_a_certificate_of_its_own_is_read_when_asked_to() {
    if !has_go() {
        return;
    }
    let session = Session::new();
    let program = Program::start(&build("endpoints", &[]), &[("ENDPOINT", "tls")]);
    let url = |scheme: &str| {
        format!(
            "{scheme}://{}/debug/pprof/heap",
            program.1.trim_start_matches("https://").trim_start_matches("http://")
        )
    };
    let refused = ended(&mut session.brimline(["pprof", "-top", &url("https")])).expect_code(2);
    assert!(
        refused.stderr.contains("ertificate") && refused.stderr.contains("https+insecure://"),
        "{}",
        refused.stderr
    );
    let top = ended(&mut session.brimline(["pprof", "-top", &url("https+insecure")])).expect_code(0);
    assert!(top.stdout.contains("inuse_space"), "{}", top.stdout);
}

#[test]
fn times_are_those_of_the_local_zone_as_go_shows_them() {
    if !has_go() {
        return;
    }
    let session = Session::new();
    let file = session.work().join("timed.pb");
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(&heap(8 << 20)[..]).read_to_end(&mut bytes).unwrap();
    // Field 9, a varint: 2024-02-29 12:34:56 UTC.
    bytes.push(9 << 3);
    let mut nanos = 1_709_210_096_000_000_000_u64;
    while nanos >= 0x80 {
        bytes.push(nanos as u8 | 0x80);
        nanos >>= 7;
    }
    bytes.push(nanos as u8);
    std::fs::write(&file, bytes).unwrap();
    for zone in ["UTC", "America/New_York", "Asia/Kolkata", "America/Sao_Paulo"] {
        for report in ["-top", "-raw"] {
            let ours = ended(session.brimline(["pprof", report]).arg(&file).env("TZ", zone)).expect_code(0).stdout;
            let go = std::process::Command::new("go")
                .args(["tool", "pprof", report])
                .arg(&file)
                .env("TZ", zone)
                .output()
                .unwrap();
            assert_eq!(ours, String::from_utf8_lossy(&go.stdout), "{zone} {report}");
        }
    }
}

/// Lines typed at the prompt and what they print; `cum` alone is left out, which Go's prompt does not know.
const TYPED: [&str; 12] = [
    "top\ntop1\ntop 1\ntop10 -cum\ntree\npeek leak\ntags\ntraces\n",
    "sample_index=0\ntop\nsample_index=inuse_space\ntop\ninuse_objects\ntop\ntotal_inuse_space\ntop\n",
    "focus=leak\ntop\nfocus=\ntop\nignore=leak\ntop\nhide=steady\ntree\n:\ntop\n",
    "granularity=lines\ntop\nsort=cum\ntop\nunit=kb\ntop\nnodecount=1\ntop\n",
    "nonsense\nfoo=bar\nnodecount=x\nfocus=[\ntop\n",
    "top >out.txt\ntop > out2.txt\n",
    "top -leak\ntop steady -leak\ntop5 leak\ntop 1 2\n",
    "comments\nraw\ndot\ncompact_labels\ndot\n",
    "relative_percentages=true\nfocus=leak\ntop\ndivide_by=2\nmean=1\ntop\ncall_tree=true\ntree\n",
    "callgrind\ncallgrind\n",
    "quit\ntop\n",
    "\n  top  \ntrim=false\nshow_from=leak\ntop\nedgefraction=0.5\nnodefraction=0.9\ntop",
];

/// What a prompt left behind: its output without the prompts, and files.
fn typed(mut command: std::process::Command, lines: &str) -> (String, Vec<(String, Vec<u8>)>) {
    let folder = tempfile::tempdir().unwrap();
    let mut child = command
        .current_dir(folder.path())
        .env("PPROF_TMPDIR", "/tmp")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let mut files: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    (String::from_utf8_lossy(&output.stdout).replace("(pprof) ", ""), files)
}

#[test]
fn the_prompt_answers_as_go_does() {
    if !has_go() {
        return;
    }
    let session = Session::new();
    let file = session.work().join("a.pb.gz");
    std::fs::write(&file, heap(8 << 20)).unwrap();
    for lines in TYPED {
        let mut go = std::process::Command::new("go");
        go.args(["tool", "pprof"]).arg(&file);
        let mut ours = session.brimline(["pprof"]);
        ours.arg(&file);
        assert_eq!(typed(ours, lines), typed(go, lines), "{lines}");
    }
}
