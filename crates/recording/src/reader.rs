//! Reads a recording from bytes; trusts nothing in them.

use alloc::vec::Vec;
use core::fmt;
use core::mem::offset_of;

use crate::layout::{
    BUILD_ID_BYTES, CODE_HAS_LINES, COMMAND_LINE_BYTES, COMMAND_LINE_OFFSET, Code, DATA_OFFSET, DIRECTORY_OFFSET,
    Extent, Header, MAGIC, MAX_EXTENTS, Module, Node, Record, SIZE_CLASSES, SizeClass, Span, Table, Thread, VERSION,
};

/// Why bytes cannot be read as a recording at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// Does not start with the magic bytes.
    NotARecording,
    /// The layout is newer than this reader.
    TooNew {
        /// Version found.
        found: u32,
    },
    /// Ends before the tables start.
    TooShort {
        /// Length found.
        bytes: usize,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotARecording => write!(formatter, "expected a tracker recording, found other bytes at offset 0"),
            Self::TooNew { found } => {
                write!(formatter, "expected a recording of version {VERSION} or older, found version {found}")
            }
            Self::TooShort { bytes } => {
                write!(formatter, "expected at least {DATA_OFFSET} bytes of header, found end of file at byte {bytes}")
            }
        }
    }
}

impl core::error::Error for OpenError {}

/// What was left out while reading; the rest of the recording is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Warning {
    /// The file ends inside a table.
    Truncated {
        /// The table.
        table: Table,
        /// Rows (bytes for text) the header promises.
        expected: u64,
        /// Rows found.
        found: u64,
    },
    /// An extent names no known table or lies outside the file's sane range.
    BadExtent {
        /// Index in the directory.
        index: usize,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { table, expected, found } => {
                write!(formatter, "the recording is cut short: {found} of {expected} rows of {table:?} are there")
            }
            Self::BadExtent { index } => write!(formatter, "the recording is damaged: extent {index} was left out"),
        }
    }
}

/// A code object with its strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeView<'a> {
    /// Qualified name.
    pub name: &'a [u8],
    /// File as the interpreter names it.
    pub file: &'a [u8],
    /// Location table.
    pub line_table: &'a [u8],
    /// First line.
    pub first_line: u32,
    /// The nodes of this code hold lines, not instructions, and there is no location table.
    pub has_lines: bool,
}

/// A thread's row.
#[derive(Clone, Copy, Debug)]
pub struct ThreadView<'a> {
    /// Operating-system thread id of the latest thread in this row.
    pub tid: u32,
    /// How many threads used the row one after the other.
    pub uses: u32,
    /// Python's name, empty if unknown.
    pub name: &'a [u8],
    /// By size class.
    pub sizes: [SizeClass; SIZE_CLASSES],
}

/// A file of machine code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModuleView<'a> {
    /// Path as the loader named it.
    pub path: &'a [u8],
    /// Its build id, empty if it had none.
    pub build_id: &'a [u8],
    /// Where it was mapped: first byte and end.
    pub mapped: (u64, u64),
    /// What was added to the addresses in the file.
    pub bias: u64,
    /// Size and time of last change (nanoseconds since 1970) of a file without a build id, as far as they were known.
    pub file: Option<(u64, u64)>,
}

/// A recording over borrowed bytes. All getters are total: an index that is out of range yields `None` or a zero row.
#[derive(Clone, Debug)]
pub struct Recording<'a> {
    bytes: &'a [u8],
    tables: [TableView<'a>; Table::ALL.len()],
    warnings: Vec<Warning>,
}

/// The extents of one table, and how many rows of it are in use and present.
#[derive(Clone, Debug, Default)]
struct TableView<'a> {
    extents: Vec<(usize, &'a [u8])>,
    rows: usize,
}

impl<'a> Recording<'a> {
    /// Reads the header and the extent directory.
    pub fn open(bytes: &'a [u8]) -> Result<Self, OpenError> {
        if bytes.len() < MAGIC.len() || bytes[..MAGIC.len()] != MAGIC {
            return Err(OpenError::NotARecording);
        }
        if bytes.len() < DATA_OFFSET {
            return Err(OpenError::TooShort { bytes: bytes.len() });
        }
        let found = u32_at(bytes, offset_of!(Header, version));
        if found > VERSION {
            return Err(OpenError::TooNew { found });
        }
        let mut recording = Self { bytes, tables: Default::default(), warnings: Vec::new() };
        recording.read_directory();
        Ok(recording)
    }

