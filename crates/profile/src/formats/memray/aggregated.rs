//! What `memray run --aggregate` writes when the program ends: the peak and the leaks of each stack.

use std::collections::HashMap;

use super::header::{Header, MALLOC, MAPPING, Operation};
use super::input::Input;
use super::names::{Lines, Name, Names};
use super::stacks::Stacks;
use super::{MemrayError, Outcome, log};

/// A stack as the file numbers it: its innermost frame and its caller's stack.
#[derive(Clone, Copy)]
struct Trace {
    frame: u64,
    parent: u64,
}

/// Callers of one stack.
const DEEPEST: usize = 1 << 20;

pub(super) fn read(input: &mut Input<'_>, header: &Header) -> Result<Outcome, MemrayError> {
    let mut file = File {
        header,
        stacks: Stacks::new(),
        names: Names::new(header.python_minor),
        traces: vec![Trace { frame: 0, parent: 0 }],
        frames: Vec::new(),
        thread: 0,
        last_line: 0,
        nodes: HashMap::new(),
        peak_bytes: 0,
    };
    let mut is_complete = false;
    while input.ready() {
        match file.record(input)? {
            Some(true) => {}
            Some(false) => {
                is_complete = true;
                break;
            }
            None => break,
        }
    }
    input.error()?;
    let peak_bytes = file.peak_bytes;
    Ok(Outcome { profile: file.stacks.profile(header, &mut file.names), peak_bytes, is_complete })
}

struct File<'h> {
    header: &'h Header,
    stacks: Stacks,
    names: Names,
    traces: Vec<Trace>,
    /// Code object and instruction of each frame (format 12 and newer).
    frames: Vec<(u32, i32)>,
    thread: u64,
    last_line: u64,
    /// The node of a thread and trace.
    nodes: HashMap<(u32, u64), u32>,
    peak_bytes: i64,
}

