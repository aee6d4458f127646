//! The log: each allocation, free, call and return in order.

use super::blocks::{Block, Blocks};
use super::header::{Header, MAPPING, Operation};
use super::input::Input;
use super::mappings::Mappings;
use super::names::{Lines, Name, Names};
use super::stacks::Stacks;
use super::{MemrayError, Outcome};

/// Addresses that a record can name by their place among the last ones.
const RECENT: usize = 15;

/// Reads all records.
pub(super) fn read(input: &mut Input<'_>, header: &Header) -> Result<Outcome, MemrayError> {
    let mut log = Log {
        header,
        stacks: Stacks::new(),
        names: Names::new(header.python_minor),
        blocks: Blocks::new(),
        mappings: Mappings::default(),
        thread: None,
        last: Last::default(),
        recent: [0; RECENT],
    };
    let mut is_complete = false;
    while input.ready() {
        let done = if header.has_code_objects() { log.record(input)? } else { log.old_record(input)? };
        match done {
            Some(Next::Record) => {}
            Some(Next::End) => {
                is_complete = true;
                break;
            }
            // The file ends in the middle of a record.
            None => break,
        }
    }
    input.error()?;
    Ok(log.stacks.finish(header, &mut log.names, is_complete))
}

enum Next {
    Record,
    End,
}

/// The last values of what is written as differences.
#[derive(Default)]
struct Last {
    data_pointer: u64,
    instruction_pointer: u64,
    native_frame: u64,
    python_frame: u64,
    line: u64,
}

struct Log<'h> {
    header: &'h Header,
    stacks: Stacks,
    names: Names,
    blocks: Blocks,
    mappings: Mappings,
    thread: Option<u32>,
    last: Last,
    recent: [u64; RECENT],
}

