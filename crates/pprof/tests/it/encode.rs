use brimline_pprof::encode;
use brimline_profile::{Precision, ProfileBuilder, StackId, ValueType};

#[test]
fn writes_a_gzip_member_that_starts_with_the_sample_types() {
    let mut builder = ProfileBuilder::new(ValueType::tracked(), Precision::Sampled { period: 512 });
    let function = builder.function("load", "app.py", 3);
    let frame = builder.frame(function, 5);
    let stack = builder.stack(StackId::ROOT, frame);
    let labels = builder.label_set(&[("thread", "MainThread")]);
    builder.add(stack, labels, &[1, 2, 3, 4, 5, 6]);
    let bytes = encode(&builder.finish());
    assert_eq!(bytes[..2], [0x1f, 0x8b]);
}
