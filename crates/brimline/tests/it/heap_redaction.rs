//! Secrets planted in real programs, in every place that V8 writes down: none is in what brimline keeps or prints.
use std::path::{Path, PathBuf};

use crate::heaps::{heap, node};
use crate::session::{Session, ended};

/// Every way in which the program's secrets are told.
const SECRETS: [&str; 5] =
    ["xyzzy", "4111111122223333", "5500000000000004", "9876543210123456789012345", "A1b2C3d4E5f6"];

/// The `node` on the path and those of `BRIMLINE_NODES`.
pub(crate) fn nodes() -> Vec<PathBuf> {
    let more = std::env::var_os("BRIMLINE_NODES");
    node().into_iter().chain(more.iter().flat_map(std::env::split_paths)).collect()
}

fn holds(bytes: &[u8], secret: &str) -> bool {
    String::from_utf8_lossy(bytes).contains(secret)
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[test]
fn nothing_kept_or_printed_tells_a_secret() {
    for node in nodes() {
        let session = Session::new();
        let script = session.write("secrets.mjs", include_str!("heap/secrets.mjs"));
        let status = session.plain(&node, [script.as_os_str(), "app.heapsnapshot".as_ref()]).status().unwrap();
        assert!(status.success(), "{}", node.display());
        let whole = std::fs::read(session.work().join("app.heapsnapshot")).unwrap();
        // Numbers that are no strings are not in a snapshot at all.
        for secret in SECRETS.iter().filter(|secret| !secret.starts_with("4111") && !secret.starts_with("98765")) {
            assert!(holds(&whole, secret), "{secret} was not planted in {}", node.display());
        }
        let import = ended(&mut session.brimline(["import", "app.heapsnapshot", "--name", "app"])).expect_code(0);
        let mut printed = vec![import];
        for question in ["top", "strings", "stats"] {
            printed.push(heap(&session, &[question, "app", "--json"]).expect_code(0));
        }
        printed.push(heap(&session, &["paths", "Session", "app"]).expect_code(0));
        printed.push(heap(&session, &["class", "Session", "app", "--json"]).expect_code(0));
        printed.push(heap(&session, &["nodes", "app"]).expect_code(0));
        let id = printed[5].stdout.split("\"id\":").nth(1).unwrap().split([',', '}']).next().unwrap().trim();
        printed.push(heap(&session, &["object", &format!("@{id}"), "app"]).expect_code(0));
        assert!(printed[7].stdout.contains("headers"), "names of fields stay: {}", printed[7].stdout);
        for secret in SECRETS {
            for answer in &printed {
                assert!(!answer.stdout.contains(secret) && !answer.stderr.contains(secret), "{secret} is printed");
            }
        }
        let mut files = files_below(&session.store());
        files.extend(files_below(&session.work().join("cache")));
        assert!(files.iter().any(|file| file.ends_with("imports/app.heapsnapshot.zst")), "{files:?}");
        for file in files {
            let bytes = std::fs::read(&file).unwrap();
            let bytes = zstd::decode_all(&bytes[..]).unwrap_or(bytes);
            for secret in SECRETS {
                assert!(!holds(&bytes, secret), "{secret} is in {} of {}", file.display(), node.display());
            }
        }
    }
}
