//! The statistics under the verdict, each with its source and its degenerate cases, each compared with scipy,
//! pymannkendall or ruptures by `tests/statistics_agree.rs`.

pub mod distribution;
pub mod false_discovery;
pub mod least_squares;
pub mod mann_kendall;
pub mod mser;
pub mod order;
pub mod pelt;
pub mod prais_winsten;
pub mod theil_sen;
