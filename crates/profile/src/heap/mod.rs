//! Heap graphs: objects, references and their names, and the formats that fill them.
//!
//! [`HeapGraph`] knows no runtime: kinds of nodes and edges are a small shared vocabulary, names are strings of the
//! graph. [`heapsnapshot`] reads V8's `.heapsnapshot`, also gzip and zstd;
//! [`redact`] writes a copy of one without what its strings say.

mod column;
mod graph;
mod graph_columns;
pub mod heapsnapshot;
mod kind;
pub mod redact;
mod scanner;
mod stored;
mod strings;
mod trace;

pub use column::IntColumn;
pub use graph::{Edge, EdgeId, HeapGraph, HeapGraphBuilder, Location, NodeId, NodeRow};
pub use kind::{EdgeKind, NodeKind};
pub use stored::{Checksum, ColumnReader, ColumnWriter, StoredError};
pub use strings::StringPool;
pub use trace::{TraceFunction, TraceNode, Traces};
