//! The part of Python's pickle format that snapshots of `tracemalloc` are made of, read without running anything.
//!
//! A pickle is a program for a stack machine that can call any function. This machine knows the opcodes that build
//! numbers, strings, tuples, lists and dictionaries, and objects of the classes it is told about; everything else is
//! refused where it stands. Values refer to each other by index, so a pickle that repeats itself (`x = (x, x)`) costs
//! what its bytes cost.
//!
//! Format: `Lib/pickletools.py` of CPython, protocols 2 to 5.

use std::collections::HashMap;

/// Why a pickle was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PickleError {
    /// The file ends in the middle.
    #[error("expected an opcode or its argument, found the end of the file at byte {at}")]
    CutShort {
        /// Where.
        at: usize,
    },
    /// An opcode that data does not need, or that calls something.
    #[error("expected an opcode that builds data, found 0x{opcode:02x} at byte {at}")]
    Opcode {
        /// Where.
        at: usize,
        /// Which one.
        opcode: u8,
    },
    /// A class other than those asked for.
    #[error("expected {expected}, found the class `{found}` at byte {at}")]
    Class {
        /// Where.
        at: usize,
        /// What may be there.
        expected: String,
        /// Its module and name.
        found: String,
    },
    /// Something that does not fit together.
    #[error("expected {expected} at byte {at}")]
    Shape {
        /// Where.
        at: usize,
        /// What was needed.
        expected: &'static str,
    },
}

/// A value; compound ones are indices into the tables of [`Pickle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An integer of at most 64 bits.
    Int(i64),
    /// A string: an index for [`Pickle::text`].
    Text(u32),
    /// A tuple: its first item and their number, for [`Pickle::items`].
    Tuple(u32, u32),
    /// A list, for [`Pickle::list`].
    List(u32),
    /// A dictionary, for [`Pickle::dictionary`].
    Dictionary(u32),
    /// A class, by its place among those asked for.
    Class(u8),
    /// An object, for [`Pickle::object`].
    Object(u32),
}

/// An object: its class and its state.
#[derive(Clone, Copy, Debug)]
pub struct Object {
    /// Place of its class among those asked for.
    pub class: u8,
    /// Its attributes, usually a dictionary.
    pub state: Value,
}

/// What a pickle describes.
#[derive(Debug)]
pub struct Pickle<'a> {
    /// The described value.
    pub root: Value,
    texts: Vec<&'a [u8]>,
    items: Vec<Value>,
    lists: Vec<Vec<Value>>,
    dictionaries: Vec<Vec<(Value, Value)>>,
    objects: Vec<Object>,
}

impl<'a> Pickle<'a> {
    /// Reads a pickle whose objects are of `classes` (`module.name`) alone.
    pub fn read(bytes: &'a [u8], classes: &[&str]) -> Result<Self, PickleError> {
        let empty = Self {
            root: Value::None,
            texts: Vec::new(),
            items: Vec::new(),
            lists: Vec::new(),
            dictionaries: Vec::new(),
            objects: Vec::new(),
        };
        Machine {
            bytes,
            at: 0,
            classes,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: Vec::new(),
            texts: HashMap::new(),
            pickle: empty,
        }
        .run()
    }

    /// A string's bytes: UTF-8, in which undecodable parts of file names are lone surrogates.
    pub fn text(&self, index: u32) -> &'a [u8] {
        self.texts[index as usize]
    }

    /// Number of strings.
    pub fn texts(&self) -> usize {
        self.texts.len()
    }

    /// The items of a tuple.
    pub fn items(&self, first: u32, length: u32) -> &[Value] {
        &self.items[first as usize..][..length as usize]
    }

    /// Number of items of all tuples together.
    pub fn all_items(&self) -> usize {
        self.items.len()
    }

    /// The items of a list.
    pub fn list(&self, index: u32) -> &[Value] {
        &self.lists[index as usize]
    }

    /// The entries of a dictionary in the order they were added.
    pub fn dictionary(&self, index: u32) -> &[(Value, Value)] {
        &self.dictionaries[index as usize]
    }

    /// An object.
    pub fn object(&self, index: u32) -> Object {
        self.objects[index as usize]
    }

    /// The last value of `key` among an object's attributes.
    pub fn attribute(&self, object: Object, key: &str) -> Option<Value> {
        let Value::Dictionary(state) = object.state else { return None };
        let is_key = |value: &Value| matches!(*value, Value::Text(text) if self.text(text) == key.as_bytes());
        self.dictionary(state).iter().rev().find(|(name, _)| is_key(name)).map(|&(_, value)| value)
    }
}

