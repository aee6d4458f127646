//! A small profile for the encoders' tests.

use crate::{Precision, Profile, ProfileBuilder, StackId, ValueType};

/// `main` at line 4 holds 50 bytes, `load;x` called by `main` at line 3 holds 100.
pub(super) fn two_stacks() -> Profile {
    let columns = vec![ValueType { name: "live_bytes".into(), unit: "bytes".into() }];
    let mut builder = ProfileBuilder::new(columns, Precision::Exact);
    let main = builder.function("main", "app.py", 1);
    let load = builder.function("load;x", "app.py", 10);
    let call = builder.frame(main, 3);
    let inner = builder.frame(load, 12);
    let own = builder.frame(main, 4);
    let parent = builder.stack(StackId::ROOT, call);
    let leaf = builder.stack(parent, inner);
    let other = builder.stack(StackId::ROOT, own);
    let labels = builder.label_set(&[("thread", "MainThread"), ("kind", "python")]);
    builder.add(leaf, labels, &[100]);
    builder.add(other, labels, &[50]);
    builder.finish()
}
