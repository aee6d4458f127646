//! Snapshots that `tracemalloc.Snapshot.dump` has written, by CPython 3.8 and newer.
//!
//! A snapshot is a list of traces: domain, size and frames, innermost first, each a file and a line; from 3.9 on also
//! the number of frames before they were cut. Functions are not known. Domain 0 is Python's own allocators (kind
//! `python`), any other one memory that an extension reported (numpy's buffers; kind `malloc`).

use super::pickle::{Pickle, PickleError, Value};
use crate::{Precision, Profile, ProfileBuilder, StackId, ValueType, value};

const SNAPSHOT: &str = "tracemalloc.Snapshot";
const TRACES: &str = "tracemalloc._Traces";
const PYTHON_DOMAIN: i64 = 0;

/// A snapshot that has been read.
#[derive(Debug)]
pub struct Snapshot {
    /// Its traces, with live bytes and blocks in the columns of [`ValueType::tracked`].
    pub profile: Profile,
    /// Number of traces.
    pub traces: usize,
    /// Most frames of a trace that were kept (`tracemalloc.start(N)`).
    pub traceback_limit: i64,
    /// Traces whose stacks were deeper than that.
    pub cut: usize,
}

/// Whether the bytes may be a pickle that names tracemalloc's snapshot.
pub fn is_pickle(bytes: &[u8]) -> bool {
    matches!(bytes, [0x80, 0..=5, ..])
}

/// Reads a snapshot.
pub fn read(bytes: &[u8]) -> Result<Snapshot, PickleError> {
    let pickle = Pickle::read(bytes, &[SNAPSHOT, TRACES])?;
    Reader { shared: vec![None; pickle.all_items() + 1], pickle, builder: builder() }.snapshot()
}

fn builder() -> ProfileBuilder {
    ProfileBuilder::new(ValueType::tracked(), Precision::Exact)
}

/// What the traces with one tuple of frames sum up to; most traces share theirs with others.
#[derive(Clone, Copy)]
struct Shared {
    stack: StackId,
    /// Bytes and blocks of Python's domain, then of all others.
    sums: [(i64, i64); 2],
}

struct Reader<'a> {
    pickle: Pickle<'a>,
    builder: ProfileBuilder,
    /// By a tuple's first item.
    shared: Vec<Option<Shared>>,
}

fn shape(expected: &'static str) -> PickleError {
    PickleError::Shape { at: 0, expected }
}

