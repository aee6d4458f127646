//! Damaged files of every format: no panic, no endless work. A slice runs with the other tests, a million mutants of
//! each with `cargo xtask soak pprof`.
#![allow(clippy::print_stderr, reason = "a soak tells its figures")]

use std::time::{Duration, Instant};

use brimline_pprof::{Limits, View, encode, inflate};

use crate::host::MemoryHost;
use crate::reading::sample;

/// Reading a file of a few hundred bytes takes microseconds; on a crowded machine it may have to wait.
const PATIENCE: Duration = Duration::from_secs(5);
/// One mutant in so many is also reported on.
const REPORTED: u64 = 16;

/// xorshift64*, Vigna 2016.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// The binary CPU profile: a header of five words (`kind` is 1 for Java), two samples, the end mark, and what follows as text.
fn cpu(kind: u64, rest: &str) -> Vec<u8> {
    let words = [0, 3, kind, 10_000, 0, 5, 2, 0x40_0100, 0x40_0200, 1, 1, 0x40_0300, 0, 1, 0];
    words.iter().flat_map(|word| word.to_le_bytes()).chain(rest.bytes()).collect()
}

/// One small file of each format.
fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    const MAP: &str = "\nMAPPED_LIBRARIES:\n00400000-00fcb000 r-xp 00001000 fd:01 7 /usr/bin/program\n";
    let text = |body: &str| format!("{body}{MAP}").into_bytes();
    let gzip = encode(&sample());
    vec![
        ("profile.proto", inflate(&gzip, Limits::default()).unwrap().into_owned()),
        ("gzip", gzip),
        ("heap", text("heap profile:      3:  4096 [     5:  8192] @ heapprofile\n     1:  1024 [ 2: 4096] @ 0x400100 0x400200\n     2: 3072 [ 3: 4096] @ 0x400300\n")),
        ("heap_v2", text("heap profile:      3:  4096 [     5:  8192] @ heap_v2/524288\n     1:  1024 [ 2: 4096] @ 0x400100 0x400200\n")),
        ("heapz", text("heap profile:      3:  4096 [     5:  8192] @ heapz_v2/524288\n     1:  1024 [ 2: 4096] @ 0x400100 0x400200\n")),
        ("growthz", text("heap profile:      1:  4096 [     1:  4096] @ growthz\n     1:  4096 [ 1: 4096] @ 0x400100 0x400200\n")),
        ("threadz", text("--- threadz 1 ---\n\n--- Thread 7f794ab90940 (name: main/1) stack: ---\n  PC:  0x00400100: helper(arg *)\n  0x00400200: main\n--- Thread 7f794964e700 (name: t/2) stack: ---\n  PC:  0x00400300: wait\n      creator: 0x400100 0x400200\n")),
        ("Go count", "goroutine profile: total 3\n2 @ 0x400100 0x400200\n1 @ 0x400300\n--- Memory map: ---\n00400000-00fcb000 r-xp 00001000 fd:01 7 /usr/bin/program\n".into()),
        ("cpu", cpu(0, "00400000-00fcb000 r-xp 00001000 fd:01 7 /usr/bin/program\n")),
        ("Java cpu", cpu(1, " 0x400100 com.example.f (Main.java:3)\n 0x400200 com.example.Main.main (Main.java)\n 0x400300 VM (libjvm.so)\n")),
        ("Java heap", "--- heapz 1 ---\nformat = java\nresolution = bytes\n  7048  1 @ 0x00000003 0x00000004\n  4752  9 @ 0x00000005\n\n 0x00000003 com.example.f (Main.java:3)\n 0x00000004 com.example.Main.main (Main.java)\n 0x00000005 VM (libjvm.so)\n".into()),
        ("Java contention", "--- contentionz 1 ---\nformat = java\nresolution = microseconds\nsampling period = 100\nms since reset = 6019923\n  1  1 @ 0x00000003 0x00000004\n  14  2 @ 0x00000005\n\n 0x00000003 com.example.f (Main.java:3)\n 0x00000004 com.example.Main.main (Main.java)\n 0x00000005 VM (libjvm.so)\n".into()),
        ("contentionz", "--- contentionz 1 ---\ncycles/second = 3201000000\nsampling period = 100\nms since reset = 16502830\ndiscarded samples = 0\n  19490304       27 @ 0x400100 0x400200\n--- Memory map: ---\n00400000-00fcb000 r-xp 00001000 fd:01 7 /usr/bin/program\n".into()),
    ]
}

