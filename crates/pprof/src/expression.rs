//! Regular expressions as Go's `regexp/syntax` reads them, in the words of Rust's `regex`.
//!
//! Go takes `{` without a count, `[` inside a class and `\Q…\E` literally, and knows only ASCII in `\w`, `\d`, `\s` and
//! `\b`; Rust refuses the first three or takes them otherwise (`[a&&b]`, `\<`).

use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

use regex::Regex;

/// Compiles an expression written for Go.
pub(crate) fn compile(text: &str) -> Result<Regex, regex::Error> {
    Regex::new(&translate(text))
}

/// Go's members of `\d`, `\s` and `\w`.
fn perl_class(letter: char) -> Option<&'static str> {
    match letter.to_ascii_lowercase() {
        'd' => Some("0-9"),
        's' => Some("\\t\\n\\f\\r "),
        'w' => Some("0-9A-Za-z_"),
        _ => None,
    }
}

fn translate(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut rest = text.chars().peekable();
    while let Some(letter) = rest.next() {
        match letter {
            '\\' => match rest.next() {
                Some('Q') => quoted(&mut rest, &mut out),
                Some(letter) => escape(letter, &mut rest, &mut out),
                None => out.push('\\'),
            },
            '[' => class(&mut rest, &mut out),
            '{' if !is_count(&rest) => out.push_str("\\{"),
            other => out.push(other),
        }
    }
    out
}

/// `\Q` has been read: all up to `\E` or the end is meant literally.
fn quoted(rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    while let Some(letter) = rest.next() {
        if letter == '\\' && rest.next_if_eq(&'E').is_some() {
            return;
        }
        literal(letter, out);
    }
}

fn literal(letter: char, out: &mut String) {
    if letter.is_ascii_alphanumeric() || !letter.is_ascii() {
        out.push(letter);
    } else {
        // Writing to a String cannot fail.
        let _ = write!(out, "\\x{:02x}", letter as u32);
    }
}

/// An escape outside of classes whose backslash and `letter` have been read.
fn escape(letter: char, rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    match (letter, perl_class(letter)) {
        (_, Some(members)) => {
            out.push_str(if letter.is_ascii_uppercase() { "[^" } else { "[" });
            out.push_str(members);
            out.push(']');
        }
        ('b', _) => out.push_str("(?-u:\\b)"),
        _ => character(letter, rest, out),
    }
}

/// An escape that is the same in and outside of classes.
fn character(letter: char, rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    match letter {
        // Octal: `\0` and up to two digits more; `\1` to `\7` need at least one more.
        '0'..='7' if letter == '0' || rest.peek().is_some_and(|next| matches!(next, '0'..='7')) => {
            let mut value = letter as u32 - u32::from(b'0');
            for _ in 0..2 {
                let Some(digit) = rest.next_if(|next| matches!(next, '0'..='7')) else { break };
                value = value * 8 + (digit as u32 - u32::from(b'0'));
            }
            let _ = write!(out, "\\x{{{value:x}}}");
        }
        // `\x{…}` and `\p{…}` keep their braces.
        'x' | 'p' | 'P' => {
            out.extend(['\\', letter]);
            if rest.next_if_eq(&'{').is_some() {
                out.push('{');
                while let Some(inner) = rest.next() {
                    out.push(inner);
                    if inner == '}' {
                        break;
                    }
                }
            }
        }
        letter if letter.is_ascii() && !letter.is_ascii_alphanumeric() => literal(letter, out),
        letter => out.extend(['\\', letter]),
    }
}

/// A class whose `[` has been read.
fn class(rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    out.push('[');
    if rest.next_if_eq(&'^').is_some() {
        out.push('^');
    }
    let mut first = true;
    while let Some(letter) = rest.next() {
        if letter == ']' && !first {
            out.push(']');
            return;
        }
        first = false;
        if letter == '[' && named_class(rest, out) {
            continue;
        }
        if letter == '\\'
            && let Some((members, name)) = rest.peek().and_then(|&name| Some((perl_class(name)?, name)))
        {
            rest.next();
            out.push_str(if name.is_ascii_uppercase() { "[^" } else { "[" });
            out.push_str(members);
            out.push(']');
            continue;
        }
        member(letter, rest, out);
        // `[a-]` is an `a` or a dash, `[a-z]` a range.
        let mut ahead = rest.clone();
        if ahead.next() == Some('-') && ahead.peek().is_some_and(|next| *next != ']') {
            rest.next();
            out.push('-');
            if let Some(last) = rest.next() {
                member(last, rest, out);
            }
        }
    }
}

fn member(letter: char, rest: &mut Peekable<Chars<'_>>, out: &mut String) {
    match letter {
        '\\' => match rest.next() {
            Some(letter) => character(letter, rest, out),
            None => out.push('\\'),
        },
        letter => literal(letter, out),
    }
}

/// `[:alpha:]`, whose first `[` has been read, is copied.
fn named_class(rest: &mut Peekable<Chars<'_>>, out: &mut String) -> bool {
    let ahead: String = rest.clone().take(12).collect();
    let Some(length) = ahead.strip_prefix(':').and_then(|name| name.find(":]")).map(|at| at + 3) else {
        return false;
    };
    out.push('[');
    out.extend(rest.by_ref().take(length));
    true
}

/// Whether what follows a `{` makes it a count: `{2}`, `{2,}`, `{2,3}`.
fn is_count(rest: &Peekable<Chars<'_>>) -> bool {
    let inner: String = rest.clone().take_while(|letter| *letter != '}').take(16).collect();
    let closed = rest.clone().nth(inner.chars().count()) == Some('}');
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    closed
        && match inner.split_once(',') {
            None => number(&inner),
            Some((least, most)) => number(least) && (most.is_empty() || number(most)),
        }
}

#[cfg(test)]
mod tests {
    use super::compile;

    #[test]
    fn takes_what_go_takes() {
        // What each matches and what not, as Go 1.26's `regexp` says.
        for (expression, matching, other) in [
            ("interface{}", "f(interface{})", "interface"),
            ("map[string]interface {}", "mapginterface {}", "map[string]interface {}"),
            (r"\Qa.b\E+", "a.bb", "axb"),
            (r"\Qmap[string]", "map[string]", "maps"),
            ("[[]", "[", "]"),
            ("[]a]", "]", "["),
            ("[^]a]", "b", "]"),
            ("[a&&b]", "&", "c"),
            ("[a~~b]", "~", "c"),
            ("[+--]", ",", "."),
            ("[a-]", "-", "b"),
            (r"[\w-]", "-", "é"),
            (r"[\W]", "é", "e"),
            ("[[:alpha:]0]", "0", "1"),
            ("[[:x]", ":", "y"),
            (r"\<init\>", "<init>", "init"),
            (r"a{,2}", "a{,2}", "aa"),
            (r"^a{2,3}$", "aaa", "a"),
            (r"^\w+$", "word_1", "wörter"),
            (r"\bb", "éb", "ab"),
            (r"^\x{41}\p{Greek}\101$", "AαA", "AaA"),
            (r"\_", "_", "a"),
            (r"(?i)F\.(a|B)", "f.b", "fxb"),
            ("é", "café", "cafe"),
        ] {
            let compiled = compile(expression).unwrap();
            assert!(compiled.is_match(matching), "{expression} {compiled}");
            assert!(!compiled.is_match(other), "{expression} {compiled}");
        }
        for wrong in ["(", "[", "[a", "a)", "*", r"\", r"\8", r"[b-a]", r"\x{41"] {
            assert!(compile(wrong).is_err(), "{wrong}");
        }
    }
}
