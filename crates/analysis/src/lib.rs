//! What the three models mean. No file is opened, no process started, no clock or environment read in this crate:
//! models in, plain answers out.
#![deny(missing_docs)]

pub mod trend;
