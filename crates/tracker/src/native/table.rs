//! Unwind tables: from an address to its [`Rule`], by `.eh_frame_hdr` and `.eh_frame` (Linux Standard Base, "Exception
//! Frames"; DWARF 5, section 6.4).

use core::ops::Range;

use super::cursor::Cursor;
use super::expression::{From, Value, evaluate};
use super::rule::{Base, FramePointer, Rule, Shape};

/// DWARF's numbers of the registers that matter.
const FRAME_REGISTER: u64 = 6;
const STACK_REGISTER: u64 = 7;
const RETURN_REGISTER: u64 = 16;
/// The table of an `.eh_frame_hdr` as every linker writes it: data-relative, 4 bytes, signed.
const SEARCHABLE: u8 = 0x3B;

/// What a table says about one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) rule: Rule,
    /// The function, or the part of one, that the address belongs to.
    pub(super) range: Range<usize>,
}

/// The rule for `address`, from the `.eh_frame_hdr` at `header`; reads nothing past `end`. `None` when no table covers
/// the address.
pub(super) fn find(header: usize, end: usize, address: usize) -> Option<Found> {
    let entry = find_entry(header, end, address)?;
    let mut entry = Cursor { at: entry, end };
    let length = entry.u32()?;
    if length == 0 || length == u32::MAX {
        return None;
    }
    let mut entry = entry.part(length as usize)?;
    let here = entry.at;
    let common = here.checked_sub(entry.u32()? as usize)?;
    let common = Common::read(Cursor { at: common, end })?;
    let first = entry.pointer(common.encoding, 0)?;
    let bytes = entry.pointer(common.encoding & 0x0F, 0)?;
    let range = first..first.checked_add(bytes)?;
    if !range.contains(&address) {
        return None;
    }
    if common.has_augmentation {
        let bytes = entry.unsigned()?;
        entry.part(bytes as usize)?;
    }
    let mut state = State::default();
    state.run(common.program, &common, first, address, None)?;
    let initial = state.row;
    state.run(entry, &common, first, address, Some(initial))?;
    Some(Found { rule: state.row.rule(common.is_signal), range })
}

/// Binary search in the header's table.
fn find_entry(header: usize, end: usize, address: usize) -> Option<usize> {
    let mut cursor = Cursor { at: header, end };
    let (version, frame_encoding, count_encoding, table_encoding) =
        (cursor.u8()?, cursor.u8()?, cursor.u8()?, cursor.u8()?);
    if version != 1 || table_encoding != SEARCHABLE {
        return None;
    }
    cursor.pointer(frame_encoding, header)?;
    let count = cursor.pointer(count_encoding, header)?;
    let table = cursor.at;
    let row = |index: usize| {
        let mut cursor = Cursor { at: table + index * 8, end };
        Some((cursor.pointer(SEARCHABLE, header)?, cursor.pointer(SEARCHABLE, header)?))
    };
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if row(middle)?.0 <= address {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Some(row(low.checked_sub(1)?)?.1)
}

/// What many entries share.
struct Common {
    code_step: u64,
    data_step: i64,
    encoding: u8,
    has_augmentation: bool,
    is_signal: bool,
    program: Cursor,
}

impl Common {
    fn read(mut cursor: Cursor) -> Option<Self> {
        let length = cursor.u32()?;
        let mut cursor = cursor.part(length as usize)?;
        if cursor.u32()? != 0 {
            return None;
        }
        let version = cursor.u8()?;
        let mut augmentation = cursor;
        while cursor.u8()? != 0 {}
        let code_step = cursor.unsigned()?;
        let data_step = cursor.signed()?;
        let register = if version == 1 { u64::from(cursor.u8()?) } else { cursor.unsigned()? };
        if register != RETURN_REGISTER {
            return None;
        }
        let mut common =
            Self { code_step, data_step, encoding: 0, has_augmentation: false, is_signal: false, program: cursor };
        let mut data = cursor;
        loop {
            match augmentation.u8()? {
                0 => break,
                b'z' => {
                    let bytes = cursor.unsigned()?;
                    data = cursor.part(bytes as usize)?;
                    common.has_augmentation = true;
                }
                b'R' => common.encoding = data.u8()?,
                b'S' => common.is_signal = true,
                b'L' => {
                    data.u8()?;
                }
                b'P' => {
                    let encoding = data.u8()?;
                    data.pointer(encoding & 0x0F, 0)?;
                }
                _ => return None,
            }
        }
        common.program = cursor;
        Some(common)
    }
}

/// How a register of the caller is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Saved {
    /// Not changed.
    Same,
    /// In memory, at this place.
    At(Value),
    /// There is none: for the return address, the outermost frame.
    Undefined,
    /// By a rule that is not followed.
    Other,
}