impl Reader<'_> {
    fn snapshot(mut self) -> Result<Snapshot, PickleError> {
        let root = self.object(self.pickle.root, 0)?;
        let limit = self.pickle.attribute(root, "traceback_limit");
        let Some(Value::Int(traceback_limit)) = limit else { return Err(shape("a snapshot's traceback_limit")) };
        let traces = self.pickle.attribute(root, "traces").ok_or_else(|| shape("a snapshot's traces"))?;
        let traces = self.object(traces, 1)?;
        let (list, tuple);
        let traces = match self.pickle.attribute(traces, "_traces") {
            Some(Value::List(index)) => {
                list = self.pickle.list(index).to_vec();
                &list[..]
            }
            Some(Value::Tuple(first, length)) => {
                tuple = self.pickle.items(first, length).to_vec();
                &tuple[..]
            }
            _ => return Err(shape("a list of traces")),
        };
        let python = self.builder.label_set(&[("kind", "python")]);
        let reported = self.builder.label_set(&[("kind", "malloc")]);
        let mut cut = 0;
        for &trace in traces {
            cut += usize::from(self.trace(trace)?);
        }
        for shared in self.shared.iter().flatten() {
            for (labels, (bytes, count)) in [python, reported].into_iter().zip(shared.sums) {
                if count > 0 {
                    self.builder.add(shared.stack, labels, &row(bytes, count));
                }
            }
        }
        Ok(Snapshot { profile: self.builder.finish(), traces: traces.len(), traceback_limit, cut })
    }

    fn object(&self, value: Value, class: u8) -> Result<super::pickle::Object, PickleError> {
        let Value::Object(index) = value else { return Err(shape("a snapshot of tracemalloc")) };
        let object = self.pickle.object(index);
        if object.class == class { Ok(object) } else { Err(shape("a snapshot of tracemalloc")) }
    }

    /// Counts a trace; whether its stack had been cut.
    fn trace(&mut self, trace: Value) -> Result<bool, PickleError> {
        let Value::Tuple(first, length) = trace else { return Err(shape("a trace")) };
        let (domain, size, frames, depth) = match *self.pickle.items(first, length) {
            [Value::Int(domain), Value::Int(size), Value::Tuple(first, length)] => {
                (domain, size, (first, length), None)
            }
            [Value::Int(domain), Value::Int(size), Value::Tuple(first, length), Value::Int(depth)] => {
                (domain, size, (first, length), Some(depth))
            }
            _ => return Err(shape("a trace of domain, size and frames")),
        };
        // Tuples without items share their first one with the next tuple; the row behind all is theirs.
        let place = if frames.1 > 0 { frames.0 as usize } else { self.shared.len() - 1 };
        if self.shared[place].is_none() {
            self.shared[place] = Some(Shared { stack: self.stack(frames)?, sums: [(0, 0); 2] });
        }
        if let Some(shared) = &mut self.shared[place] {
            let (bytes, count) = &mut shared.sums[usize::from(domain != PYTHON_DOMAIN)];
            *bytes = bytes.saturating_add(size);
            *count += 1;
        }
        Ok(depth.is_some_and(|depth| depth > i64::from(frames.1)))
    }

    fn stack(&mut self, (first, length): (u32, u32)) -> Result<StackId, PickleError> {
        let mut stack = StackId::ROOT;
        for index in (0..length).rev() {
            let frame = self.pickle.items(first, length)[index as usize];
            let Value::Tuple(first, 2) = frame else { return Err(shape("a frame of file and line")) };
            let [Value::Text(file), Value::Int(line)] = *self.pickle.items(first, 2) else {
                return Err(shape("a frame of file and line"));
            };
            let file = String::from_utf8_lossy(self.pickle.text(file));
            let function = self.builder.function("", &file, 0);
            let frame = self.builder.frame(function, u32::try_from(line).unwrap_or(0));
            stack = self.builder.stack(stack, frame);
        }
        Ok(stack)
    }
}

fn row(bytes: i64, count: i64) -> [i64; 6] {
    let mut row = [0; 6];
    row[value::LIVE_BYTES] = bytes;
    row[value::LIVE_COUNT] = count;
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Snapshots of `fixtures/tracemalloc.py` under the versions named, with what that version's own statistics say.
    const FIXTURES: [(&[u8], &str); 2] = [
        (include_bytes!("../../fixtures/tracemalloc-3.8.pickle"), include_str!("../../fixtures/tracemalloc-3.8.tsv")),
        (include_bytes!("../../fixtures/tracemalloc-3.13.pickle"), include_str!("../../fixtures/tracemalloc-3.13.tsv")),
    ];

    #[test]
    fn lines_equal_the_statistics_of_the_version_that_wrote_them() {
        for (pickle, expected) in FIXTURES {
            let snapshot = read(pickle).unwrap();
            assert_eq!(snapshot.traceback_limit, 4);
            let mut lines = std::collections::BTreeMap::<(String, u32), (i64, i64)>::new();
            for (sample, values) in snapshot.profile.samples() {
                let frame = snapshot.profile.frames_of(sample.stack).next().unwrap();
                let file = snapshot.profile.strings.get(snapshot.profile.function_of(frame).file).to_owned();
                let sum = lines.entry((file, snapshot.profile.frames[frame.0 as usize].line)).or_default();
                *sum = (sum.0 + values[value::LIVE_BYTES], sum.1 + values[value::LIVE_COUNT]);
            }
            let found: Vec<String> = lines
                .iter()
                .map(|((file, line), (bytes, count))| format!("{file}\t{line}\t{bytes}\t{count}"))
                .collect();
            let expected: Vec<&str> = expected.lines().filter(|line| !line.starts_with('#')).collect();
            assert_eq!(found, expected);
            assert!(found.len() > 5);
        }
    }

    #[test]
    fn every_truncation_is_refused() {
        let (whole, _) = FIXTURES[1];
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err(), "{end}");
        }
    }
}