impl File<'_> {
    /// True after a record, false at the end mark, `None` at the end of the file.
    fn record(&mut self, input: &mut Input<'_>) -> Result<Option<bool>, MemrayError> {
        let Some(kind) = input.byte() else { return Ok(None) };
        let done = match kind {
            // Time, resident memory, heap.
            1 => input.array::<24>().map(drop),
            2 => match input.array::<72>() {
                Some(fields) => {
                    self.allocation(&fields, input)?;
                    Some(())
                }
                None => None,
            },
            3 => self.trace(input)?,
            4 if self.header.has_code_objects() => self.frame(input)?,
            4 => self.resolved_frame(input)?,
            5 => log::native_frame(input, &mut 0, &mut 0),
            6 => Some(()),
            7 => log::segment_header(input),
            8 => log::segment(input),
            10 => match input.text() {
                Some(name) => {
                    let thread = self.stacks.thread(self.thread)?;
                    self.stacks.name_thread(thread, name);
                    Some(())
                }
                None => None,
            },
            12 => input.u64().map(|thread| self.thread = thread),
            // An object that survived.
            13 => input
                .varint()
                .and_then(|_| if self.header.has_native_traces { input.varint().map(drop) } else { Some(()) }),
            14 => match log::code_object(input, &mut self.last_line, &self.names) {
                Some((number, name)) => {
                    let number = u32::try_from(number).map_err(|_| input.shape("a code object's number below 2^32"))?;
                    self.names.insert(number, name);
                    Some(())
                }
                None => None,
            },
            15 => return Ok(Some(false)),
            _ => return Err(input.shape("a known record")),
        };
        Ok(done.map(|()| true))
    }

    fn trace(&mut self, input: &mut Input<'_>) -> Result<Option<()>, MemrayError> {
        let words = if self.header.has_code_objects() {
            (input.varint(), input.varint())
        } else {
            (input.u64(), input.array().map(|word| u64::from(u32::from_le_bytes(word))))
        };
        let (Some(frame), Some(parent)) = words else { return Ok(None) };
        if parent >= self.traces.len() as u64 {
            return Err(input.shape("a stack's caller before it"));
        }
        self.traces.push(Trace { frame, parent });
        Ok(Some(()))
    }

    fn frame(&mut self, input: &mut Input<'_>) -> Result<Option<()>, MemrayError> {
        let fields = (input.varint(), input.varint(), input.signed_varint(), input.byte());
        let (Some(number), Some(code), Some(instruction), Some(_)) = fields else { return Ok(None) };
        if number != self.frames.len() as u64 {
            return Err(input.shape("frames in order"));
        }
        let code = u32::try_from(code).ok().filter(|&code| code != u32::MAX);
        self.frames.push((code.ok_or_else(|| input.shape("a code object's number below 2^32"))?, instruction as i32));
        Ok(Some(()))
    }

    fn resolved_frame(&mut self, input: &mut Input<'_>) -> Result<Option<()>, MemrayError> {
        let Some(number) = input.u64() else { return Ok(None) };
        let number = u32::try_from(number).map_err(|_| input.shape("a frame's number below 2^32"))?;
        let (Some(function), Some(file)) = (input.text(), input.text()) else { return Ok(None) };
        let (Some(line), Some(_)) = (input.array().map(i32::from_le_bytes), input.array::<1>()) else {
            return Ok(None);
        };
        let lines = Lines::Resolved(u32::try_from(line).unwrap_or(0));
        self.names.insert(number, Name { function, file, lines });
        Ok(Some(()))
    }

    /// `AggregatedAllocation`, as the compiler laid it out: eight words after the thread, the allocator in the first.
    fn allocation(&mut self, fields: &[u8; 72], input: &Input<'_>) -> Result<(), MemrayError> {
        let (words, _) = fields.as_chunks::<8>();
        let word = |index: usize| u64::from_le_bytes(words[index]);
        let kind = match self.header.operation(fields[8]) {
            Some(Operation::Allocate(kind)) => kind,
            Some(Operation::Map) => MAPPING,
            Some(_) => return Err(input.shape("an allocator that hands out memory")),
            None => MALLOC,
        };
        let thread = self.stacks.thread(word(0))?;
        let node = self.node(thread, word(3), input)?;
        let row = self.stacks.row(node, kind) as usize;
        let row = &mut self.stacks.rows[row];
        row.peak_count = row.peak_count.saturating_add(word(5) as i64);
        row.live_count = row.live_count.saturating_add(word(6) as i64);
        row.peak_bytes = row.peak_bytes.saturating_add(word(7) as i64);
        row.live_bytes = row.live_bytes.saturating_add(word(8) as i64);
        self.peak_bytes = self.peak_bytes.saturating_add(word(7) as i64);
        Ok(())
    }

    /// The node of a trace in a thread's tree.
    fn node(&mut self, thread: u32, trace: u64, input: &Input<'_>) -> Result<u32, MemrayError> {
        if trace >= self.traces.len() as u64 {
            return Err(input.shape("a stack before what it holds"));
        }
        let mut path = Vec::new();
        let mut at = trace;
        let mut node = loop {
            if at == 0 {
                break self.stacks.root(thread);
            }
            if let Some(&node) = self.nodes.get(&(thread, at)) {
                break node;
            }
            path.push(at);
            at = self.traces[at as usize].parent;
            if path.len() > DEEPEST {
                return Err(MemrayError::TooMany { what: "frames of a stack", limit: DEEPEST as u64 });
            }
        };
        for &at in path.iter().rev() {
            let frame = self.traces[at as usize].frame;
            let (code, instruction) = if self.header.has_code_objects() {
                *self.frames.get(frame as usize).ok_or_else(|| input.shape("a frame before its stack"))?
            } else {
                (u32::try_from(frame).map_err(|_| input.shape("a frame's number below 2^32"))?, 0)
            };
            node = self.stacks.child(node, code, instruction)?;
            self.nodes.insert((thread, at), node);
        }
        Ok(node)
    }
}