/// One row of the table that an entry describes.
#[derive(Clone, Copy, Debug)]
struct Row {
    cfa: Option<Value>,
    frame: Saved,
    back: Saved,
}

impl Row {
    fn rule(self, is_signal: bool) -> Rule {
        if self.back == Saved::Undefined {
            return Rule { shape: Shape::End, ..Rule::default() };
        }
        self.known(is_signal).unwrap_or_default()
    }

    fn known(self, is_signal: bool) -> Option<Rule> {
        let cfa = self.cfa?;
        let base = match cfa.from {
            From::Stack => Base::Stack,
            From::Frame => Base::Frame,
            From::Nothing | From::Cfa => return None,
        };
        let Saved::At(back) = self.back else { return None };
        let (shape, return_offset) = match (back.from, cfa.is_loaded, is_signal) {
            (From::Cfa, is_loaded, false) if back.offset == -8 => {
                (if is_loaded { Shape::Loaded } else { Shape::Plain }, 0)
            }
            (From::Stack, true, true) => (Shape::Signal, i32::try_from(back.offset).ok()?),
            _ => return None,
        };
        let (frame_pointer, frame_offset) = match self.frame {
            Saved::Same => (FramePointer::Same, 0),
            Saved::At(place) if !place.is_loaded => {
                let kind = match place.from {
                    From::Cfa => FramePointer::AtCfa,
                    From::Frame => FramePointer::AtFrame,
                    From::Stack => FramePointer::AtStack,
                    From::Nothing => return None,
                };
                (kind, i32::try_from(place.offset).ok()?)
            }
            Saved::At(_) | Saved::Undefined | Saved::Other => (FramePointer::Lost, 0),
        };
        let offset = i32::try_from(cfa.offset).ok()?;
        Some(Rule { shape, base, frame_pointer, marks: 0, offset, frame_offset, return_offset })
    }

    fn set(&mut self, register: u64, saved: Saved) {
        match register {
            FRAME_REGISTER => self.frame = saved,
            RETURN_REGISTER => self.back = saved,
            _ => {}
        }
    }
}

const DEPTH: usize = 8;

/// The machine that runs an entry's program.
struct State {
    row: Row,
    saved: [Row; DEPTH],
    depth: usize,
}

impl Default for State {
    fn default() -> Self {
        // The return address lies where `call` has put it unless the table says otherwise.
        let row = Row { cfa: None, frame: Saved::Same, back: Saved::At(Value::new(From::Cfa, -8)) };
        Self { row, saved: [row; DEPTH], depth: 0 }
    }
}

