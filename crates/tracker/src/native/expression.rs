//! DWARF expressions, as far as unwind tables of x86-64 use them: procedure linkage tables, signal frames, and functions
//! that align their stack anew.
//!
//! They are not run on registers but on what registers stand for, so that the result is a rule and not a number.

use super::cursor::Cursor;

/// What a value counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    Nothing,
    Stack,
    Frame,
    Cfa,
}

/// `from + offset`, or the word that lies there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) from: From,
    pub(super) offset: i64,
    pub(super) is_loaded: bool,
}

impl Value {
    pub(super) const fn new(from: From, offset: i64) -> Self {
        Self { from, offset, is_loaded: false }
    }

    fn number(self) -> Option<i64> {
        (self.from == From::Nothing && !self.is_loaded).then_some(self.offset)
    }
}

const DEPTH: usize = 8;

struct Stack {
    values: [Value; DEPTH],
    used: usize,
}

impl Stack {
    fn push(&mut self, value: Value) -> Option<()> {
        *self.values.get_mut(self.used)? = value;
        self.used += 1;
        Some(())
    }

    fn pop(&mut self) -> Option<Value> {
        self.used = self.used.checked_sub(1)?;
        Some(self.values[self.used])
    }

    /// Two numbers, combined.
    fn combine(&mut self, action: impl FnOnce(i64, i64) -> i64) -> Option<()> {
        let (right, left) = (self.pop()?.number()?, self.pop()?.number()?);
        self.push(Value::new(From::Nothing, action(left, right)))
    }
}

/// What the expression means at `address`; `first` lies on its stack to begin with. `None` for what is not understood.
pub(super) fn evaluate(mut code: Cursor, address: usize, first: Option<Value>) -> Option<Value> {
    let mut stack = Stack { values: [Value::new(From::Nothing, 0); DEPTH], used: 0 };
    if let Some(first) = first {
        stack.push(first)?;
    }
    while !code.is_at_end() {
        match code.u8()? {
            // deref
            0x06 => {
                let value = stack.pop()?;
                if value.is_loaded || value.from == From::Nothing {
                    return None;
                }
                stack.push(Value { is_loaded: true, ..value })?;
            }
            // const1u, const1s
            0x08 => stack.push(Value::new(From::Nothing, i64::from(code.u8()?)))?,
            0x09 => stack.push(Value::new(From::Nothing, i64::from(code.u8()? as i8)))?,
            // dup
            0x12 => {
                let value = stack.pop()?;
                stack.push(value)?;
                stack.push(value)?;
            }
            0x1A => stack.combine(|left, right| left & right)?,
            0x1C => stack.combine(i64::wrapping_sub)?,
            // plus
            0x22 => {
                let (right, left) = (stack.pop()?, stack.pop()?);
                let (value, number) = match (left.number(), right.number()) {
                    (_, Some(number)) => (left, number),
                    (Some(number), None) => (right, number),
                    (None, None) => return None,
                };
                if value.is_loaded {
                    return None;
                }
                stack.push(Value { offset: value.offset.wrapping_add(number), ..value })?;
            }
            // plus_uconst
            0x23 => {
                let value = stack.pop().filter(|value| !value.is_loaded)?;
                stack.push(Value { offset: value.offset.wrapping_add(code.unsigned()? as i64), ..value })?;
            }
            0x24 => stack.combine(|left, right| left.checked_shl(right as u32).unwrap_or(0))?,
            // ge
            0x2A => stack.combine(|left, right| i64::from(left >= right))?,
            literal @ 0x30..=0x4F => stack.push(Value::new(From::Nothing, i64::from(literal - 0x30)))?,
            // breg: rbp, rsp, rip
            0x76 => stack.push(Value::new(From::Frame, code.signed()?))?,
            0x77 => stack.push(Value::new(From::Stack, code.signed()?))?,
            0x80 => stack.push(Value::new(From::Nothing, (address as i64).wrapping_add(code.signed()?)))?,
            _ => return None,
        }
    }
    stack.pop()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linkage_tables_depend_on_where_in_the_entry() {
        // breg7 8; breg16 0; lit15; and; lit11; ge; lit3; shl; plus
        let code = [0x77, 8, 0x80, 0, 0x3F, 0x1A, 0x3B, 0x2A, 0x33, 0x24, 0x22];
        let at = |address| evaluate(Cursor::over(&code), address, None);
        assert_eq!(at(0x1000), Some(Value::new(From::Stack, 8)));
        assert_eq!(at(0x100B), Some(Value::new(From::Stack, 16)));
    }

    #[test]
    fn loads_one_word_and_refuses_the_rest() {
        let value = |code: &[u8]| evaluate(Cursor::over(code), 0, None);
        assert_eq!(value(&[0x76, 0x78, 0x06]), Some(Value { from: From::Frame, offset: -8, is_loaded: true }));
        for bad in [&[0x76, 0x78, 0x06, 0x06][..], &[0x22], &[0x06], &[0x70, 0], &[0x77], &[]] {
            assert_eq!(value(bad), None, "{bad:x?}");
        }
        let cfa = Value::new(From::Cfa, 0);
        assert_eq!(evaluate(Cursor::over(&[0x23, 16]), 0, Some(cfa)), Some(Value::new(From::Cfa, 16)));
    }
}
