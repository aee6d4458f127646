//! What holds for any profile, tried on random ones.

use std::collections::BTreeMap;

use brimline_pprof::encode;
use brimline_profile::{Precision, Profile, ProfileBuilder, StackId, ValueType};

use crate::host::MemoryHost;
use crate::mutants::Random;

const PROFILES: u64 = 60;

fn random_profile(random: &mut Random) -> Profile {
    let types = ["inuse_objects", "inuse_space"].map(|name| ValueType { name: name.into(), unit: "bytes".into() });
    let mut builder = ProfileBuilder::new(types.into(), Precision::Sampled { period: 4096 });
    let functions: Vec<_> = (0..=random.below(12))
        .map(|number| builder.function(&format!("pkg.fn{number}<&\"é"), &format!("/src/f{}.go", number % 3), 1))
        .collect();
    let labels = [builder.label_set(&[]), builder.label_set(&[("route", "/a")])];
    for _ in 0..random.below(60) {
        let mut stack = StackId::ROOT;
        for _ in 0..=random.below(9) {
            let frame = builder.frame(functions[random.below(functions.len())], random.below(5) as u32);
            stack = builder.stack(stack, frame);
        }
        builder.add(stack, labels[random.below(2)], &[1 + random.below(9) as i64, 1 + random.below(1 << 20) as i64]);
    }
    builder.finish()
}

/// Rows of a JSON report: name to the numbers called so.
fn rows(host: &mut MemoryHost, args: &[&str], keys: [&str; 2]) -> BTreeMap<String, [i64; 2]> {
    host.stdout.clear();
    assert_eq!(host.run(args), 0, "{}", host.stderr());
    let answer: serde_json::Value = serde_json::from_str(&host.stdout()).unwrap();
    let row = |row: &serde_json::Value| {
        (row["name"].as_str().unwrap().to_owned(), keys.map(|key| row[key].as_i64().unwrap()))
    };
    answer["rows"].as_array().unwrap().iter().map(row).collect()
}

#[test]
fn rows_are_the_sums_over_the_stacks() {
    let mut random = Random(7);
    for _ in 0..PROFILES {
        let profile = random_profile(&mut random);
        let mut expected: BTreeMap<String, [i64; 2]> = BTreeMap::new();
        for (sample, values) in profile.samples() {
            let names: Vec<String> = profile
                .frames_of(sample.stack)
                .map(|frame| profile.strings.get(profile.function_of(frame).name).to_owned())
                .collect();
            expected.entry(names[0].clone()).or_default()[0] += values[1];
            for name in names.iter().collect::<std::collections::BTreeSet<_>>() {
                expected.entry(name.clone()).or_default()[1] += values[1];
            }
        }
        let mut host = MemoryHost::with("p", encode(&profile));
        assert_eq!(rows(&mut host, &["-json", "p"], ["flat", "cum"]), expected);
    }
}

#[test]
fn differences_are_antisymmetric_and_a_merge_is_commutative() {
    let mut random = Random(11);
    for _ in 0..PROFILES {
        let mut host = MemoryHost::with("a", encode(&random_profile(&mut random)));
        host.files.insert("b".into(), encode(&random_profile(&mut random)));
        let forth = rows(&mut host, &["-json", "-diff_base=a", "b"], ["delta", "cum_delta"]);
        let back = rows(&mut host, &["-json", "-diff_base=b", "a"], ["delta", "cum_delta"]);
        let negated: BTreeMap<_, _> =
            back.into_iter().map(|(name, values)| (name, values.map(|value| -value))).collect();
        assert_eq!(forth, negated);
        let same = rows(&mut host, &["-json", "-diff_base=a", "a"], ["delta", "cum_delta"]);
        assert!(same.values().all(|values| *values == [0, 0]), "{same:?}");
        let merged = rows(&mut host, &["-json", "a", "b"], ["flat", "cum"]);
        assert_eq!(merged, rows(&mut host, &["-json", "b", "a"], ["flat", "cum"]));
        let mut sums = rows(&mut host, &["-json", "a"], ["flat", "cum"]);
        for (name, values) in rows(&mut host, &["-json", "b"], ["flat", "cum"]) {
            let sum = sums.entry(name).or_default();
            *sum = [sum[0] + values[0], sum[1] + values[1]];
        }
        assert_eq!(merged, sums);
    }
}

#[test]
fn a_rewrite_changes_no_report() {
    let mut random = Random(13);
    for _ in 0..PROFILES {
        let mut host = MemoryHost::with("a", encode(&random_profile(&mut random)));
        assert_eq!(host.run(&["-proto", "-output=b", "a"]), 0, "{}", host.stderr());
        for report in ["-top", "-tree", "-traces", "-tags", "-raw", "-dot", "-callgrind", "-svg", "-lines"] {
            let texts = ["a", "b"].map(|file| {
                host.stdout.clear();
                let args: &[&str] = if report == "-lines" { &["-top", "-lines", file] } else { &[report, file] };
                assert_eq!(host.run(args), 0, "{}", host.stderr());
                host.stdout()
            });
            // Tables keep their order, numbers of locations do too.
            assert_eq!(texts[0], texts[1], "{report}");
        }
    }
}