impl State {
    /// Runs a program until it passes `address`. `initial` is what `restore` goes back to.
    fn run(
        &mut self,
        mut program: Cursor,
        common: &Common,
        first: usize,
        address: usize,
        initial: Option<Row>,
    ) -> Option<()> {
        let mut location = first;
        let at_cfa = |offset: i64| Saved::At(Value::new(From::Cfa, offset));
        while !program.is_at_end() {
            let operation = program.u8()?;
            let low = u64::from(operation & 0x3F);
            let advance = match operation {
                0x40..=0x7F => Some(low),
                0x02 => Some(u64::from(program.u8()?)),
                0x03 => Some(u64::from(program.u16()?)),
                0x04 => Some(u64::from(program.u32()?)),
                _ => None,
            };
            if let Some(advance) = advance {
                location = location.checked_add(advance.checked_mul(common.code_step)? as usize)?;
                if location > address {
                    return Some(());
                }
                continue;
            }
            match operation {
                0x80..=0xBF => {
                    let offset = (program.unsigned()? as i64).wrapping_mul(common.data_step);
                    self.row.set(low, at_cfa(offset));
                }
                0xC0..=0xFF => self.restore(low, initial?),
                0x00 => {}
                0x01 => {
                    location = program.pointer(common.encoding, 0)?;
                    if location > address {
                        return Some(());
                    }
                }
                0x05 => {
                    let register = program.unsigned()?;
                    let offset = (program.unsigned()? as i64).wrapping_mul(common.data_step);
                    self.row.set(register, at_cfa(offset));
                }
                0x06 => self.restore(program.unsigned()?, initial?),
                0x07 => self.row.set(program.unsigned()?, Saved::Undefined),
                0x08 => self.row.set(program.unsigned()?, Saved::Same),
                // register, val_offset, val_offset_sf: a value, not a place.
                0x09 | 0x14 | 0x15 => {
                    let register = program.unsigned()?;
                    program.unsigned()?;
                    self.row.set(register, Saved::Other);
                }
                0x0A => {
                    *self.saved.get_mut(self.depth)? = self.row;
                    self.depth += 1;
                }
                0x0B => {
                    self.depth = self.depth.checked_sub(1)?;
                    self.row = self.saved[self.depth];
                }
                0x0C => {
                    let register = program.unsigned()?;
                    self.row.cfa = in_register(register, program.unsigned()? as i64);
                }
                0x0D => {
                    let register = program.unsigned()?;
                    self.row.cfa = self.row.cfa.and_then(|cfa| in_register(register, cfa.offset));
                }
                0x0E => {
                    let offset = program.unsigned()? as i64;
                    self.row.cfa = self.row.cfa.map(|cfa| Value { offset, ..cfa });
                }
                0x0F => {
                    let bytes = program.unsigned()? as usize;
                    self.row.cfa = evaluate(program.part(bytes)?, address, None);
                }
                0x10 | 0x16 => {
                    let register = program.unsigned()?;
                    let bytes = program.unsigned()? as usize;
                    let place = evaluate(program.part(bytes)?, address, Some(Value::new(From::Cfa, 0)));
                    let place = place.filter(|_| operation == 0x10);
                    self.row.set(register, place.map_or(Saved::Other, Saved::At));
                }
                0x11 => {
                    let register = program.unsigned()?;
                    let offset = program.signed()?.wrapping_mul(common.data_step);
                    self.row.set(register, at_cfa(offset));
                }
                0x12 => {
                    let register = program.unsigned()?;
                    self.row.cfa = in_register(register, program.signed()?.wrapping_mul(common.data_step));
                }
                0x13 => {
                    let offset = program.signed()?.wrapping_mul(common.data_step);
                    self.row.cfa = self.row.cfa.map(|cfa| Value { offset, ..cfa });
                }
                // GNU_args_size
                0x2E => {
                    program.unsigned()?;
                }
                _ => return None,
            }
        }
        Some(())
    }

    fn restore(&mut self, register: u64, initial: Row) {
        match register {
            FRAME_REGISTER => self.row.frame = initial.frame,
            RETURN_REGISTER => self.row.back = initial.back,
            _ => {}
        }
    }
}

fn in_register(register: u64, offset: i64) -> Option<Value> {
    match register {
        FRAME_REGISTER => Some(Value::new(From::Frame, offset)),
        STACK_REGISTER => Some(Value::new(From::Stack, offset)),
        _ => None,
    }
}
