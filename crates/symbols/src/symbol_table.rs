//! Functions by the symbol tables of a file: names without lines.

use object::{Object, ObjectSymbol, SymbolKind};

/// Symbols of code, sorted by address.
#[derive(Debug)]
pub(crate) struct SymbolTable<'a> {
    rows: Vec<(u64, u64, &'a str)>,
}

impl<'a> SymbolTable<'a> {
    /// `.symtab`, and `.dynsym` where that is missing.
    pub(crate) fn of(file: &object::File<'a>) -> Self {
        let mut rows: Vec<_> = file
            .symbols()
            .chain(file.dynamic_symbols())
            .filter(|symbol| symbol.is_definition() && symbol.kind() == SymbolKind::Text)
            .filter_map(|symbol| Some((symbol.address(), symbol.size(), symbol.name().ok()?)))
            .filter(|row| !row.2.is_empty())
            .collect();
        // Of several names for one function the shortest: aliases carry prefixes.
        rows.sort_by_key(|&(address, size, name)| (address, std::cmp::Reverse(size), name.len(), name));
        rows.dedup_by_key(|row| row.0);
        Self { rows }
    }

    /// The symbol that covers `address`. Symbols without a size (assembly) reach to the next one.
    pub(crate) fn find(&self, address: u64) -> Option<&'a str> {
        let at = self.rows.partition_point(|row| row.0 <= address).checked_sub(1)?;
        let (start, size, name) = self.rows[at];
        let end = match size {
            0 => self.rows.get(at + 1)?.0,
            size => start.saturating_add(size),
        };
        (address < end).then_some(name)
    }
}
