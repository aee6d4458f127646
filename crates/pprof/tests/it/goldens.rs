//! The reference's own goldens, found by `BRIMLINE_PPROF_DATA`: `cases.tsv`, `inputs/`, `golden/`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::host::MemoryHost;

/// The folder with the reference's test data; its absence is told, not hidden.
#[expect(clippy::print_stderr, reason = "a skipped comparison must be seen")]
pub(crate) fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("BRIMLINE_PPROF_DATA").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("SKIPPED: BRIMLINE_PPROF_DATA is not set, the reference's goldens were not compared");
    }
    folder
}

#[test]
fn agree_with_the_reference() {
    let Some(folder) = data() else { return };
    let cases = std::fs::read_to_string(folder.join("cases.tsv")).unwrap();
    let mut compared = 0;
    let mut wrong = Vec::new();
    for case in cases.lines() {
        let [input, flags, golden] = case.split('\t').collect::<Vec<_>>()[..] else { panic!("{case}") };
        if flags.starts_with("disasm") || flags.starts_with("weblist") {
            continue;
        }
        let mut host = MemoryHost::with(input, std::fs::read(folder.join("inputs").join(input)).unwrap());
        let flags: Vec<String> = flags.split(',').map(|flag| format!("-{flag}")).collect();
        // `all_frames` acts when the input is made: it is in the file.
        let mut args: Vec<&str> = flags.iter().map(String::as_str).filter(|flag| *flag != "-all_frames").collect();
        args.push(input);
        let code = host.run(&args);
        let expected = std::fs::read(folder.join("golden").join(golden)).unwrap();
        compared += 1;
        let equal = if golden.contains("topproto") {
            dump(&host.stdout).as_bytes() == expected
        } else if golden.contains(".dot") {
            graph(&host.stdout) == graph(&expected)
        } else {
            host.stdout == expected
        };
        if code != 0 || !equal {
            let expected = String::from_utf8_lossy(&expected).into_owned();
            wrong.push(format!("{case}\n{}\n--- found\n{}\n--- expected\n{expected}", host.stderr(), host.stdout()));
        }
    }
    assert!(compared >= 48, "{compared} cases");
    assert!(wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Lines of a drawing without the numbers of its nodes, which follow their order.
fn graph(dot: &[u8]) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(dot);
    let mut names = std::collections::HashMap::new();
    for line in text.lines() {
        if let (Some((id, _)), Some(tip)) = (line.split_once(" [label="), line.split("tooltip=").nth(1))
            && !line.contains("->")
        {
            names.insert(id.to_owned(), tip.split(" color").next().unwrap_or(tip).to_owned());
        }
    }
    text.lines()
        .map(|line| {
            let words = line.split(' ').map(|word| {
                let word = word.strip_prefix("id=").map_or(word, |_| "id");
                names.get(word).map_or_else(|| word.to_owned(), Clone::clone)
            });
            words.collect::<Vec<_>>().join(" ")
        })
        .collect()
}

/// A profile as `-raw` prints it.
pub(crate) fn dump(profile: &[u8]) -> String {
    let mut host = MemoryHost::with("profile", profile.to_vec());
    assert_eq!(host.run(&["-raw", "profile"]), 0, "{}", host.stderr());
    host.stdout()
}
