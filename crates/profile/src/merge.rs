//! Puts the samples of one profile into another that is being built.

use crate::model::{CodeAddress, FrameId, Profile, ProfileBuilder, StackId};

impl ProfileBuilder {
    /// Adds every sample of `profile`; `columns` pairs a column of its with the one it goes to.
    ///
    /// Pairs that name a column which is not there are left out. Adding is associative and commutative up to the
    /// order of the tables.
    pub fn append_columns(&mut self, profile: &Profile, columns: &[(usize, usize)]) {
        let functions: Vec<_> = profile
            .functions
            .iter()
            .map(|function| {
                let text = |id| profile.strings.get(id);
                let (name, file, library) = (text(function.name), text(function.file), text(function.library));
                self.native_function(name, file, function.start_line, library)
            })
            .collect();
        let frames: Vec<_> =
            profile.frames.iter().map(|frame| self.frame(functions[frame.function.0 as usize], frame.line)).collect();
        let modules: Vec<_> = profile.modules.iter().map(|module| self.module(module.clone())).collect();
        for (index, &frame) in frames.iter().enumerate() {
            if let Some(CodeAddress { module, address }) = profile.code_address(FrameId(index as u32)) {
                self.set_code_address(frame, CodeAddress { module: modules[module as usize], address });
            }
        }
        let mut stacks = vec![StackId::ROOT];
        stacks.reserve(profile.stacks.len());
        for node in profile.stacks.iter().skip(1) {
            let parent = stacks[node.parent.0 as usize];
            stacks.push(self.stack(parent, frames[node.frame.0 as usize]));
        }
        let width = self.columns();
        let mut row = vec![0_i64; width];
        for (sample, values) in profile.samples() {
            let labels: Vec<_> = profile.labels(sample.labels).collect();
            let labels = self.label_set(&labels);
            for &(from, to) in columns {
                if let (Some(value), Some(slot)) = (values.get(from), row.get_mut(to)) {
                    *slot = *value;
                }
            }
            self.add(stacks[sample.stack.0 as usize], labels, &row);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Precision, Profile, ProfileBuilder, StackId, ValueType};

    fn columns(names: &[&str]) -> Vec<ValueType> {
        names.iter().map(|name| ValueType { name: (*name).into(), unit: "bytes".into() }).collect()
    }

    fn one(line: u32, bytes: i64) -> Profile {
        let mut builder = ProfileBuilder::new(columns(&["live_bytes"]), Precision::Exact);
        let function = builder.function("f", "a.py", 1);
        let frame = builder.frame(function, line);
        let stack = builder.stack(StackId::ROOT, frame);
        let labels = builder.label_set(&[("thread", "MainThread")]);
        builder.add(stack, labels, &[bytes]);
        builder.finish()
    }

    #[test]
    fn equal_stacks_meet_in_one_sample_with_columns_side_by_side() {
        let mut builder = ProfileBuilder::new(columns(&["before", "after"]), Precision::Exact);
        builder.append_columns(&one(3, 10), &[(0, 0)]);
        builder.append_columns(&one(3, 25), &[(0, 1)]);
        builder.append_columns(&one(4, 7), &[(0, 1), (5, 0)]);
        let pair = builder.finish();
        assert_eq!(pair.totals(), [10, 32]);
        assert_eq!(pair.samples().map(|(_, values)| values.to_vec()).collect::<Vec<_>>(), [[10, 25], [0, 7]]);
    }
}
