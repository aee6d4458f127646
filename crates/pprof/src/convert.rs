//! From a pprof file to brimline's own [`Profile`].

use brimline_profile::{FrameId, Precision, Profile, ProfileBuilder, StackId, ValueType};

use crate::model::View;

impl From<&View<'_>> for Profile {
    /// Keeps stacks, values and labels; addresses, mappings and columns have no place in a `Profile`. Frames without a
    /// function are named by their address or binary.
    fn from(view: &View<'_>) -> Self {
        let types = view.sample_types.iter().map(|kind| ValueType { name: kind.name.clone(), unit: kind.unit.clone() });
        // A period in bytes above 1 is the distance between the allocations that were sampled.
        let sampled = view.period_type.unit == "bytes" && view.period > 1;
        let precision = if sampled { Precision::Sampled { period: view.period as u64 } } else { Precision::Exact };
        let mut builder = ProfileBuilder::new(types.collect(), precision);
        let frames: Vec<Vec<FrameId>> = view
            .locations
            .iter()
            .map(|location| {
                let line_of = |number: i64| u32::try_from(number).unwrap_or(0);
                if location.lines.is_empty() {
                    let name = match (location.address, view.object_of(location)) {
                        (0, "") => "<unknown>".to_owned(),
                        (0, object) => format!("[{}]", crate::paths::base(object)),
                        (address, _) => format!("{address:#x}"),
                    };
                    let function = builder.function(&name, "", 0);
                    return vec![builder.frame(function, 0)];
                }
                let mut frame = |line: &crate::model::Line| {
                    let function = view.functions[line.function as usize];
                    let (name, file) = (view.texts.get(function.name), view.texts.get(function.file));
                    let id = builder.function(name, file, line_of(function.start_line));
                    builder.frame(id, line_of(line.line))
                };
                location.lines.iter().map(&mut frame).collect()
            })
            .collect();
        view.samples.for_each(|sample| {
            let mut stack = StackId::ROOT;
            for &location in sample.locations.iter().rev() {
                for &frame in frames[location as usize].iter().rev() {
                    stack = builder.stack(stack, frame);
                }
            }
            let numbers: Vec<String> = sample.labels.iter().map(|label| label.number.to_string()).collect();
            let label = |(label, number): (&crate::samples::Label, &'_ String)| {
                let value = if label.is_text() { view.texts.get(label.text).to_owned() } else { number.clone() };
                (view.texts.get(label.key), value)
            };
            let labels: Vec<(&str, String)> = sample.labels.iter().zip(&numbers).map(label).collect();
            let labels: Vec<(&str, &str)> = labels.iter().map(|(key, value)| (*key, value.as_str())).collect();
            let set = builder.label_set(&labels);
            builder.add(stack, set, sample.values);
        });
        builder.finish()
    }
}
