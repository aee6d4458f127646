//! The statistics under the verdict, each with its source and its degenerate cases, each compared with scipy,
//! pymannkendall or ruptures by `tests/statistics_agree.rs`.

pub mod autoregression;
pub mod distribution;
pub mod false_discovery;
pub mod mann_kendall;
pub mod mser;
pub mod order;
pub mod pelt;

pub mod theil_sen;
