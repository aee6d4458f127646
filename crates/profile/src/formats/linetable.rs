//! CPython's location tables: which line an instruction belongs to.
//!
//! - up to 3.9: `Objects/lnotab_notes.txt`, pairs of an address step and a line step;
//! - 3.10: PEP 626, the same file of 3.10, pairs of a length and a line step, -128 for no line;
//! - from 3.11 on: PEP 657, `Objects/locations.md` of 3.11. Columns and end lines are skipped.
//!
//! The answers equal `code.co_lines()` and `PyCode_Addr2Line`.

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineFormat {
    /// Up to 3.9.
    Lnotab,
    /// 3.10.
    Pep626,
    /// From 3.11 on.
    Pep657,
}

impl LineFormat {
    /// The format of CPython 3.`minor`.
    pub fn of(minor: u32) -> Self {
        match minor {
            0..=9 => Self::Lnotab,
            10 => Self::Pep626,
            _ => Self::Pep657,
        }
    }
}

/// The lines of one code object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineTable {
    first_line: u32,
    /// (first instruction behind the run, line); line 0 for instructions without one.
    runs: Vec<(u32, u32)>,
}

/// Instruction index of a frame that has not executed anything yet (`f_lasti == -1`).
pub const NOT_STARTED: u32 = u32::MAX;

impl LineTable {
    /// Decodes `table`; a damaged rest is left out, its instructions have no line.
    pub fn decode(format: LineFormat, table: &[u8], first_line: u32) -> Self {
        let mut decoded = Self { first_line, runs: Vec::new() };
        match format {
            LineFormat::Lnotab => decoded.add_lnotab(table),
            LineFormat::Pep626 => decoded.add_pep626(table),
            LineFormat::Pep657 => decoded.add_pep657(table),
        }
        decoded
    }

    /// Instructions up to `end` have `line`.
    fn add(&mut self, end: u32, line: u32) {
        match self.runs.last_mut() {
            Some(last) if last.1 == line => last.0 = end,
            _ => self.runs.push((end, line)),
        }
    }

    /// Lines change at the addresses named; the last one goes on to the end.
    fn add_lnotab(&mut self, table: &[u8]) {
        let mut line = i64::from(self.first_line);
        let mut end = 0_u32;
        for pair in table.chunks_exact(2) {
            end = end.saturating_add(u32::from(pair[0]));
            if pair[0] != 0 {
                self.add(end / 2, u32::try_from(line).unwrap_or(0));
            }
            line += i64::from(pair[1] as i8);
        }
        self.add(u32::MAX, u32::try_from(line).unwrap_or(0));
    }

    fn add_pep626(&mut self, table: &[u8]) {
        let mut line = i64::from(self.first_line);
        let mut end = 0_u32;
        for pair in table.chunks_exact(2) {
            let step = pair[1] as i8;
            line += if step == -128 { 0 } else { i64::from(step) };
            end = end.saturating_add(u32::from(pair[0]));
            if pair[0] != 0 {
                self.add(end / 2, if step == -128 { 0 } else { u32::try_from(line).unwrap_or(0) });
            }
        }
    }

    fn add_pep657(&mut self, table: &[u8]) {
        let mut bytes = table.iter().copied();
        let mut line = i64::from(self.first_line);
        let mut end = 0_u32;
        while let Some(first) = bytes.next() {
            let units = u32::from(first & 7) + 1;
            let delta = match (first >> 3) & 15 {
                // No location at all.
                15 => None,
                // Long form: line delta, end line delta, two columns.
                14 => {
                    let delta = signed_varint(&mut bytes);
                    for _ in 0..3 {
                        varint(&mut bytes);
                    }
                    Some(delta)
                }
                // A line without columns.
                13 => Some(signed_varint(&mut bytes)),
                // One line, 0 to 2 further than the last, two bytes of columns.
                code @ 10..=12 => {
                    bytes.nth(1);
                    Some(i64::from(code) - 10)
                }
                // Same line, columns in one byte.
                _ => {
                    bytes.next();
                    Some(0)
                }
            };
            line = line.saturating_add(delta.unwrap_or(0));
            let here = if delta.is_some() { u32::try_from(line).unwrap_or(0) } else { 0 };
            end = end.saturating_add(units);
            self.add(end, here);
        }
    }

