//! Answers of `go tool pprof`, kept beside the tests.

use std::path::Path;

use crate::host::MemoryHost;

#[test]
fn answers_as_go_did() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcript");
    let transcript = std::fs::read_to_string(folder.join("answers.txt")).unwrap();
    let mut compared = 0;
    for part in transcript.strip_prefix("$ ").unwrap().split("\n$ ") {
        let (line, expected) = part.split_once('\n').unwrap_or((part, ""));
        let mut host = MemoryHost::default();
        for name in ["one.pb.gz", "two.pb.gz"] {
            host.files.insert(name.into(), std::fs::read(folder.join(name)).unwrap());
        }
        assert_eq!(host.run(&line.split(' ').collect::<Vec<_>>()), 0, "{line}: {}", host.stderr());
        assert_eq!(host.stdout().trim_end_matches('\n'), expected.trim_end_matches('\n'), "{line}");
        compared += 1;
    }
    assert!(compared > 20, "{compared}");
}