/// What readers trip over.
const NUMBERS: [&[u8]; 8] = [
    b"0",
    b"-1",
    b"18446744073709551616",
    b"9223372036854775807",
    b"0x",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\n",
    b"@",
];

fn mutant(seed: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let length = random.below(bytes.len() - at + 1).min(24);
        match random.below(6) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..at + length)),
            2 => {
                let copy = bytes[at..at + length].to_vec();
                let to = random.below(bytes.len() + 1);
                bytes.splice(to..to, copy);
            }
            3 => {
                let number = NUMBERS[random.below(NUMBERS.len())];
                bytes.splice(at..at, number.iter().copied());
            }
            _ if at < bytes.len() => bytes[at] = random.next() as u8,
            _ => bytes.push(random.next() as u8),
        }
    }
    bytes
}

fn read(bytes: &[u8]) -> bool {
    let Ok(plain) = inflate(bytes, Limits { inflated: 1 << 20, ratio: 64 }) else { return false };
    let Ok(view) = View::read(&plain) else { return false };
    let mut sum = 0_i64;
    view.samples.for_each(|sample| {
        for &location in sample.locations {
            sum = sum.wrapping_add(view.locations[location as usize].lines.len() as i64);
        }
        sum = sample.values.iter().fold(sum, |sum, value| sum.wrapping_add(*value));
    });
    std::hint::black_box(sum);
    true
}

#[test]
fn soak_mutants_of_every_decoder() {
    let count: u64 = if std::env::var_os("BRIMLINE_SOAK").is_some() { 1_000_000 } else { 2_000 };
    let reports = [
        "-top",
        "-tree",
        "-dot",
        "-raw",
        "-traces",
        "-tags",
        "-callgrind",
        "-proto",
        "-list=.",
        "-peek=.",
        "-json",
        "-svg",
    ];
    for (name, seed) in seeds() {
        assert!(read(&seed), "{name}: the file without damage is not read");
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let (mut whole, mut slowest) = (0_u64, Duration::ZERO);
        for number in 0..count {
            let bytes = mutant(&seed, &mut random);
            let start = Instant::now();
            let readable = read(&bytes);
            whole += u64::from(readable);
            if readable && number % REPORTED == 0 {
                let report = reports[random.below(reports.len())];
                let code = MemoryHost::with("p", bytes).run(&[report, "p"]);
                assert!(code == 0 || code == 2, "{name}, mutant {number}: {code}");
            }
            slowest = slowest.max(start.elapsed());
            assert!(slowest < PATIENCE, "{name}, mutant {number} took {slowest:?}");
        }
        assert!(whole < count, "{name}: no mutant was refused");
        eprintln!("{name}: {count} mutants, {whole} readable, slowest {slowest:?}");
    }
}

#[test]
fn every_truncation_of_every_format_ends() {
    for (name, seed) in seeds() {
        for end in 0..seed.len() {
            let mut host = MemoryHost::with("cut", seed[..end].to_vec());
            let code = host.run(&["-raw", "cut"]);
            assert!(code == 0 || host.stderr().contains("error: "), "{name} cut at {end}: {}", host.stderr());
        }
    }
}

#[test]
fn a_gzip_bomb_is_refused_early() {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let zeros = vec![0_u8; 1 << 20];
    for _ in 0..64 {
        encoder.write_all(&zeros).unwrap();
    }
    let bomb = encoder.finish().unwrap();
    let start = Instant::now();
    let mut host = MemoryHost::with("bomb", bomb);
    assert_eq!(host.run(&["-top", "bomb"]), 2);
    assert!(host.stderr().contains("inside a gzip file"), "{}", host.stderr());
    // Without optimisation inflating is far slower than the two seconds that a release build must keep.
    let bound = if cfg!(debug_assertions) { Duration::from_secs(60) } else { Duration::from_secs(2) };
    assert!(start.elapsed() < bound, "{:?}", start.elapsed());
}
