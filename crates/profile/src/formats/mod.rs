//! Files that fill the models, one module per format. Decoders take bytes; the caller opens files.

pub mod series_columns;
pub mod series_csv;
pub mod series_json;
pub mod series_prometheus;