    fn read_directory(&mut self) {
        let count = (u32_at(self.bytes, offset_of!(Header, extent_count)) as usize).min(MAX_EXTENTS);
        for index in 0..count {
            let at = DIRECTORY_OFFSET + index * size_of::<Extent>();
            let table = u32_at(self.bytes, at + offset_of!(Extent, table));
            let offset = u64_at(self.bytes, at + offset_of!(Extent, offset));
            let bytes = u64_at(self.bytes, at + offset_of!(Extent, bytes));
            let known = Table::ALL.iter().position(|known| *known as u32 == table);
            let (Some(slot), Some(end), true) = (known, offset.checked_add(bytes), offset >= DATA_OFFSET as u64) else {
                self.warnings.push(Warning::BadExtent { index });
                continue;
            };
            let length = self.bytes.len() as u64;
            let slice = &self.bytes[offset.min(length) as usize..end.min(length) as usize];
            let table = &mut self.tables[slot];
            let row_bytes = Table::ALL[slot].row_bytes();
            table.extents.push((table.rows, slice));
            table.rows += slice.len() / row_bytes;
            if slice.len() as u64 != bytes {
                // Rows behind a hole would get wrong ids: what follows a cut extent is left out.
                break;
            }
        }
        for (slot, table) in Table::ALL.into_iter().enumerate() {
            let expected = u64_at(self.bytes, table.used_offset());
            let found = self.tables[slot].rows as u64;
            if expected > found {
                self.warnings.push(Warning::Truncated { table, expected, found });
            }
            self.tables[slot].rows = found.min(expected) as usize;
        }
    }

    /// What could not be read.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// A 4-byte field of the header, by `offset_of!(Header, …)`.
    pub fn header_u32(&self, offset: usize) -> u32 {
        u32_at(self.bytes, offset)
    }

    /// An 8-byte field of the header, by `offset_of!(Header, …)`.
    pub fn header_u64(&self, offset: usize) -> u64 {
        u64_at(self.bytes, offset)
    }

    /// An 8-byte signed field of the header.
    pub fn header_i64(&self, offset: usize) -> i64 {
        self.header_u64(offset) as i64
    }