impl Log<'_> {
    /// A record of format 12 and newer; `None` at the end of the file.
    #[inline]
    fn record(&mut self, input: &mut Input<'_>) -> Result<Option<Next>, MemrayError> {
        let Some(token) = input.byte() else { return Ok(None) };
        let done = match token {
            128.. => return self.allocation(token & 0x7f, input),
            64.. => {
                let (Some(code), Some(instruction)) = (input.varint(), input.signed_varint()) else { return Ok(None) };
                self.push(code, instruction, input)?;
                Some(())
            }
            // An object was made or has gone (`track_object_lifetimes`): its memory has records of its own.
            32.. => {
                let place = usize::from(token >> 1 & 0x0f);
                (place < RECENT || self.fresh_address(input).is_some()).then_some(()).filter(|()| {
                    !(self.header.has_native_traces && token & 1 != 0)
                        || input.delta(&mut self.last.native_frame).is_some()
                })
            }
            16.. => {
                self.pop(usize::from(token & 0x0f) + 1, input)?;
                Some(())
            }
            0 => Some(()),
            1 => return Ok(Some(Next::End)),
            14 => self.code_object(input)?,
            _ => return self.rare_record(token, input),
        };
        Ok(done.map(|()| Next::Record))
    }

    /// A record of format 10 and 11: its kind in the lower four bits, flags in the upper ones.
    #[inline]
    fn old_record(&mut self, input: &mut Input<'_>) -> Result<Option<Next>, MemrayError> {
        let Some(token) = input.byte() else { return Ok(None) };
        let flags = token >> 4;
        let done = match token & 0x0f {
            0 if flags == 1 => return Ok(Some(Next::End)),
            kind @ 1..=2 => {
                let Some(address) = input.delta(&mut self.last.data_pointer) else { return Ok(None) };
                let operation = self.operation(flags, input)?;
                let is_native = kind == 2;
                let size = if operation == Operation::Free && !is_native { Some(0) } else { input.varint() };
                let Some(size) = size else { return Ok(None) };
                if is_native && input.delta(&mut self.last.native_frame).is_none() {
                    return Ok(None);
                }
                self.apply(operation, address, size, input)?;
                Some(())
            }
            3 => self.resolved_frame(input),
            4 => {
                let Some(frame) = input.delta(&mut self.last.python_frame) else { return Ok(None) };
                self.push(frame, 0, input)?;
                Some(())
            }
            9 => {
                self.pop(usize::from(flags) + 1, input)?;
                Some(())
            }
            kind => return self.rare_record(if kind == 11 { 2 } else { kind }, input),
        };
        Ok(done.map(|()| Next::Record))
    }

    /// Records that are the same in all formats.
    #[cold]
    fn rare_record(&mut self, kind: u8, input: &mut Input<'_>) -> Result<Option<Next>, MemrayError> {
        let done = match kind {
            // Resident memory and time.
            2 => input.varint().and_then(|_| input.varint()).map(drop),
            5 => native_frame(input, &mut self.last.instruction_pointer, &mut self.last.native_frame),
            6 => Some(()),
            7 => segment_header(input),
            8 => segment(input),
            10 => {
                let thread = self.thread.ok_or_else(|| input.shape("a thread before its name"))?;
                input.text().map(|name| self.stacks.name_thread(thread, name))
            }
            12 => match input.u64() {
                Some(id) => {
                    self.thread = Some(self.stacks.thread(id)?);
                    Some(())
                }
                None => None,
            },
            _ => return Err(input.shape("a known record")),
        };
        Ok(done.map(|()| Next::Record))
    }

    /// An address that is not among the recent ones.
    #[inline]
    fn fresh_address(&mut self, input: &mut Input<'_>) -> Option<u64> {
        let address = input.delta(&mut self.last.data_pointer)? << 3;
        // As memray's own move of the array onto itself one place further.
        self.recent.copy_within(..RECENT - 1, 1);
        self.recent[0] = address;
        Some(address)
    }

    #[inline]
    fn allocation(&mut self, flags: u8, input: &mut Input<'_>) -> Result<Option<Next>, MemrayError> {
        let place = usize::from(flags >> 3);
        let address = match self.recent.get(place) {
            Some(&address) => Some(address),
            None => self.fresh_address(input),
        };
        let Some(address) = address else { return Ok(None) };
        let short = flags % 8;
        let number = if short == 0 { input.byte() } else { Some(short) };
        let Some(number) = number else { return Ok(None) };
        let operation = self.operation(number, input)?;
        if operation == Operation::Free {
            self.apply(operation, address, 0, input)?;
            return Ok(Some(Next::Record));
        }
        if self.header.has_native_traces && input.delta(&mut self.last.native_frame).is_none() {
            return Ok(None);
        }
        let Some(size) = input.varint() else { return Ok(None) };
        self.apply(operation, address, size, input)?;
        Ok(Some(Next::Record))
    }

    #[inline]
    fn operation(&self, number: u8, input: &Input<'_>) -> Result<Operation, MemrayError> {
        self.header.operation(number).ok_or_else(|| input.shape("a known allocator"))
    }

    #[inline]
    fn apply(&mut self, operation: Operation, address: u64, size: u64, input: &Input<'_>) -> Result<(), MemrayError> {
        let stacks = &mut self.stacks;
        match operation {
            Operation::Allocate(_) | Operation::Map => {
                let kind = if let Operation::Allocate(kind) = operation { kind } else { MAPPING };
                let thread = self.thread.ok_or_else(|| input.shape("a thread before its allocation"))?;
                let node = stacks.top(thread);
                let row = stacks.row(node, kind);
                if operation == Operation::Map {
                    self.mappings.add(address, size, row);
                } else if let Some(lost) = self.blocks.insert(address, Block { size, row })? {
                    // Handed out again without a free: the block belongs to its last owner, in the rows alone.
                    stacks.change(lost.row, -(lost.size as i64), -1);
                }
                stacks.change(row, size as i64, i64::from(operation != Operation::Map || size > 0));
                let total = &mut stacks.rows[row as usize];
                total.total_bytes = total.total_bytes.wrapping_add(size as i64);
                total.total_count += 1;
                stacks.change_total(size as i64);
            }
            Operation::Free => {
                let mut freed = 0;
                if let Some(block) = self.blocks.remove(address) {
                    freed = block.size as i64;
                    stacks.change(block.row, -freed, -1);
                }
                stacks.change_total(-freed);
            }
            Operation::Unmap => {
                let mut freed = 0;
                for cut in self.mappings.remove(address, size)? {
                    freed += cut.bytes as i64;
                    stacks.change(cut.row, -(cut.bytes as i64), cut.ranges);
                }
                stacks.change_total(-freed);
            }
        }
        Ok(())
    }

    #[inline]
    fn push(&mut self, code: u64, instruction: i64, input: &Input<'_>) -> Result<(), MemrayError> {
        let thread = self.thread.ok_or_else(|| input.shape("a thread before its frame"))?;
        let code = u32::try_from(code).ok().filter(|&code| code != u32::MAX);
        let code = code.ok_or_else(|| input.shape("a code object's number below 2^32"))?;
        self.stacks.push(thread, code, instruction as i32)
    }

    #[inline]
    fn pop(&mut self, count: usize, input: &Input<'_>) -> Result<(), MemrayError> {
        let thread = self.thread.ok_or_else(|| input.shape("a thread before its frame"))?;
        if self.stacks.pop(thread, count) { Ok(()) } else { Err(input.shape("as many frames as are left")) }
    }

    #[cold]
    fn code_object(&mut self, input: &mut Input<'_>) -> Result<Option<()>, MemrayError> {
        let fields = code_object(input, &mut self.last.line, &self.names);
        let Some((number, name)) = fields else { return Ok(None) };
        let number = u32::try_from(number).map_err(|_| input.shape("a code object's number below 2^32"))?;
        self.names.insert(number, name);
        Ok(Some(()))
    }

    #[cold]
    fn resolved_frame(&mut self, input: &mut Input<'_>) -> Option<()> {
        let number = input.delta(&mut self.last.python_frame)?;
        let (function, file) = (input.text()?, input.text()?);
        let line = input.delta(&mut self.last.line)? as i32;
        let lines = Lines::Resolved(u32::try_from(line).unwrap_or(0));
        if let Ok(number) = u32::try_from(number) {
            self.names.insert(number, Name { function, file, lines });
        }
        Some(())
    }
}

/// Number and name of a code object (format 12 and newer).
pub(super) fn code_object(input: &mut Input<'_>, last_line: &mut u64, names: &Names) -> Option<(u64, Name)> {
    let number = input.varint()?;
    let (function, file) = (input.text()?, input.text()?);
    let first_line = u32::try_from(input.delta(last_line)? as i32).unwrap_or(0);
    let length = input.varint()?;
    let table = input.bytes(length)?;
    Some((number, Name { function, file, lines: names.table(&table, first_line) }))
}

pub(super) fn native_frame(input: &mut Input<'_>, pointer: &mut u64, index: &mut u64) -> Option<()> {
    input.delta(pointer)?;
    input.delta(index).map(drop)
}

/// A file of machine code; its segments follow as records of their own.
pub(super) fn segment_header(input: &mut Input<'_>) -> Option<()> {
    input.text()?;
    input.varint()?;
    input.u64().map(drop)
}

pub(super) fn segment(input: &mut Input<'_>) -> Option<()> {
    input.u64()?;
    input.varint().map(drop)
}
