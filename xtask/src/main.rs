//! Development tasks: `cargo xtask tidy|bless`.
fn main() {}