    /// Arguments of the process, cut after 3 KiB.
    pub fn command_line(&self) -> impl Iterator<Item = &'a [u8]> {
        let all = &self.bytes[COMMAND_LINE_OFFSET..COMMAND_LINE_OFFSET + COMMAND_LINE_BYTES];
        let end = all.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        all[..end].split(|&byte| byte == 0)
    }

    /// Number of rows of a table.
    pub fn rows(&self, table: Table) -> usize {
        self.tables[slot(table)].rows
    }

    /// Bytes of row `index` of a table, which may start in one extent only (rows never straddle extents).
    fn row(&self, table: Table, index: usize) -> Option<&'a [u8]> {
        let view = &self.tables[slot(table)];
        if index >= view.rows {
            return None;
        }
        let extent = view.extents.partition_point(|(first, _)| *first <= index) - 1;
        let (first, bytes) = view.extents[extent];
        let size = table.row_bytes();
        bytes.get((index - first) * size..(index - first + 1) * size)
    }

    /// A step of a stack; `None` for rows not in use, and for damaged ones (a parent that does not come before it).
    pub fn node(&self, index: u32) -> Option<Node> {
        let row = self.row(Table::Nodes, index as usize)?;
        let node = Node {
            parent: u32_at(row, offset_of!(Node, parent)),
            code: u32_at(row, offset_of!(Node, code)),
            instruction: u32_at(row, offset_of!(Node, instruction)),
            record: u32_at(row, offset_of!(Node, record)),
        };
        (node != Node::default() && (node.parent < index)).then_some(node)
    }

    /// All counters.
    pub fn records(&self) -> impl Iterator<Item = Record> + '_ {
        (0..self.rows(Table::Records)).filter_map(|index| self.record(index))
    }

    fn record(&self, index: usize) -> Option<Record> {
        let row = self.row(Table::Records, index)?;
        let record = Record {
            live_bytes: u64_at(row, offset_of!(Record, live_bytes)) as i64,
            live_count: u64_at(row, offset_of!(Record, live_count)) as i64,
            total_bytes: u64_at(row, offset_of!(Record, total_bytes)),
            total_count: u64_at(row, offset_of!(Record, total_count)),
            peak_bytes: u64_at(row, offset_of!(Record, peak_bytes)) as i64,
            peak_count: u64_at(row, offset_of!(Record, peak_count)) as i64,
            epoch: u64_at(row, offset_of!(Record, epoch)),
            node: u32_at(row, offset_of!(Record, node)),
            owner: u32_at(row, offset_of!(Record, owner)) as u16,
            kind: (u32_at(row, offset_of!(Record, owner)) >> 16) as u16,
        };
        (record.node != 0).then_some(record)
    }

    /// A code object.
    pub fn code(&self, index: u32) -> Option<CodeView<'a>> {
        let row = self.row(Table::Codes, index as usize)?;
        Some(CodeView {
            name: self.text(span_at(row, offset_of!(Code, name))),
            file: self.text(span_at(row, offset_of!(Code, file))),
            line_table: self.text(span_at(row, offset_of!(Code, line_table))),
            first_line: u32_at(row, offset_of!(Code, first_line)),
            has_lines: u32_at(row, offset_of!(Code, flags)) & CODE_HAS_LINES != 0,
        })
    }

    /// A file of machine code; `None` for row 0.
    pub fn module(&self, index: u32) -> Option<ModuleView<'a>> {
        let row = self.row(Table::Modules, index as usize).filter(|_| index != 0)?;
        let at = offset_of!(Module, build_id);
        let build_id_bytes = (u32_at(row, offset_of!(Module, build_id_bytes)) as usize).min(BUILD_ID_BYTES);
        let file_bytes = u64_at(row, offset_of!(Module, file_bytes));
        Some(ModuleView {
            path: self.text(span_at(row, offset_of!(Module, path))),
            build_id: &row[at..at + build_id_bytes],
            mapped: (u64_at(row, offset_of!(Module, start)), u64_at(row, offset_of!(Module, end))),
            bias: u64_at(row, offset_of!(Module, bias)),
            file: (file_bytes > 0).then(|| (file_bytes, u64_at(row, offset_of!(Module, file_modified_ns)))),
        })
    }

    /// Bytes of the text; empty when they are not there. A span never straddles extents.
    fn text(&self, span: Span) -> &'a [u8] {
        let view = &self.tables[slot(Table::Text)];
        let start = span.offset as usize;
        if span.bytes == 0 || start >= view.rows {
            return &[];
        }
        let extent = view.extents.partition_point(|(first, _)| *first <= start) - 1;
        let (first, bytes) = view.extents[extent];
        bytes.get(start - first..start - first + span.bytes as usize).unwrap_or(&[])
    }

    /// A thread's row; `None` for rows not in use.
    pub fn thread(&self, index: u32) -> Option<ThreadView<'a>> {
        let row = self.row(Table::Threads, index as usize)?;
        let tid = u32_at(row, offset_of!(Thread, tid));
        if tid == 0 {
            return None;
        }
        let name = &row[offset_of!(Thread, name)..offset_of!(Thread, name) + 64];
        let length = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
        let mut sizes = [SizeClass::default(); SIZE_CLASSES];
        for (class, size) in sizes.iter_mut().enumerate() {
            let at = offset_of!(Thread, sizes) + class * size_of::<SizeClass>();
            *size = SizeClass {
                total_bytes: u64_at(row, at),
                total_count: u64_at(row, at + 8),
                freed_bytes: u64_at(row, at + 16),
                freed_count: u64_at(row, at + 24),
            };
        }
        Some(ThreadView { tid, uses: u32_at(row, offset_of!(Thread, uses)), name: &name[..length], sizes })
    }

    /// The file's bytes, for [`crate::compact`].
    pub(crate) fn raw(&self) -> &'a [u8] {
        self.bytes
    }

    /// The part of each extent of `table` that is in use, in order.
    pub(crate) fn used_extents(&self, table: Table) -> impl Iterator<Item = &'a [u8]> + '_ {
        let view = &self.tables[slot(table)];
        let size = table.row_bytes();
        view.extents.iter().filter_map(move |&(first, bytes)| {
            let rows = view.rows.saturating_sub(first).min(bytes.len() / size);
            (rows > 0).then(|| &bytes[..rows * size])
        })
    }
}

fn slot(table: Table) -> usize {
    table as usize - 1
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |slice| u32::from_le_bytes([slice[0], slice[1], slice[2], slice[3]]))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

fn span_at(row: &[u8], at: usize) -> Span {
    Span { offset: u32_at(row, at), bytes: u32_at(row, at + 4) }
}
