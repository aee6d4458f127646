//! What each line of a function costs, its callees included.

use std::collections::{BTreeMap, HashMap, HashSet};

use brimline_profile::{FrameId, FunctionId, Profile, value};

use crate::filter::{Filter, Pattern};
use crate::places::Places;

/// One line of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineRow {
    /// 1-based line; 0 where the compiler gave none.
    pub line: u32,
    /// What the line allocated itself.
    pub own: Vec<i64>,
    /// With everything it called.
    pub inclusive: Vec<i64>,
}

/// The table of one function.
#[derive(Clone, Debug)]
pub struct FunctionLines {
    /// The function.
    pub function: FunctionId,
    /// Its lines with something on them, in order.
    pub rows: Vec<LineRow>,
    /// What the function allocated with everything it called; recursion counts once.
    pub totals: Vec<i64>,
}

/// Functions that `name` may mean: by qualified or last name, by module (`pkg.mod:func`, `pkg.mod`), by file
/// (`app.py`, `app.py:func`), with wildcards.
pub fn find_functions(profile: &Profile, name: &str, places: &Places) -> Vec<FunctionId> {
    let (place, function) = match name.split_once(':') {
        Some((place, function)) => (Some(Pattern::new(place)), Pattern::new(function)),
        None => (None, Pattern::new(name)),
    };
    let matches = |id: &FunctionId| {
        let row = profile.functions[id.0 as usize];
        let (name, file) = (profile.strings.get(row.name), profile.strings.get(row.file));
        let module = places.module(file);
        if let Some(place) = &place {
            return place.matches("", file, module.as_deref()) && function.matches(name, "", None);
        }
        let dotted = module.as_deref().map(|module| format!("{module}.{name}"));
        function.matches(name, file, module.as_deref()) || dotted.is_some_and(|dotted| function.matches_text(&dotted))
    };
    (0..profile.functions.len() as u32).map(FunctionId).filter(matches).collect()
}

/// The tables of `functions`, in that order; those without a sample have no rows.
pub fn lines(profile: &Profile, functions: &[FunctionId], filter: &Filter, places: &Places) -> Vec<FunctionLines> {
    let selection = filter.select(profile, places);
    let width = profile.value_types.len();
    let wanted: HashMap<FunctionId, usize> = functions.iter().enumerate().map(|(at, &id)| (id, at)).collect();
    let mut tables: Vec<(BTreeMap<u32, LineRow>, Vec<i64>)> = vec![(BTreeMap::new(), vec![0; width]); functions.len()];
    // Each line and each function once per sample, however deep the recursion.
    let mut lines_seen: Vec<FrameId> = Vec::new();
    let mut functions_seen: Vec<usize> = Vec::new();
    for (sample, values) in profile.samples() {
        if !selection.keeps_labels(sample) {
            continue;
        }
        lines_seen.clear();
        functions_seen.clear();
        for (depth, frame) in profile.frames_of(sample.stack).enumerate() {
            let row = profile.frames[frame.0 as usize];
            let Some(&table) = wanted.get(&row.function) else { continue };
            if lines_seen.contains(&frame) {
                continue;
            }
            lines_seen.push(frame);
            let (rows, totals) = &mut tables[table];
            if !functions_seen.contains(&table) {
                functions_seen.push(table);
                add(totals, values);
            }
            let empty = || LineRow { line: row.line, own: vec![0; width], inclusive: vec![0; width] };
            let line = rows.entry(row.line).or_insert_with(empty);
            add(&mut line.inclusive, values);
            if depth == 0 {
                add(&mut line.own, values);
            }
        }
    }
    let finish = |(&function, (rows, totals)): (&FunctionId, (BTreeMap<u32, LineRow>, Vec<i64>))| FunctionLines {
        function,
        rows: rows.into_values().collect(),
        totals,
    };
    functions.iter().zip(tables).map(finish).collect()
}

/// What the process did while a line ran, known for functions named with `run --lines`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Increment {
    /// Net change of live bytes over all times the line ran.
    pub bytes: i64,
    /// Highest of the process's live bytes meanwhile.
    pub highest_bytes: i64,
}

