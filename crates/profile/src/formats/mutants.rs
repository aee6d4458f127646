//! Damaged files of other tools: no panic, no endless work, no memory beyond what the bytes can justify. A slice runs with
//! the other tests, a million mutants of each with `cargo xtask soak python`.
#![allow(clippy::print_stderr, clippy::disallowed_methods, reason = "a soak tells its figures and reads its switch")]

use std::time::{Duration, Instant};

use super::{memray, tracemalloc};

/// Reading such a file takes microseconds; on a crowded machine it may have to wait.
const PATIENCE: Duration = Duration::from_secs(5);

/// xorshift64*, Vigna 2016.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// What readers trip over.
const NUMBERS: [&[u8]; 6] = [
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\xff\xff\xff\x7f",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80",
    b"\x00",
    b"(((((((((((((((()))))))))",
    b"\x8a\xff",
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

fn header(version: i32, is_aggregated: bool, has_native: bool) -> Vec<u8> {
    let mut bytes = b"memray\0".to_vec();
    bytes.extend(version.to_le_bytes());
    if version >= 12 {
        bytes.extend(0x030b_07f0_u32.to_le_bytes());
    }
    bytes.extend([u8::from(has_native), u8::from(is_aggregated)]);
    bytes.extend([0; 32]);
    bytes.extend(b"memray run app.py\0");
    bytes.extend(7_i32.to_le_bytes());
    bytes.extend(1_u64.to_le_bytes());
    bytes.extend(1_u64.to_le_bytes());
    bytes.push(1);
    bytes.extend(if version > 10 { &[1_u8][..] } else { &[] });
    bytes.extend(if version >= 12 { &[0_u8][..] } else { &[] });
    bytes.extend(if version >= 13 { &b"/lib\0/site\0\0/a\0\0"[..] } else { &[] });
    bytes
}

/// Zigzag.
fn signed(value: i64) -> Vec<u8> {
    let mut rest = (value << 1 ^ value >> 63) as u64;
    let mut bytes = Vec::new();
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

fn word(value: u64) -> [u8; 8] {
    value.to_le_bytes()
}

/// A log of format 12 and newer: two frames, blocks that come and go, a mapping, another thread.
fn log(version: i32) -> Vec<u8> {
    let mut bytes = header(version, false, false);
    let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| bytes.extend_from_slice(part));
    put(&[&[12], &word(1), &[10], b"MainThread\0"]);
    put(&[&[14, 3], b"main\0app.py\0", &signed(10), &[4], &[0xd8, 0x00, 0xd8, 0x04]]);
    put(&[&[64, 3], &signed(2), &[64, 3], &signed(0)]);
    put(&[&[0xf8 | 6], &signed(0x2000), &[100], &[0xf8 | 2], &signed(8), &[0xc8, 1], &[0x80 | 1]]);
    put(&[&[2, 90, 3], &[0xf8, 0x02, 14, 0xe8, 7], &[16], &[0x80 | 3, 33]]);
    put(&[&[12], &word(2), &[10], b"worker\0", &[0xf8 | 6], &signed(64), &[50], &[0x80 | 5], &[1]]);
    bytes
}

fn old_log() -> Vec<u8> {
    let mut bytes = header(11, false, false);
    let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| bytes.extend_from_slice(part));
    put(&[&[12], &word(1), &[10], b"MainThread\0"]);
    put(&[&[3], &signed(0), b"main\0app.py\0", &signed(10), &[4], &signed(0)]);
    put(&[&[0x11], &signed(0x10000), &[100], &[0x31], &signed(64), &[90], &[0x21], &signed(0)]);
    put(&[&[0xa1], &signed(4096), &[0x80, 0x40], &[0xb1], &signed(0), &[0x80, 0x20], &[11, 5, 5], &[0x09], &[0x10]]);
    bytes
}

fn aggregated(version: i32) -> Vec<u8> {
    let mut bytes = header(version, true, false);
    let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| bytes.extend_from_slice(part));
    put(&[&[1], &[0; 24], &[12], &word(2), &[10], b"worker\0"]);
    if version >= 12 {
        put(&[&[14, 3], b"main\0app.py\0", &signed(10), &[4], &[0xd8, 0x00, 0xd8, 0x04]]);
        put(&[&[4, 0, 3], &signed(2), &[1], &[3, 0, 0], &[3, 0, 1]]);
    } else {
        put(&[&[4], &word(0), b"main\0app.py\0", &10_i32.to_le_bytes(), &[1]]);
        put(&[&[3], &word(0), &[0; 4], &[3], &word(0), &[1, 0, 0, 0]]);
    }
    put(&[&[2], &word(2), &[6, 0, 0, 0, 0, 0, 0, 0], &word(0), &word(2), &word(0), &word(3), &word(1), &word(300)]);
    put(&[&word(100), &[15]]);
    bytes
}

fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("tracemalloc 3.8", include_bytes!("../../fixtures/tracemalloc-3.8.pickle")[..].to_vec()),
        ("tracemalloc 3.13", include_bytes!("../../fixtures/tracemalloc-3.13.pickle")[..].to_vec()),
        ("memray 13", log(13)),
        ("memray 12", log(12)),
        ("memray 11", old_log()),
        ("memray aggregated 13", aggregated(13)),
        ("memray aggregated 10", aggregated(10)),
    ]
}

/// Whether the bytes were read; what was read is used.
fn read(bytes: &[u8]) -> bool {
    let sum = if tracemalloc::is_pickle(bytes) {
        tracemalloc::read(bytes).ok().map(|snapshot| snapshot.profile.totals())
    } else {
        memray::read(bytes).ok().map(|capture| capture.value.profile.totals())
    };
    std::hint::black_box(sum).is_some()
}

#[test]
fn seeds_say_what_they_hold() {
    for (name, seed) in seeds().into_iter().skip(2) {
        let capture = memray::read(&seed).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(capture.warnings, [""; 0], "{name}");
        let totals = capture.value.profile.totals();
        let expected: &[i64] = match name {
            "memray 11" => &[100 + 4096, 2, 100 + 8192, 2, 190 + 8192, 3],
            "memray 12" | "memray 13" => &[100 + 33 + 1000, 3, 0, 0, 100 + 200 + 1000 + 33 + 50, 5],
            _ => &[100, 1, 300, 3, 0, 0],
        };
        let known = |index: &usize| expected[*index] != 0 || name.contains("aggregated");
        for index in (0..6).filter(known) {
            assert_eq!(totals[index], expected[index], "{name}, column {index}: {totals:?}");
        }
    }
}

#[test]
fn soak_mutants_of_other_tools_files() {
    let count: u64 = if std::env::var_os("BRIMLINE_SOAK").is_some() { 1_000_000 } else { 800 };
    for (name, seed) in seeds() {
        assert!(read(&seed), "{name}");
        for end in (0..seed.len()).step_by(seed.len() / 400 + 1) {
            read(&seed[..end]);
        }
        // Larger seeds take longer: a slice is as long for each.
        let count = if count < 1_000_000 { count * 200 / (seed.len() as u64 + 200) } else { count };
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut accepted = 0_u64;
        for number in 0..count {
            let bytes = mutant(&seed, &mut random);
            let start = Instant::now();
            accepted += u64::from(read(&bytes));
            assert!(start.elapsed() < PATIENCE, "{name}, mutant {number} took {:?}", start.elapsed());
        }
        eprintln!("{name}: {count} mutants, {accepted} accepted");
    }
}
