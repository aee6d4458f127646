//! Names as people write them.

/// The demangled form of a C++ or Rust symbol; any other name as it is. Rust's hashes are left out.
pub(crate) fn demangle(name: &str) -> String {
    if let Ok(rust) = rustc_demangle::try_demangle(name) {
        return format!("{rust:#}");
    }
    if name.starts_with("_Z")
        && let Ok(symbol) = cpp_demangle::Symbol::new(name)
        && let Ok(text) = symbol.demangle()
    {
        return text;
    }
    // Versions of dynamic symbols are no part of their names.
    name.split_once("@@").map_or(name, |(name, _)| name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::demangle;

    #[test]
    fn knows_rust_and_cpp_and_leaves_c_alone() {
        assert_eq!(demangle("_ZN4core3fmt9Formatter3pad17h0123456789abcdefE"), "core::fmt::Formatter::pad");
        assert_eq!(demangle("_RNvC6_123foo3bar"), "123foo::bar");
        assert_eq!(demangle("_ZN5shape6Circle4growEi"), "shape::Circle::grow(int)");
        assert_eq!(demangle("PyDict_New"), "PyDict_New");
        assert_eq!(demangle("_Zonk"), "_Zonk");
    }
}
