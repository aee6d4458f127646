//! Where objects were allocated, when the snapshot was taken with allocation tracking.

/// A function seen on an allocation stack. Names are string indexes of the graph; line and column start at 1,
/// unlike those of [`Location`](super::Location); 0 is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceFunction {
    /// Function name.
    pub name: u32,
    /// Script name (a path or URL).
    pub script_name: u32,
    /// Script number in the process.
    pub script_id: u32,
    /// Line, from 0.
    pub line: u32,
    /// Column, from 0.
    pub column: u32,
}

/// One frame in the tree of allocation stacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceNode {
    /// Number that nodes of the graph refer to.
    pub id: u32,
    /// Index into [`Traces::functions`].
    pub function: u32,
    /// Objects allocated here, dead ones included.
    pub count: u64,
    /// Bytes allocated here, dead objects included.
    pub size: u64,
    /// Index of the caller in [`Traces::nodes`]; `None` for the root.
    pub parent: Option<u32>,
}

/// Allocation stacks of a snapshot; empty when it was taken without tracking.
#[derive(Clone, Debug, Default)]
pub struct Traces {
    /// Functions on any stack.
    pub functions: Vec<TraceFunction>,
    /// The tree, callers before callees.
    pub nodes: Vec<TraceNode>,
}

impl Traces {
    /// Functions from the allocating one outwards for the tree node called `id`.
    pub fn stack(&self, id: u32) -> Vec<TraceFunction> {
        let index = self.nodes.iter().position(|node| node.id == id);
        index.map_or_else(Vec::new, |index| self.stack_at(index as u32))
    }

    /// Functions from the allocating one outwards for the tree node at position `index`.
    pub fn stack_at(&self, index: u32) -> Vec<TraceFunction> {
        let mut stack = Vec::new();
        let mut next = Some(index);
        while let Some(node) = next.and_then(|index| self.nodes.get(index as usize)) {
            if let Some(&function) = self.functions.get(node.function as usize) {
                stack.push(function);
            }
            next = node.parent;
        }
        stack
    }
}