    /// Line of the instruction at `instruction` (in units of two bytes), `None` where the compiler gave none.
    pub fn line(&self, instruction: u32) -> Option<u32> {
        if instruction == NOT_STARTED {
            return Some(self.first_line);
        }
        let run = self.runs.partition_point(|&(end, _)| end <= instruction);
        self.runs.get(run).map(|&(_, line)| line).filter(|&line| line > 0)
    }

    /// The same, but where the compiler gave none the line before, as memray has it; 0 behind the end.
    pub fn line_or_last(&self, instruction: u32) -> u32 {
        let run = self.runs.partition_point(|&(end, _)| end <= instruction);
        match self.runs.get(run) {
            None => 0,
            Some(&(_, 0)) => {
                self.runs[..run].iter().rev().map(|&(_, line)| line).find(|&line| line > 0).unwrap_or(self.first_line)
            }
            Some(&(_, line)) => line,
        }
    }
}

fn varint(bytes: &mut impl Iterator<Item = u8>) -> u64 {
    let mut value = 0_u64;
    let mut shift = 0_u32;
    for byte in bytes {
        value |= u64::from(byte & 63).checked_shl(shift).unwrap_or(0);
        shift = shift.saturating_add(6);
        if byte & 64 == 0 {
            break;
        }
    }
    value
}

fn signed_varint(bytes: &mut impl Iterator<Item = u8>) -> i64 {
    let value = varint(bytes);
    let magnitude = (value >> 1) as i64;
    if value & 1 == 0 { magnitude } else { -magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One code object per line, written by `fixtures/linetable.py` under the version named: name, first line, table in
    /// hex, line of each unit (`-` for none).
    const FIXTURES: [(u32, &str); 4] = [
        (8, include_str!("../../fixtures/linetable-3.8.tsv")),
        (10, include_str!("../../fixtures/linetable-3.10.tsv")),
        (11, include_str!("../../fixtures/linetable-3.11.tsv")),
        (13, include_str!("../../fixtures/linetable-3.13.tsv")),
    ];

    #[test]
    fn equals_cpython_on_every_instruction_of_its_own_library() {
        for (minor, fixture) in FIXTURES {
            let mut codes = 0;
            for row in fixture.lines().filter(|row| !row.starts_with('#')) {
                let fields: Vec<_> = row.split('\t').collect();
                let [name, first_line, table, lines] = fields[..] else { panic!("bad row `{row}`") };
                let table: Vec<_> = (0..table.len())
                    .step_by(2)
                    .map(|at| u8::from_str_radix(&table[at..at + 2], 16).expect("hex digits"))
                    .collect();
                let format = LineFormat::of(minor);
                let decoded = LineTable::decode(format, &table, first_line.parse().expect("a line"));
                for (unit, expected) in lines.split(' ').enumerate() {
                    assert_eq!(decoded.line(unit as u32), expected.parse().ok(), "3.{minor}, {name}, unit {unit}");
                }
                if format != LineFormat::Lnotab {
                    let units = lines.split(' ').count() as u32;
                    assert_eq!(decoded.line(units), None, "3.{minor}, {name}, behind the end");
                }
                codes += 1;
            }
            assert!(codes >= 100, "only {codes} code objects of 3.{minor}");
        }
    }

    #[test]
    fn every_truncation_and_garbage_decode_without_panic() {
        let table: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
        for format in [LineFormat::Lnotab, LineFormat::Pep626, LineFormat::Pep657] {
            for end in 0..table.len() {
                let decoded = LineTable::decode(format, &table[..end], 7);
                assert_eq!(decoded.line(NOT_STARTED), Some(7));
                decoded.line(3);
            }
            LineTable::decode(format, &[0xff; 64], u32::MAX).line(0);
        }
        assert_eq!(LineTable::decode(LineFormat::Pep657, &[0xff; 64], u32::MAX).line(0), None);
    }
}
