//! `proto` and `topproto`: the profile, or its top rows, as a pprof file.

use std::collections::HashMap;
use std::io::Write;

use super::{Report, ReportError};
use crate::graph::Edges;
use crate::measure::scale;
use crate::model::{Function, Line, Location, ValueType, View};
use crate::samples::{Held, Samples};

impl Report<'_, '_> {
    pub(super) fn proto(&mut self, out: &mut dyn Write) -> Result<(), ReportError> {
        let ratio = self.options.ratio;
        if ratio > 0.0 && ratio != 1.0 {
            let held = self.view.samples.held();
            for index in 0..held.len() {
                held.values_mut(index).iter_mut().for_each(|value| *value = (*value as f64 * ratio) as i64);
            }
        }
        self.view.write_gzip(out)?;
        Ok(())
    }

    pub(super) fn top_proto(&mut self, out: &mut dyn Write) -> Result<(), ReportError> {
        let shown = self.shown(Edges::None);
        let unit = &self.options.output_unit;
        let view = &*self.view;
        let mut top = View {
            sample_types: vec![ValueType::new("cum", unit), ValueType::new("flat", unit)],
            time_nanos: view.time_nanos,
            duration_nanos: view.duration_nanos,
            period_type: view.period_type.clone(),
            period: view.period,
            ..View::default()
        };
        let mut held = Held::default();
        let mut functions = HashMap::new();
        for (&index, row) in shown.trimmed.graph.order.iter().zip(0_u32..) {
            let node = shown.trimmed.graph.node(index);
            let info = &shown.skeleton.infos[node.info as usize];
            let next = functions.len() as u32;
            let function = *functions.entry((&info.name, &info.file, info.start_line)).or_insert(next);
            if function == next {
                top.functions.push(Function {
                    id: u64::from(next) + 1,
                    name: top.texts.intern(&info.name),
                    file: top.texts.intern(&info.file),
                    start_line: info.start_line,
                    ..Function::default()
                });
            }
            top.locations.push(Location {
                id: u64::from(row) + 1,
                address: info.address,
                lines: vec![Line { function, line: info.line, column: info.column }],
                ..Location::default()
            });
            let scaled = |value: i64| scale(value, &self.options.sample_unit, unit).0 as i64;
            held.push(&[row], &[scaled(node.cum_value()), scaled(node.flat_value())], &[]);
        }
        top.samples = Samples::Held(held);
        top.write_gzip(out)?;
        Ok(())
    }
}
