//! Sums of a profile by line, function, file, module, stack, thread or labels.

use std::collections::HashMap;

use brimline_profile::{FrameId, FunctionId, LabelSetId, Profile, StackId, StringId};

use crate::filter::{Attributed, Filter, Selection};
use crate::places::Places;

/// What a row stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A line of a file.
    Line,
    /// A function, told apart by name and file.
    Function,
    /// A file.
    File,
    /// A module (for files without one, the file).
    Module,
    /// A whole stack.
    Stack,
    /// A thread.
    Thread,
    /// Values of labels.
    Label,
}

/// Which frames of a stack its memory is counted at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Attribution {
    /// The innermost one.
    #[default]
    Own,
    /// Every one, once each: callees are included, rows overlap.
    Cumulative,
    /// Every one, as often as it is in the stack: what `cumulative` means to tracemalloc.
    EveryFrame,
}

/// A question to a profile.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// What rows stand for.
    pub by: By,
    /// Own or cumulative; stacks and threads have no difference.
    pub attribution: Attribution,
    /// Which samples count.
    pub filter: &'a Filter,
    /// Project and modules.
    pub places: &'a Places,
    /// Column that rows are sorted by.
    pub column: usize,
}

/// What a row stands for, as ids of the profile's tables.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// Memory of stacks without a frame.
    NoFrame,
    /// A line; of several functions on it, the one that the largest sample belongs to.
    Line(FrameId),
    /// A function.
    Function(FunctionId),
    /// A file.
    File(StringId),
    /// A module's dotted name.
    Module(String),
    /// A stack.
    Stack(StackId),
    /// A thread's name.
    Thread(String),
    /// Labels: `route=/work, tenant=a`; empty for samples without any.
    Label(String),
}

/// One row: a place and the sum of each column.
#[derive(Clone, Debug)]
pub struct Row {
    /// What the row stands for.
    pub place: Place,
    /// One value per column of the profile.
    pub values: Vec<i64>,
}

/// The answer to a [`Query`].
#[derive(Clone, Debug)]
pub struct Table {
    /// Largest first; rows whose values are all 0 are left out.
    pub rows: Vec<Row>,
    /// Sum over all samples that count, each once.
    pub totals: Vec<i64>,
}

/// Sums `profile` as `query` asks.
pub fn aggregate(profile: &Profile, query: Query<'_>) -> Table {
    let selection = query.filter.select(profile, query.places);
    let mut sums = Sums::new(profile.value_types.len());
    match query.by {
        By::Stack => by_stack(profile, &selection, &mut sums),
        By::Thread => {
            let name = |set| profile.label(set, "thread").unwrap_or("").to_owned();
            by_label_set(profile, &selection, &mut sums, &|set| Place::Thread(name(set)));
        }
        By::Label => {
            by_label_set(profile, &selection, &mut sums, &|set| {
                let mut pairs: Vec<String> =
                    profile.labels(set).map(|(name, value)| format!("{name}={value}")).collect();
                pairs.sort_unstable();
                Place::Label(pairs.join(", "))
            });
        }
        _ => by_frame(profile, query, &selection, &mut sums),
    }
    sums.into_table(profile, query.column)
}

/// Rows being summed.
struct Sums {
    width: usize,
    places: Vec<Place>,
    values: Vec<i64>,
    totals: Vec<i64>,
}

impl Sums {
    fn new(width: usize) -> Self {
        Self { width, places: Vec::new(), values: Vec::new(), totals: vec![0; width] }
    }

    fn open(&mut self, place: Place) -> u32 {
        self.places.push(place);
        self.values.resize(self.places.len() * self.width, 0);
        self.places.len() as u32 - 1
    }

    fn add(&mut self, row: u32, values: &[i64]) {
        add(&mut self.values[row as usize * self.width..][..self.width], values);
    }

    fn into_table(self, profile: &Profile, column: usize) -> Table {
        let mut rows: Vec<Row> = self
            .places
            .into_iter()
            .zip(self.values.chunks_exact(self.width.max(1)))
            .filter(|(_, values)| values.iter().any(|&value| value != 0))
            .map(|(place, values)| Row { place, values: values.to_vec() })
            .collect();
        rows.sort_by(|a, b| {
            let (left, right) = (a.values.get(column), b.values.get(column));
            right.cmp(&left).then_with(|| b.values.cmp(&a.values)).then_with(|| order(profile, &a.place, &b.place))
        });
        Table { rows, totals: self.totals }
    }
}

fn add(sums: &mut [i64], values: &[i64]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum = sum.saturating_add(*value);
    }
}