struct Machine<'a, 'c> {
    bytes: &'a [u8],
    at: usize,
    classes: &'c [&'c str],
    stack: Vec<Value>,
    /// Heights of the stack at the marks that are open.
    marks: Vec<usize>,
    memo: Vec<Option<Value>>,
    /// Equal strings are one, whether or not the writer remembered them.
    texts: HashMap<&'a [u8], u32>,
    pickle: Pickle<'a>,
}

impl<'a> Machine<'a, '_> {
    fn run(mut self) -> Result<Pickle<'a>, PickleError> {
        loop {
            let at = self.at;
            let [opcode] = self.array()?;
            match opcode {
                // PROTO
                0x80 => {
                    let [protocol] = self.array()?;
                    if !(2..=5).contains(&protocol) {
                        return Err(PickleError::Shape { at, expected: "a protocol from 2 to 5" });
                    }
                }
                // FRAME: only a hint for buffered reading.
                0x95 => drop(self.array::<8>()?),
                // MARK
                b'(' => self.marks.push(self.stack.len()),
                // STOP
                b'.' => {
                    self.pickle.root = self.pop()?;
                    return Ok(self.pickle);
                }
                b'N' => self.stack.push(Value::None),
                0x88 => self.stack.push(Value::Bool(true)),
                0x89 => self.stack.push(Value::Bool(false)),
                b'K' => {
                    let [value] = self.array()?;
                    self.stack.push(Value::Int(value.into()));
                }
                b'M' => {
                    let value = u16::from_le_bytes(self.array()?);
                    self.stack.push(Value::Int(value.into()));
                }
                b'J' => {
                    let value = i32::from_le_bytes(self.array()?);
                    self.stack.push(Value::Int(value.into()));
                }
                // LONG1
                0x8a => {
                    let [length] = self.array()?;
                    self.long(length.into())?;
                }
                // SHORT_BINUNICODE, BINUNICODE, BINUNICODE8
                0x8c => {
                    let [length] = self.array()?;
                    self.text(length.into())?;
                }
                b'X' => {
                    let length = u32::from_le_bytes(self.array()?);
                    self.text(length as usize)?;
                }
                0x8d => {
                    let length = u64::from_le_bytes(self.array()?);
                    self.text(usize::try_from(length).unwrap_or(usize::MAX))?;
                }
                b')' => self.tuple(self.stack.len())?,
                0x85..=0x87 => {
                    let length = usize::from(opcode - 0x84);
                    let first = self.stack.len().checked_sub(length).ok_or_else(|| self.shape("items of a tuple"))?;
                    self.tuple(first)?;
                }
                b't' => {
                    let first = self.mark()?;
                    self.tuple(first)?;
                }
                b']' => {
                    self.stack.push(Value::List(self.pickle.lists.len() as u32));
                    self.pickle.lists.push(Vec::new());
                }
                // APPEND, APPENDS
                b'a' => self.append(self.stack.len().saturating_sub(1))?,
                b'e' => {
                    let first = self.mark()?;
                    self.append(first)?;
                }
                b'}' => {
                    self.stack.push(Value::Dictionary(self.pickle.dictionaries.len() as u32));
                    self.pickle.dictionaries.push(Vec::new());
                }
                // SETITEM, SETITEMS
                b's' => self.set_items(self.stack.len().saturating_sub(2))?,
                b'u' => {
                    let first = self.mark()?;
                    self.set_items(first)?;
                }
                // GLOBAL
                b'c' => {
                    let (module, name) = (self.line()?, self.line()?);
                    self.class(at, module, name)?;
                }
                // STACK_GLOBAL
                0x93 => {
                    let (Value::Text(name), Value::Text(module)) = (self.pop()?, self.pop()?) else {
                        return Err(self.shape("the name of a class"));
                    };
                    let (module, name) = (self.pickle.text(module), self.pickle.text(name));
                    self.class(at, module, name)?;
                }
                // NEWOBJ, without arguments
                0x81 => {
                    let (Value::Tuple(_, 0), Value::Class(class)) = (self.pop()?, self.pop()?) else {
                        return Err(self.shape("a class to make an object of, without arguments"));
                    };
                    self.stack.push(Value::Object(self.pickle.objects.len() as u32));
                    self.pickle.objects.push(Object { class, state: Value::None });
                }
                // BUILD
                b'b' => {
                    let state = self.pop()?;
                    let Some(&Value::Object(object)) = self.stack.last() else {
                        return Err(self.shape("an object before its state"));
                    };
                    self.pickle.objects[object as usize].state = state;
                }
                // MEMOIZE, BINPUT, LONG_BINPUT
                0x94 => self.remember(self.memo.len())?,
                b'q' => {
                    let [index] = self.array()?;
                    self.remember(index.into())?;
                }
                b'r' => {
                    let index = u32::from_le_bytes(self.array()?);
                    self.remember(index as usize)?;
                }
                // BINGET, LONG_BINGET
                b'h' => {
                    let [index] = self.array()?;
                    self.recall(index.into())?;
                }
                b'j' => {
                    let index = u32::from_le_bytes(self.array()?);
                    self.recall(index as usize)?;
                }
                _ => return Err(PickleError::Opcode { at, opcode }),
            }
        }
    }

    fn shape(&self, expected: &'static str) -> PickleError {
        PickleError::Shape { at: self.at, expected }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], PickleError> {
        let rest = &self.bytes[self.at..];
        let found = rest.get(..length).ok_or(PickleError::CutShort { at: self.bytes.len() })?;
        self.at += length;
        Ok(found)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let rest = &self.bytes[self.at..];
        let found = *rest.first_chunk::<N>().ok_or(PickleError::CutShort { at: self.bytes.len() })?;
        self.at += N;
        Ok(found)
    }

    fn line(&mut self) -> Result<&'a [u8], PickleError> {
        let end = self.bytes[self.at..].iter().position(|&byte| byte == b'\n');
        let line = self.take(end.ok_or(PickleError::CutShort { at: self.bytes.len() })?)?;
        self.at += 1;
        Ok(line)
    }

    /// An integer of up to eight bytes.
    fn long(&mut self, length: usize) -> Result<(), PickleError> {
        if length > 8 {
            return Err(self.shape("an integer of at most 64 bits"));
        }
        let bytes = self.take(length)?;
        let is_negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut wide = [if is_negative { 0xff } else { 0 }; 8];
        wide[..length].copy_from_slice(bytes);
        self.stack.push(Value::Int(i64::from_le_bytes(wide)));
        Ok(())
    }

    fn text(&mut self, length: usize) -> Result<(), PickleError> {
        let bytes = self.take(length)?;
        let next = self.pickle.texts.len() as u32;
        let index = *self.texts.entry(bytes).or_insert(next);
        if index == next {
            self.pickle.texts.push(bytes);
        }
        self.stack.push(Value::Text(index));
        Ok(())
    }

    fn pop(&mut self) -> Result<Value, PickleError> {
        let is_open = self.marks.last().is_none_or(|&mark| mark < self.stack.len());
        is_open.then(|| self.stack.pop()).flatten().ok_or_else(|| self.shape("a value before this opcode"))
    }

    /// Closes the innermost mark; where its items start.
    fn mark(&mut self) -> Result<usize, PickleError> {
        let mark = self.marks.pop().ok_or_else(|| self.shape("a mark before this opcode"))?;
        if mark > self.stack.len() {
            return Err(self.shape("a mark below the values"));
        }
        Ok(mark)
    }

    fn tuple(&mut self, first: usize) -> Result<(), PickleError> {
        let (start, length) = (self.pickle.items.len(), self.stack.len() - first);
        if start + length > u32::MAX as usize {
            return Err(self.shape("fewer items"));
        }
        self.pickle.items.extend_from_slice(&self.stack[first..]);
        self.stack.truncate(first);
        self.stack.push(Value::Tuple(start as u32, length as u32));
        Ok(())
    }

    fn append(&mut self, first: usize) -> Result<(), PickleError> {
        let Some(Value::List(list)) = first.checked_sub(1).and_then(|below| self.stack.get(below)).copied() else {
            return Err(self.shape("a list before its items"));
        };
        self.pickle.lists[list as usize].extend_from_slice(&self.stack[first..]);
        self.stack.truncate(first);
        Ok(())
    }

    fn set_items(&mut self, first: usize) -> Result<(), PickleError> {
        let Some(Value::Dictionary(index)) = first.checked_sub(1).and_then(|below| self.stack.get(below)).copied()
        else {
            return Err(self.shape("a dictionary before its entries"));
        };
        let (pairs, []) = self.stack[first..].as_chunks::<2>() else {
            return Err(self.shape("keys with their values"));
        };
        self.pickle.dictionaries[index as usize].extend(pairs.iter().map(|&[key, value]| (key, value)));
        self.stack.truncate(first);
        Ok(())
    }

    fn class(&mut self, at: usize, module: &[u8], name: &[u8]) -> Result<(), PickleError> {
        let found = format!("{}.{}", String::from_utf8_lossy(module), String::from_utf8_lossy(name));
        let place = self.classes.iter().position(|class| *class == found);
        let Some(place) = place else {
            return Err(PickleError::Class { at, expected: self.classes.join(" or "), found });
        };
        self.stack.push(Value::Class(place as u8));
        Ok(())
    }

    fn remember(&mut self, index: usize) -> Result<(), PickleError> {
        let value = *self.stack.last().ok_or_else(|| self.shape("a value to remember"))?;
        // Writers count up; an index beyond the file's length would only make this table large.
        if index > self.bytes.len() {
            return Err(self.shape("a place in the memo within the file's length"));
        }
        if index >= self.memo.len() {
            self.memo.resize(index + 1, None);
        }
        self.memo[index] = Some(value);
        Ok(())
    }

    fn recall(&mut self, index: usize) -> Result<(), PickleError> {
        let value = self.memo.get(index).copied().flatten().ok_or_else(|| self.shape("a value in the memo"))?;
        self.stack.push(value);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Result<Pickle<'_>, PickleError> {
        Pickle::read(bytes, &["tracemalloc.Snapshot"])
    }

    #[test]
    fn builds_data_of_every_protocol() {
        // pickle.dumps([1, -2, 300, 70000, 2**40, "ä", None, True, (1,), {"a": 2}], protocol=2)
        let old = b"\x80\x02]q\x00(K\x01J\xfe\xff\xff\xffM\x2c\x01Jp\x11\x01\x00\x8a\x06\x00\x00\x00\x00\x00\x01X\x02\x00\x00\x00\xc3\xa4q\x01N\x88K\x01\x85q\x02}q\x03X\x01\x00\x00\x00aq\x04K\x02se.";
        let pickle = read(old).unwrap();
        let Value::List(list) = pickle.root else { panic!("{:?}", pickle.root) };
        let items = pickle.list(list);
        let ints: Vec<Value> = [1, -2, 300, 70_000, 1 << 40].map(Value::Int).into();
        assert_eq!(items[..5], ints);
        let (Value::Text(text), Value::Tuple(first, 1), Value::Dictionary(entries)) = (items[5], items[8], items[9])
        else {
            panic!("{items:?}")
        };
        assert_eq!(pickle.text(text), "ä".as_bytes());
        assert_eq!(pickle.items(first, 1), [Value::Int(1)]);
        assert_eq!(pickle.dictionary(entries).len(), 1);
    }

    #[test]
    fn refuses_what_runs_something() {
        // os.system("id"), the usual way.
        let hostile = b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R.";
        let error = read(hostile).unwrap_err();
        assert_eq!(error.to_string(), "expected tracemalloc.Snapshot, found the class `posix.system` at byte 17");
        let reduce = b"\x80\x04\x8c\x0btracemalloc\x8c\x08Snapshot\x93)R.";
        assert!(matches!(read(reduce), Err(PickleError::Opcode { opcode: b'R', .. })));
        for opcode in *b"RioPQIFLSTUVpg2dl01B\x82\x83\x84\x8b\x8e\x8f\x90\x91\x92\x96\x97\x98" {
            assert!(matches!(read(&[0x80, 4, opcode]), Err(PickleError::Opcode { .. })), "{opcode:#x}");
        }
    }

    #[test]
    fn bombs_cost_what_their_bytes_cost() {
        // x = (); fifty times x = (x, x): 2^50 when written out.
        let mut laughs = vec![0x80, 4, b')', 0x94];
        for index in 0..50 {
            laughs.extend([b'h', index, b'h', index, 0x86, 0x94]);
        }
        laughs.push(b'.');
        assert_eq!(read(&laughs).unwrap().all_items(), 100);
        assert!(read(b"\x80\x04Nr\xff\xff\xff\xff.").is_err());
        assert!(read(b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xff").is_err());
        assert!(read(b"\x80\x04\x8a\xff").is_err());
    }
}