/// Increments by function and line; empty for a recording without them.
///
/// The tracker counts at the innermost named function; a line of another named function that called it ran as well, so
/// it gets the same.
pub fn increments(profile: &Profile) -> HashMap<(FunctionId, u32), Increment> {
    let row = |frame: FrameId| profile.frames[frame.0 as usize];
    let samples = || profile.samples().filter(|(sample, _)| profile.label(sample.labels, "kind") == Some("line"));
    let named: HashSet<FunctionId> = samples()
        .filter_map(|(sample, _)| profile.frames_of(sample.stack).next())
        .map(|frame| row(frame).function)
        .collect();
    let mut increments: HashMap<(FunctionId, u32), Increment> = HashMap::new();
    let mut seen: Vec<FrameId> = Vec::new();
    for (sample, values) in samples() {
        seen.clear();
        for frame in profile.frames_of(sample.stack).filter(|frame| named.contains(&row(*frame).function)) {
            if seen.contains(&frame) {
                continue;
            }
            seen.push(frame);
            let increment = increments.entry((row(frame).function, row(frame).line)).or_default();
            increment.bytes = increment.bytes.saturating_add(values[value::LIVE_BYTES]);
            increment.highest_bytes = increment.highest_bytes.max(values[value::PEAK_BYTES]);
        }
    }
    increments
}

fn add(sums: &mut [i64], values: &[i64]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum = sum.saturating_add(*value);
    }
}

#[cfg(test)]
mod tests {
    use brimline_profile::{Precision, ProfileBuilder, StackId, ValueType};

    use super::*;
    use crate::example;

    #[test]
    fn a_line_counts_what_its_callees_allocate() {
        let profile = example::service();
        let places = Places::new(Some("/srv"));
        let functions = find_functions(&profile, "app:main", &places);
        let tables = lines(&profile, &functions, &Filter::default(), &places);
        assert_eq!(tables.len(), 1);
        assert_eq!(tables[0].rows.len(), 1);
        let row = &tables[0].rows[0];
        assert_eq!((row.line, row.inclusive[0], row.own[0]), (3, 140, 0));
        assert_eq!(tables[0].totals[0], 140);
    }

    #[test]
    fn a_calling_line_grows_with_the_called_one() {
        let mut builder = ProfileBuilder::new(ValueType::tracked(), Precision::Exact);
        let (outer, inner) = (builder.function("outer", "a.py", 1), builder.function("inner", "a.py", 8));
        let frames = [(outer, 2), (outer, 3), (inner, 9)].map(|(function, line)| builder.frame(function, line));
        let own = builder.stack(StackId::ROOT, frames[0]);
        let call = builder.stack(StackId::ROOT, frames[1]);
        let called = builder.stack(call, frames[2]);
        let labels = builder.label_set(&[("kind", "line")]);
        builder.add(own, labels, &[5, 1, 100, 95, 5, 1]);
        builder.add(called, labels, &[-3, -1, 120, 90, 0, 0]);
        let increments = increments(&builder.finish());
        let expected = [((outer, 2), 5, 100), ((outer, 3), -3, 120), ((inner, 9), -3, 120)];
        assert_eq!(increments.len(), expected.len());
        for (key, bytes, highest_bytes) in expected {
            assert_eq!(increments[&key], Increment { bytes, highest_bytes });
        }
    }

    #[test]
    fn recursion_counts_once_and_names_are_found_many_ways() {
        let profile = example::service();
        let places = Places::new(Some("/srv"));
        for name in ["keep", "app:keep", "app.keep", "app.py:keep", "ke*"] {
            assert_eq!(find_functions(&profile, name, &places).len(), 1, "{name}");
        }
        assert_eq!(find_functions(&profile, "app.py", &places).len(), 2);
        let functions = find_functions(&profile, "keep", &places);
        let table = &lines(&profile, &functions, &Filter::default(), &places)[0];
        assert_eq!(table.totals[0], 40);
        let lines: Vec<_> = table.rows.iter().map(|row| (row.line, row.inclusive[0], row.own[0])).collect();
        assert_eq!(lines, [(8, 40, 0), (9, 40, 40)]);
    }
}
