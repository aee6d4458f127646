use brimline_pprof::{Limits, View, encode, inflate};
use brimline_profile::{Precision, Profile, ProfileBuilder, StackId, ValueType};

use crate::host::MemoryHost;

/// Two stacks of one program, one of them recursive.
pub(crate) fn sample() -> Profile {
    sample_of(4096, 1_048_576)
}

fn sample_of(first_bytes: i64, second_bytes: i64) -> Profile {
    let types = vec![
        ValueType { name: "inuse_objects".into(), unit: "count".into() },
        ValueType { name: "inuse_space".into(), unit: "bytes".into() },
    ];
    let mut builder = ProfileBuilder::new(types, Precision::Sampled { period: 524_288 });
    let main = builder.function("main.main", "/src/main.go", 1);
    let load = builder.function("main.load", "/src/load.go", 4);
    let outer = builder.frame(main, 3);
    let inner = builder.frame(load, 6);
    let deeper = builder.frame(load, 7);
    let first = builder.stack(StackId::ROOT, outer);
    let second = builder.stack(first, inner);
    let third = builder.stack(second, deeper);
    let labels = builder.label_set(&[("route", "/work")]);
    let none = builder.label_set(&[]);
    builder.add(second, none, &[2, first_bytes]);
    builder.add(third, labels, &[1, second_bytes]);
    builder.finish()
}

#[test]
fn a_profile_survives_the_way_there_and_back() {
    let before = sample();
    let bytes = encode(&before);
    let raw = inflate(&bytes, Limits::default()).unwrap();
    let view = View::read(&raw).unwrap();
    let after = Profile::from(&view);
    assert_eq!(after.value_types, before.value_types);
    assert_eq!(after.precision, before.precision);
    assert_eq!(after.totals(), before.totals());
    assert_eq!(after.samples().len(), before.samples().len());
    let again = encode(&after);
    assert_eq!(encode(&Profile::from(&View::read(&inflate(&again, Limits::default()).unwrap()).unwrap())), again);
}

#[test]
fn every_truncation_is_an_error_or_a_profile() {
    let bytes = encode(&sample());
    let raw = inflate(&bytes, Limits::default()).unwrap();
    for end in 0..raw.len() {
        let mut host = MemoryHost::with("cut", raw[..end].to_vec());
        let code = host.run(&["-top", "cut"]);
        assert!(code == 0 || host.stderr().starts_with("error: "), "{end}");
    }
    for end in 0..bytes.len() {
        assert_eq!(MemoryHost::with("cut", bytes[..end].to_vec()).run(&["-top", "cut"]), 2, "{end}");
    }
}

#[test]
fn wrong_input_is_told_with_the_next_step() {
    let profile = encode(&sample());
    for (args, content, expected) in [
        (&["-top", "p"][..], b"<!DOCTYPE html><html>".to_vec(), "found an HTML page"),
        (&["-top", "p"], b"hello".to_vec(), "failed to read `p` as pprof profile"),
        (&["-top", "p"], Vec::new(), "found an empty file"),
        (&["-top", "gone"], Vec::new(), "failed to read `gone`"),
        (&["-top", "-sample_index=cpu", "p"], profile.clone(), "(inuse_objects, inuse_space), found `cpu`"),
        (&["-top", "-tree", "p"], profile.clone(), "expected one report, found `-top` and `-tree`"),
        (&["-nosuch", "p"], profile.clone(), "found `-nosuch`"),
        (&["-top", "-focus=(", "p"], profile.clone(), "parsing focus regexp"),
        (&["-disasm=x", "p"], profile.clone(), "disassembler"),
        (&["-top"], profile.clone(), "expected a profile file or URL, found none"),
    ] {
        let mut host = MemoryHost::with("p", content);
        assert_eq!(host.run(args), 2, "{args:?}");
        assert!(host.stderr().contains(expected), "{args:?}: {}", host.stderr());
        assert!(host.stdout.is_empty());
    }
}

#[test]
fn the_prompt_keeps_options_and_expands_shortcuts() {
    let mut host = MemoryHost::with("p", encode(&sample()));
    host.input = vec!["inuse_objects", "top1 -cum", "focus=load", "tags >out", "nonsense", "q", "top"];
    assert_eq!(host.run(&["p"]), 0);
    assert!(host.stdout().contains("Showing top 1 nodes out of 2"), "{}", host.stdout());
    assert!(String::from_utf8_lossy(&host.files["out"]).contains("route:"), "{}", host.stderr());
    assert!(host.stderr().contains("expected a command, found `nonsense`"));
    assert_eq!(host.stdout().matches("Showing nodes").count(), 1);
}

#[test]
fn the_prompt_tells_of_empty_columns_and_forgives_slips() {
    let mut host = MemoryHost::with("p", encode(&sample_of(0, 0)));
    host.input = vec!["inuse_objects", "top - -zzz", "focus=a//:b//:c", "o"];
    assert_eq!(host.run(&["p"]), 0);
    assert!(host.stderr().contains("Try \"sample_index\" command"), "{}", host.stderr());
    assert!(host.stdout().contains("ignore=zzz") && host.stdout().contains("load"), "{}", host.stdout());
    assert!(host.stderr().contains("= a//:b "), "{}", host.stderr());
}

#[test]
fn a_profile_minus_itself_is_empty() {
    let mut host = MemoryHost::with("p", encode(&sample()));
    assert_eq!(host.run(&["-top", "-base=p", "p"]), 0, "{}", host.stderr());
    assert!(host.stdout().contains("Showing nodes accounting for 0, 0% of 0 total"), "{}", host.stdout());
}

#[test]
fn damaged_bytes_never_panic() {
    let bytes = inflate(&encode(&sample()), Limits::default()).unwrap().into_owned();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    let reports = [
        "-top",
        "-tree",
        "-dot",
        "-raw",
        "-traces",
        "-tags",
        "-callgrind",
        "-proto",
        "-topproto",
        "-list=.",
        "-peek=.",
    ];
    for _ in 0..4_000 {
        let mut mutant = bytes.clone();
        for _ in 0..=random() % 3 {
            let at = random() % mutant.len();
            mutant[at] = random() as u8;
        }
        let mut host = MemoryHost::with("p", mutant);
        let code = host.run(&[reports[random() % reports.len()], "p"]);
        assert!(code == 0 || code == 2);
    }
}