/// Order of rows whose numbers are equal, the same whatever order the samples came in.
fn order(profile: &Profile, a: &Place, b: &Place) -> std::cmp::Ordering {
    let key = |place: &Place| match place {
        Place::Line(frame) => {
            let function = profile.function_of(*frame);
            (profile.strings.get(function.file).to_owned(), profile.frames[frame.0 as usize].line)
        }
        Place::Function(function) => {
            let function = profile.functions[function.0 as usize];
            (profile.strings.get(function.file).to_owned(), function.start_line)
        }
        Place::File(file) => (profile.strings.get(*file).to_owned(), 0),
        Place::Module(name) | Place::Thread(name) | Place::Label(name) => (name.clone(), 0),
        Place::Stack(stack) => (String::new(), stack.0),
        Place::NoFrame => (String::new(), 0),
    };
    key(a).cmp(&key(b))
}

fn by_stack(profile: &Profile, selection: &Selection<'_>, sums: &mut Sums) {
    let mut rows = vec![u32::MAX; profile.stacks.len()];
    for (sample, values) in profile.samples() {
        if selection.keeps_stack(sample) {
            let row = &mut rows[sample.stack.0 as usize];
            if *row == u32::MAX {
                *row = sums.open(Place::Stack(sample.stack));
            }
            sums.add(*row, values);
            add(&mut sums.totals, values);
        }
    }
}

fn by_label_set(profile: &Profile, selection: &Selection<'_>, sums: &mut Sums, place: &dyn Fn(LabelSetId) -> Place) {
    let mut rows: HashMap<Place, u32> = HashMap::new();
    let of_sets: Vec<u32> = profile
        .label_sets()
        .map(|set| {
            let place = place(set);
            *rows.entry(place.clone()).or_insert_with(|| sums.open(place))
        })
        .collect();
    for (sample, values) in profile.samples() {
        if selection.keeps_stack(sample) {
            sums.add(of_sets[sample.labels.0 as usize], values);
            add(&mut sums.totals, values);
        }
    }
}

fn by_frame(profile: &Profile, query: Query<'_>, selection: &Selection<'_>, sums: &mut Sums) {
    let rows_of_frames = group_frames(profile, query, sums);
    let no_frame = sums.open(Place::NoFrame);
    let mut largest = vec![i64::MIN; sums.places.len()];
    let mut seen_in = vec![usize::MAX; sums.places.len()];
    for (index, (sample, values)) in profile.samples().enumerate() {
        match (query.attribution, selection.attribute(sample)) {
            (Attribution::Own, Attributed::Nowhere) => {}
            (_, Attributed::NoFrame) => {
                sums.add(no_frame, values);
                add(&mut sums.totals, values);
            }
            (Attribution::Own, Attributed::Frame(frame)) => {
                let row = rows_of_frames[frame.0 as usize];
                sums.add(row, values);
                add(&mut sums.totals, values);
                let value = values.get(query.column).copied().unwrap_or(0);
                if let (Place::Line(shown), true) = (&mut sums.places[row as usize], value > largest[row as usize]) {
                    *shown = frame;
                    largest[row as usize] = value;
                }
            }
            (Attribution::Cumulative | Attribution::EveryFrame, _) => {
                if !selection.keeps_stack(sample) {
                    continue;
                }
                add(&mut sums.totals, values);
                for frame in profile.frames_of(sample.stack).filter(|frame| selection.keeps_frame(*frame)) {
                    let row = rows_of_frames[frame.0 as usize];
                    if seen_in[row as usize] != index || query.attribution == Attribution::EveryFrame {
                        seen_in[row as usize] = index;
                        sums.add(row, values);
                    }
                }
            }
        }
    }
}

