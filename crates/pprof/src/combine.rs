//! Several profiles into one, and one minus another: which columns they share, in which units.

use thiserror::Error;

use crate::measure::{convertible, scale};
use crate::merge::{Change, Merger, scaled};
use crate::model::{ValueType, View};

/// Profiles that cannot be put together.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum MergeError {
    /// No column is in all of them.
    #[error("expected a common sample type, found none: {0}")]
    NothingInCommon(String),
    /// Units or types differ beyond conversion.
    #[error("expected {what} that can be compared, found {one} and {other}")]
    Incompatible {
        /// `sample types` or `period types`.
        what: &'static str,
        /// In one profile.
        one: String,
        /// In another.
        other: String,
    },
}

fn shown(kind: &ValueType) -> String {
    format!("`{}` in `{}`", kind.name, kind.unit)
}

/// What of a profile decides how it can be merged with others.
#[derive(Clone, Debug)]
pub struct Shape {
    sample_types: Vec<ValueType>,
    period_type: ValueType,
    /// Number of samples.
    samples: usize,
    /// A bound on the number of locations of all samples.
    locations: usize,
}

impl View<'_> {
    /// The columns, and how much room the samples take.
    pub fn shape(&self) -> Shape {
        Shape {
            sample_types: self.sample_types.clone(),
            period_type: self.period_type.clone(),
            samples: self.samples.len(),
            locations: self.samples.most_locations(),
        }
    }
}

/// The columns that profiles have in common, in the order of the first, each in the finest unit among them.
#[derive(Debug)]
struct Common {
    sample_types: Vec<ValueType>,
    period_type: ValueType,
}

impl Common {
    fn of(shapes: &[Shape]) -> Result<Self, MergeError> {
        let find = |shape: &Shape, name: &str| shape.sample_types.iter().position(|kind| kind.name == name);
        let first = shapes.first().map_or(&[] as &[ValueType], |shape| &shape.sample_types);
        let names = first.iter().map(|kind| &kind.name);
        let common: Vec<_> = names.filter(|name| shapes.iter().all(|shape| find(shape, name).is_some())).collect();
        if common.is_empty() {
            let names = |shape: &Shape| shape.sample_types.iter().map(shown).collect::<Vec<_>>().join(", ");
            return Err(MergeError::NothingInCommon(shapes.iter().map(names).collect::<Vec<_>>().join(" against ")));
        }
        let period_type = finest("period types", shapes.iter().map(|shape| &shape.period_type))?;
        let kinds = |name: &str| {
            let kinds = shapes.iter().filter_map(|shape| shape.sample_types.get(find(shape, name)?));
            finest("sample types", kinds)
        };
        let sample_types = common.into_iter().map(|name| kinds(name)).collect::<Result<_, _>>()?;
        Ok(Self { sample_types, period_type })
    }

    /// Brings a profile to these columns.
    fn fit(&self, view: &mut View<'_>) {
        let find = |kind: &ValueType| view.sample_types.iter().position(|own| own.name == kind.name).unwrap_or(0);
        let columns: Vec<usize> = self.sample_types.iter().map(find).collect();
        if !columns.iter().copied().eq(0..view.sample_types.len()) {
            if !self.sample_types.iter().any(|kind| kind.name == view.default_sample_type) {
                view.default_sample_type.clone_from(&self.sample_types[0].name);
            }
            view.sample_types = columns.iter().map(|&column| view.sample_types[column].clone()).collect();
            view.samples.rewrite(|sample, out| {
                let values: Vec<i64> = columns.iter().map(|&column| sample.values[column]).collect();
                out.push(sample.locations, &values, sample.labels);
            });
        }
        view.period = scale(view.period, &view.period_type.unit, &self.period_type.unit).0 as i64;
        view.period_type.unit.clone_from(&self.period_type.unit);
        let mut ratios = Vec::new();
        for (kind, common) in view.sample_types.iter_mut().zip(&self.sample_types) {
            ratios.push(scale(1, &kind.unit, &common.unit).0);
            kind.unit.clone_from(&common.unit);
        }
        view.scale(&ratios);
    }
}

