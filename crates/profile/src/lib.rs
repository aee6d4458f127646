//! The three models everything in brimline is built on: [`Profile`] (stacks × values), heap graphs (objects × references)
//! and series (metrics × time), with the formats that fill them.
//!
//! No file is opened, no process started, no clock or environment read in this crate: decoders take bytes or readers,
//! encoders take writers.
#![deny(missing_docs)]

pub mod formats;
pub mod heap;
mod interner;
mod merge;
mod model;
pub mod series;
pub mod source_map;

pub use interner::{StringId, StringTable};
pub use model::{
    CodeAddress, Frame, FrameId, Function, FunctionId, LabelSetId, Module, Precision, Profile, ProfileBuilder, Sample,
    StackId, StackNode, ValueType, value,
};
