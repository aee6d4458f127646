//! Recordings cut or changed at any place give partial data with a warning, or a clear error; never a panic.
use brimline_profile::formats::recording::Recordings;

use crate::python::{any_python, soaking};
use crate::session::{Session, ended};

/// A closed recording of a small program, as plain bytes.
fn small_recording() -> Option<(Session, Vec<u8>)> {
    let python = any_python()?;
    let session = Session::new();
    session.record(&python.bare, "kept = {n: str(n) for n in range(100)}\n");
    let exported = session.work().join("whole.rec");
    let path = session.recordings().pop().expect("a recording");
    let bytes = std::fs::read(&path).unwrap();
    let bytes = if bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) { zstd::decode_all(&*bytes).unwrap() } else { bytes };
    std::fs::write(&exported, &bytes).unwrap();
    Some((session, bytes))
}

/// Asks for a report of `bytes`; true if there was one.
#[track_caller]
fn report(session: &Session, bytes: &[u8], what: &str) -> bool {
    let path = session.work().join("cut.rec");
    std::fs::write(&path, bytes).unwrap();
    let answer = ended(session.brimline(["report", "--json"]).arg(&path));
    assert!(!answer.stderr.contains("panicked"), "{what}: {}", answer.stderr);
    match answer.code() {
        Some(0) => true,
        Some(3) => {
            assert!(answer.stderr.contains("warning: "), "{what}: {}", answer.stderr);
            true
        }
        Some(2) => {
            assert!(answer.stderr.starts_with("error: "), "{what}: {}", answer.stderr);
            assert!(answer.stdout.is_empty(), "{what}: {}", answer.stdout);
            false
        }
        code => panic!("{what}: code {code:?}\n{}", answer.stderr),
    }
}

#[test]
fn a_recording_cut_anywhere_opens_partly_or_is_refused() {
    let Some((session, bytes)) = small_recording() else { return };
    assert!(report(&session, &bytes, "whole"));
    let (mut opened, mut refused) = (0, 0);
    // Every 64th byte of the start, where the tables are described; then in steps that make 300 in all.
    let step = (bytes.len() / 300).next_multiple_of(64).max(64);
    for length in (0..bytes.len().min(2048)).step_by(64).chain((2048..bytes.len()).step_by(step)) {
        if report(&session, &bytes[..length], &format!("cut at {length} of {}", bytes.len())) {
            opened += 1;
        } else {
            refused += 1;
        }
    }
    assert!(opened > 0 && refused > 0, "{opened} opened, {refused} refused");
}

#[test]
fn a_recording_with_changed_bytes_never_panics() {
    let Some((session, bytes)) = small_recording() else { return };
    for at in (0..bytes.len().min(20_000)).step_by(211) {
        let mut changed = bytes.clone();
        for byte in changed.iter_mut().skip(at).take(8) {
            *byte ^= 0xff;
        }
        report(&session, &changed, &format!("changed at {at}"));
    }
}

/// The same, as small as a recording gets: each byte of it is tried.
fn smallest_recording() -> Option<Vec<u8>> {
    let python = any_python()?;
    let session = Session::new();
    let mut run = session.brimline(["run", "-q", "--mode", "malloc", "--"]);
    ended(run.arg(&python.bare).args(["-I", "-S", "-c", "kept = [bytes(9999) for _ in range(9)]"])).expect_code(0);
    let bytes = std::fs::read(session.recordings().pop().expect("a recording")).unwrap();
    Some(zstd::decode_all(&*bytes).unwrap())
}

/// What the reader makes of bytes, in this process; true if it opened them. It must not take long either.
fn opens(bytes: &[u8]) -> bool {
    let start = std::time::Instant::now();
    let mut recordings = Recordings::default();
    let opened = recordings.add(bytes).is_ok();
    drop(recordings.finish());
    assert!(start.elapsed().as_secs() < 5, "took {:?}", start.elapsed());
    opened
}

#[test]
fn soak_a_recording_cut_at_every_byte_is_read_as_far_as_it_goes() {
    let Some(bytes) = smallest_recording() else { return };
    let lengths = (0..bytes.len()).step_by(if soaking() { 1 } else { 97 });
    let cuts = lengths.len();
    let opened = lengths.filter(|&length| opens(&bytes[..length])).count();
    eprintln!("soak: {} bytes cut at {cuts} places: {opened} opened in part, {} refused", bytes.len(), cuts - opened);
    assert!(opened > 0 && opened < cuts && opens(&bytes));
}

#[test]
fn soak_mutants_of_a_recording_never_panic_and_never_take_long() {
    let Some(bytes) = smallest_recording() else { return };
    let count = if soaking() { 1_000_000 } else { 1_000 };
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |bound: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % bound as u64) as usize
    };
    let values = [0, 1, 0x7f, 0x80, 0xff];
    let mut mutant = bytes.clone();
    let mut opened = 0;
    for _ in 0..count {
        mutant.copy_from_slice(&bytes);
        for _ in 0..=next(8) {
            // Half of the changes in header and directory, where a change does most.
            let at = if next(2) == 0 { next(8192.min(bytes.len())) } else { next(bytes.len()) };
            mutant[at] = if next(2) == 0 { values[next(values.len())] } else { next(256) as u8 };
            if next(4) == 0 {
                mutant[at..].iter_mut().take(8).for_each(|byte| *byte = 0xff);
            }
        }
        opened += usize::from(opens(&mutant));
    }
    eprintln!("soak: {count} mutants of a recording, {opened} opened");
    assert!(opened > count / 10 && opened < count);
}

#[test]
fn foreign_files_and_newer_versions_are_refused() {
    let Some((session, bytes)) = small_recording() else { return };
    for (foreign, word) in
        [(&b"hello"[..], "foreign"), (b"", "empty"), (&[0_u8; 4096], "zeros"), (b"\x28\xb5\x2f\xfdnot zstd", "zstd")]
    {
        assert!(!report(&session, foreign, word), "{word}");
    }
    let mut newer = bytes;
    newer[8..12].copy_from_slice(&999_u32.to_le_bytes());
    let path = session.work().join("newer.rec");
    std::fs::write(&path, newer).unwrap();
    let answer = ended(session.brimline(["report"]).arg(&path)).expect_code(2);
    assert!(answer.stderr.contains("999") || answer.stderr.contains("newer"), "{}", answer.stderr);
}