/// Opens a row for each group of frames and tells each frame's row.
fn group_frames(profile: &Profile, query: Query<'_>, sums: &mut Sums) -> Vec<u32> {
    let mut rows: HashMap<(u32, u32), u32> = HashMap::new();
    let mut modules: HashMap<String, u32> = HashMap::new();
    let mut group = |frame: FrameId| {
        let function = profile.function_of(frame);
        let row = profile.frames[frame.0 as usize];
        let (key, place) = match query.by {
            // Without a file, lines are told apart by function.
            By::Line if function.file == StringId::default() => {
                ((u32::MAX - function.name.0, row.line), Place::Line(frame))
            }
            By::Line => ((function.file.0, row.line), Place::Line(frame)),
            By::Function => ((function.file.0, function.name.0), Place::Function(row.function)),
            By::Module => {
                // Go's packages are told by the function's name, which then decides.
                let is_go = profile.strings.get(function.file).ends_with(".go");
                let key = (function.file.0, if is_go { function.name.0 } else { function.library.0 });
                if let Some(&row) = rows.get(&key) {
                    return row;
                }
                let module = query.places.module_of(profile, function);
                let module = module.unwrap_or_else(|| profile.strings.get(function.file).to_owned());
                let row = *modules.entry(module.clone()).or_insert_with(|| sums.open(Place::Module(module)));
                rows.insert(key, row);
                return row;
            }
            _ => ((function.file.0, 0), Place::File(function.file)),
        };
        *rows.entry(key).or_insert_with(|| sums.open(place))
    };
    (0..profile.frames.len() as u32).map(|frame| group(FrameId(frame))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example;
    use crate::filter::{Ownership, Pattern};

    fn table(by: By, attribution: Attribution, filter: &Filter) -> Vec<(String, i64)> {
        let profile = example::service();
        let places = Places::new(Some("/srv"));
        let table = aggregate(&profile, Query { by, attribution, filter, places: &places, column: 0 });
        let name = |place: &Place| match place {
            Place::NoFrame => "none".to_owned(),
            Place::Line(frame) => {
                let file = profile.strings.get(profile.function_of(*frame).file);
                format!("{file}:{}", profile.frames[frame.0 as usize].line)
            }
            Place::Function(id) => profile.strings.get(profile.functions[id.0 as usize].name).to_owned(),
            Place::File(id) => profile.strings.get(*id).to_owned(),
            Place::Module(name) | Place::Thread(name) | Place::Label(name) => name.clone(),
            Place::Stack(id) => format!("stack {}", id.0),
        };
        table.rows.iter().map(|row| (name(&row.place), row.values[0])).collect()
    }

    fn expect(rows: &[(&str, i64)]) -> Vec<(String, i64)> {
        rows.iter().map(|&(name, value)| (name.to_owned(), value)).collect()
    }

    #[test]
    fn own_memory_sums_at_the_innermost_frame() {
        let filter = Filter::default();
        let own = Attribution::Own;
        assert_eq!(
            table(By::Line, own, &filter),
            expect(&[("/usr/lib/python3.11/json/decoder.py:355", 100), ("/srv/app.py:9", 40), ("none", 7)])
        );
        assert_eq!(table(By::Module, own, &filter), expect(&[("json.decoder", 100), ("app", 40), ("none", 7)]));
        assert_eq!(table(By::Function, own, &filter), expect(&[("raw_decode", 100), ("keep", 40), ("none", 7)]));
        assert_eq!(table(By::Thread, own, &filter), expect(&[("MainThread", 107), ("Worker", 40)]));
    }

    #[test]
    fn cumulative_counts_recursion_once() {
        let rows = table(By::Function, Attribution::Cumulative, &Filter::default());
        assert_eq!(rows, expect(&[("main", 140), ("raw_decode", 100), ("keep", 40), ("none", 7)]));
    }

    #[test]
    fn recursion_counts_again_where_every_frame_does() {
        let rows = table(By::File, Attribution::Cumulative, &Filter::default());
        let every = table(By::File, Attribution::EveryFrame, &Filter::default());
        let of = |rows: &[(String, i64)], file: &str| rows.iter().find(|(name, _)| name == file).map(|row| row.1);
        assert_eq!(of(&rows, "/srv/app.py"), Some(140));
        assert_eq!(of(&every, "/srv/app.py"), Some(100 + 3 * 40));
    }

    #[test]
    fn project_only_moves_memory_to_the_innermost_own_line() {
        let filter = Filter { ownership: Ownership::Project, ..Filter::default() };
        assert_eq!(
            table(By::Line, Attribution::Own, &filter),
            expect(&[("/srv/app.py:3", 100), ("/srv/app.py:9", 40)])
        );
    }

    #[test]
    fn filters_by_pattern_thread_and_kind() {
        let include = Filter { include: vec![Pattern::new("json")], ..Filter::default() };
        assert_eq!(table(By::Module, Attribution::Own, &include), expect(&[("json.decoder", 100)]));
        let thread = Filter { threads: vec![Pattern::new("Work*")], ..Filter::default() };
        assert_eq!(table(By::Module, Attribution::Own, &thread), expect(&[("app", 40)]));
        let kind = Filter { kinds: vec!["fd".into()], ..Filter::default() };
        assert_eq!(table(By::Module, Attribution::Own, &kind), expect(&[("app", 1)]));
    }
}
