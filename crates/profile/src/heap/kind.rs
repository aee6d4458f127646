//! The vocabulary of nodes and edges that all runtimes share.

macro_rules! kinds {
    ($(#[$doc:meta])* $name:ident, $other:literal: $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
            /// A kind this version has no word for.
            Other,
        }

        impl $name {
            /// The kind called `text` in heap files.
            pub fn from_name(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)*
                    _ => Self::Other,
                }
            }

            /// What heap files call this kind.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                    Self::Other => $other,
                }
            }
        }
    };
}

kinds! {
    /// What an object is, seen from the runtime.
    NodeKind, "other":
    /// Internal to the runtime.
    Hidden = "hidden",
    /// A backing array of the runtime (elements, hash tables, property storage).
    Array = "array",
    /// A string.
    String = "string",
    /// An object of the program.
    Object = "object",
    /// Compiled code, scripts, source positions.
    Code = "code",
    /// A function with what it closes over.
    Closure = "closure",
    /// A regular expression.
    RegExp = "regexp",
    /// A boxed number.
    Number = "number",
    /// Memory outside the managed heap.
    Native = "native",
    /// A root or group that the writer made up.
    Synthetic = "synthetic",
    /// A string that is the concatenation of two others.
    ConsString = "concatenated string",
    /// A string that is a part of another.
    SlicedString = "sliced string",
    /// A symbol.
    Symbol = "symbol",
    /// A big integer.
    BigInt = "bigint",
    /// A hidden class, or a part of one.
    Shape = "object shape",
    /// An object of a WebAssembly module.
    Wasm = "wasm object",
}

kinds! {
    /// How one object refers to another.
    EdgeKind, "invisible":
    /// A variable of a function's context; named.
    Context = "context",
    /// An element of an array; numbered.
    Element = "element",
    /// A property; named.
    Property = "property",
    /// A reference of the runtime; named.
    Internal = "internal",
    /// A reference the runtime hides; numbered.
    Hidden = "hidden",
    /// A shortcut from the root to the program's global objects; named.
    Shortcut = "shortcut",
    /// A reference that keeps nothing alive; named.
    Weak = "weak",
}

impl EdgeKind {
    /// Every kind by its number in three bits.
    pub const ALL: [Self; 8] = [
        Self::Context,
        Self::Element,
        Self::Property,
        Self::Internal,
        Self::Hidden,
        Self::Shortcut,
        Self::Weak,
        Self::Other,
    ];

    /// True when an edge of this kind carries a number in place of a name.
    pub fn is_numbered(self) -> bool {
        matches!(self, Self::Element | Self::Hidden)
    }
}
