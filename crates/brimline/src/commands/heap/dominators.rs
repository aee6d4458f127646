//! `brimline heap dominators`: what would go with what, from the root or from one object downwards.

use std::io::Write;

use brimline_analysis::heap::Heap;
use brimline_profile::heap::NodeId;
use serde_json::{Value, json};

use super::snapshot_file::{OpenArgs, SnapshotFile};
use super::{object, target, write_json};
use crate::exit_code::ExitCode;
use crate::quantity::{bytes, count, percent};

/// Arguments.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The run or file [default: the latest run]
    run: Option<String>,
    /// Begin at this object instead of the root.
    #[arg(long, value_name = "@ID")]
    of: Option<String>,
    /// Levels to show.
    #[arg(long, value_name = "N", default_value_t = 5)]
    depth: usize,
    /// Most objects below each.
    #[arg(long, value_name = "N", default_value_t = 5)]
    top: usize,
    /// JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    open: OpenArgs,
}

/// The tree with what the command line asks of it.
struct Tree<'a> {
    heap: &'a Heap,
    first: Vec<u32>,
    children: Vec<u32>,
    args: &'a Args,
}

/// Carries the command out.
pub(crate) fn execute(args: &Args) -> anyhow::Result<ExitCode> {
    let file = SnapshotFile::find(args.run.as_deref(), &args.open)?;
    let mut out = crate::commands::output(None)?;
    let words = (&args.of, args.depth, args.top, args.json);
    file.answer("dominators", &words, &mut out, |heap, exit_code, out| write(args, &file.name, heap, exit_code, out))
}

fn write(args: &Args, file: &str, heap: &Heap, exit_code: ExitCode, out: &mut dyn Write) -> anyhow::Result<()> {
    let from = args.of.as_deref().map_or(Ok(NodeId(0)), |text| target::object(heap, text))?;
    let (first, children) = heap.dominated();
    let tree = Tree { heap, first, children, args };
    if args.json {
        let head = json!({
            "schema": "brimline.heap.dominators/1", "file": file, "partial": exit_code != ExitCode::FINE,
            "tree": tree.json(from, 0),
        });
        return write_json(out, &head, &[]);
    }
    writeln!(out, "{:>10}  {:>6}  {:>10}  object", "retained", "share", "self")?;
    tree.write(from, 0, out)
}

impl Tree<'_> {
    /// Objects directly below `node`, largest first.
    fn below(&self, node: NodeId) -> Vec<NodeId> {
        let range = self.first[node.index()] as usize..self.first[node.index() + 1] as usize;
        let mut below: Vec<_> = self.children[range].iter().copied().map(NodeId).collect();
        below.sort_by_key(|&node| (std::cmp::Reverse(self.heap.retained_size(node)), node));
        below
    }

    fn write(&self, node: NodeId, depth: usize, out: &mut dyn Write) -> anyhow::Result<()> {
        let retained = self.heap.retained_size(node);
        writeln!(
            out,
            "{:>10}  {:>6}  {:>10}  {:indent$}{}",
            bytes(retained as i64),
            percent(retained as i64, self.heap.total_size() as i64),
            bytes(self.heap.self_size(node) as i64),
            "",
            object::label(self.heap, node),
            indent = depth * 2,
        )?;
        if depth == self.args.depth {
            return Ok(());
        }
        let below = self.below(node);
        for &child in below.iter().take(self.args.top) {
            self.write(child, depth + 1, out)?;
        }
        let rest = &below[below.len().min(self.args.top)..];
        if !rest.is_empty() {
            let sum: u64 = rest.iter().map(|&node| self.heap.retained_size(node)).sum();
            let (size, number) = (bytes(sum as i64), count(rest.len() as i64));
            writeln!(out, "{size:>10}  {:>6}  {:>10}  {:indent$}{number} more", "", "", "", indent = depth * 2 + 2)?;
        }
        Ok(())
    }

    fn json(&self, node: NodeId, depth: usize) -> Value {
        let mut value = object::node_json(self.heap, node);
        if depth < self.args.depth {
            let below = self.below(node);
            value["children_count"] = json!(below.len());
            let shown = below.iter().take(self.args.top).map(|&child| self.json(child, depth + 1));
            value["children"] = Value::Array(shown.collect());
        }
        value
    }
}
