//! Recordings cut or changed at any place give partial data with a warning, or a clear error; never a panic.
use crate::python::any_python;
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
