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
        let bytes = std::fs::read(folder.join("inputs").join(input)).unwrap();
        let bytes = if flags.starts_with("topproto") { bytes } else { demangled(&bytes, flags.contains("all_frames")) };
        let mut host = MemoryHost::with(input, bytes);
        let flags: Vec<String> = flags.split(',').map(|flag| format!("-{flag}")).collect();
        let mut args: Vec<&str> = flags.iter().map(String::as_str).filter(|flag| *flag != "-all_frames").collect();
        // The thresholds that the reference's tests set before they read a case's flags.
        args.splice(0..0, ["-nodefraction=0.05", "-edgefraction=0.01"]);
        args.push(input);
        let code = host.run(&args);
        let expected = std::fs::read(folder.join("golden").join(golden)).unwrap();
        compared += 1;
        let equal = if golden.contains("topproto") {
            without_header(top(&host.stdout, &args).as_bytes(), &expected) == expected
        } else if golden.contains(".dot") {
            graph(&host.stdout) == graph(&expected)
        } else {
            without_header(&host.stdout, &expected) == expected
        };
        if code != 0 || !equal {
            let expected = String::from_utf8_lossy(&expected).into_owned();
            wrong.push(format!("{case}\n{}\n--- found\n{}\n--- expected\n{expected}", host.stderr(), host.stdout()));
        }
    }
    assert!(compared >= 48, "{compared} cases");
    assert!(wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// The reference's tests demangle with a symbolizer of their own, which turns `mangled1000` into `line1000`,
/// `mangledNEW` into `operator new` and `mangledMALLOC` into `malloc`.
/// With `all_frames` its fetcher also ignores which frames the profile asks to drop.
fn demangled(input: &[u8], all_frames: bool) -> Vec<u8> {
    const STRING_TABLE: u8 = 6 << 3 | 2;
    const DROP_FRAMES: u8 = 7 << 3;
    let mut raw = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(input), &mut raw).expect("the inputs are gzip files");
    let mut renamed = Vec::new();
    let mut rest = &raw[..];
    while let Some((&tag, after)) = rest.split_first() {
        let (value, after) = varint(after);
        let (field, after) = if tag & 7 == 2 { after.split_at(value as usize) } else { (&[][..], after) };
        if tag == DROP_FRAMES && all_frames {
            rest = after;
            continue;
        }
        renamed.push(tag);
        let name = match field.strip_prefix(b"mangled") {
            Some(b"NEW") => b"operator new".to_vec(),
            Some(b"MALLOC") => b"malloc".to_vec(),
            Some(number) if tag == STRING_TABLE => [b"line", number].concat(),
            _ => field.to_vec(),
        };
        put_varint(&mut renamed, if tag & 7 == 2 { name.len() as u64 } else { value });
        renamed.extend_from_slice(&name);
        rest = after;
    }
    renamed
}

fn varint(bytes: &[u8]) -> (u64, &[u8]) {
    let end = bytes.iter().position(|byte| byte & 0x80 == 0).expect("the inputs are whole");
    let value = bytes[..=end].iter().rev().fold(0, |value, byte| value << 7 | u64::from(byte & 0x7f));
    (value, &bytes[end + 1..])
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// The reference's tests print no header above the first figures.
fn without_header<'a>(found: &'a [u8], expected: &[u8]) -> &'a [u8] {
    let starts = [&b"Active filters:"[..], b"Showing nodes"];
    let Some(start) = starts.into_iter().find(|start| expected.starts_with(start)) else { return found };
    let at = found.windows(start.len()).position(|window| window == start);
    &found[at.unwrap_or(0)..]
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

/// The rows of a profile that `-topproto` wrote, as the reference's tests show them.
fn top(profile: &[u8], args: &[&str]) -> String {
    let source = args[args.len() - 1];
    let mut host = MemoryHost::with(source, profile.to_vec());
    let args: Vec<&str> = args.iter().map(|arg| if *arg == "-topproto" { "-text" } else { *arg }).collect();
    assert_eq!(host.run(&args), 0, "{}", host.stderr());
    host.stdout()
}