fn finest<'v>(what: &'static str, mut kinds: impl Iterator<Item = &'v ValueType>) -> Result<ValueType, MergeError> {
    let mut finest = kinds.next().cloned().unwrap_or_default();
    for kind in kinds {
        let bare = |name: &'v str| name.strip_suffix('s').unwrap_or(name).to_owned();
        let same_name = bare(&kind.name) == finest.name.strip_suffix('s').unwrap_or(&finest.name);
        if !same_name || (kind.unit != finest.unit && !convertible(&kind.unit, &finest.unit)) {
            return Err(MergeError::Incompatible { what, one: shown(&finest), other: shown(kind) });
        }
        if scale(1, &kind.unit, &finest.unit).0 < 1.0 {
            finest = kind.clone();
        }
    }
    Ok(finest)
}

/// Profiles that are merged one after the other, so that no two need be in memory.
#[derive(Debug)]
pub struct Merge {
    common: Common,
    merger: Merger,
}

impl Merge {
    /// For profiles of these shapes; an error if they have no columns in common.
    pub fn new(shapes: &[Shape]) -> Result<Self, MergeError> {
        let common = Common::of(shapes)?;
        let samples = shapes.iter().map(|shape| shape.samples).sum();
        let locations = shapes.iter().map(|shape| shape.locations).sum();
        let merger = Merger::new(samples, locations, common.sample_types.len());
        Ok(Self { common, merger })
    }

    /// Adds the next profile.
    pub fn add(&mut self, view: View<'_>) {
        self.add_changed(view, &Change::default());
    }

    fn add_changed(&mut self, mut view: View<'_>, change: &Change) {
        self.common.fit(&mut view);
        self.merger.add(&view, change);
    }

    /// The sum; it borrows nothing.
    pub fn finish(self) -> View<'static> {
        self.merger.finish()
    }
}

impl View<'_> {
    /// Multiplies the columns, and drops samples that become zero.
    pub fn scale(&mut self, ratios: &[f64]) {
        if ratios.iter().all(|&ratio| ratio == 1.0) {
            return;
        }
        let mut values = Vec::new();
        self.samples.rewrite(|sample, out| {
            if scaled(sample.values, ratios, &mut values) {
                out.push(sample.locations, &values, sample.labels);
            }
        });
    }
}

/// How a base profile is taken off another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subtraction {
    /// Mark the base's samples with the label `pprof::base`, so that percentages refer to the base.
    pub mark_base: bool,
    /// First scale the profile so that its sums equal the base's.
    pub normalize: bool,
}

/// `view` minus `base`; nothing of it is borrowed from the two.
pub fn subtract(view: View<'_>, base: View<'_>, how: Subtraction) -> Result<View<'static>, MergeError> {
    if how.normalize {
        require_same_types(&view, &base)?;
    }
    let ratio = |(base, own): (i64, i64)| if own == 0 { 0.0 } else { base as f64 / own as f64 };
    let own = how.normalize.then(|| base.sums().into_iter().zip(view.sums()).map(ratio).collect());
    let mut merge = Merge::new(&[view.shape(), base.shape()])?;
    let negative = vec![-1.0; merge.common.sample_types.len()];
    merge.add_changed(view, &Change { ratios: own, label: None });
    let label = how.mark_base.then_some(("pprof::base", "true"));
    merge.add_changed(base, &Change { ratios: Some(negative), label });
    Ok(merge.finish())
}

impl View<'_> {
    /// Sum of every column.
    fn sums(&self) -> Vec<i64> {
        let mut sums = vec![0_i64; self.sample_types.len()];
        self.samples.for_each_without_stack(|sample| {
            for (sum, &value) in sums.iter_mut().zip(sample.values) {
                *sum = sum.wrapping_add(value);
            }
        });
        sums
    }
}

/// Fails unless both profiles have the same columns.
fn require_same_types(one: &View<'_>, other: &View<'_>) -> Result<(), MergeError> {
    if one.sample_types == other.sample_types && one.period_type == other.period_type {
        return Ok(());
    }
    let names = |view: &View<'_>| view.sample_types.iter().map(shown).collect::<Vec<_>>().join(", ");
    Err(MergeError::Incompatible { what: "sample types", one: names(one), other: names(other) })
}
