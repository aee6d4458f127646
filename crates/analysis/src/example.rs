//! A small profile for tests: two threads, a library, recursion, a descriptor, memory without a frame.

use brimline_profile::{Precision, Profile, ProfileBuilder, StackId, ValueType};

/// Live bytes by stack: 100 in the JSON decoder below `main`, 40 in `keep` below `keep` below `main` on another
/// thread, 7 without a frame, and one open descriptor.
pub(crate) fn service() -> Profile {
    let columns = ["live_bytes", "live_count"].map(|name| ValueType { name: name.into(), unit: "bytes".into() });
    let mut builder = ProfileBuilder::new(columns.into(), Precision::Exact);
    let main = builder.function("main", "/srv/app.py", 1);
    let keep = builder.function("keep", "/srv/app.py", 7);
    let decode = builder.function("raw_decode", "/usr/lib/python3.11/json/decoder.py", 343);
    let frames = [(main, 3), (decode, 355), (keep, 8), (keep, 9)].map(|(function, line)| builder.frame(function, line));
    let call = builder.stack(StackId::ROOT, frames[0]);
    let decoding = builder.stack(call, frames[1]);
    let outer = builder.stack(call, frames[2]);
    let inner = builder.stack(outer, frames[3]);
    let main_thread = builder.label_set(&[("thread", "MainThread"), ("kind", "python")]);
    let worker = builder.label_set(&[("thread", "Worker"), ("kind", "malloc")]);
    let descriptors = builder.label_set(&[("thread", "Worker"), ("kind", "fd")]);
    builder.add(decoding, main_thread, &[100, 1]);
    builder.add(inner, worker, &[40, 2]);
    builder.add(StackId::ROOT, main_thread, &[7, 1]);
    builder.add(inner, descriptors, &[1, 1]);
    builder.finish()
}
