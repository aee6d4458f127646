//! What a name may say.

use std::borrow::Cow;

/// What stays wherever it stands: names that V8 gives to values of a few kinds, and files of installed packages, of
/// which a module cache has only strings.
pub(super) fn is_public(text: &str) -> bool {
    const MODULES: [&str; 5] = [".js", ".cjs", ".mjs", ".json", ".node"];
    let is_module = || {
        text.starts_with(['/', 'f'])
            && text.contains("/node_modules/")
            && MODULES.iter().any(|ending| text.ends_with(ending))
            && !text.contains(|character: char| character.is_whitespace() || character.is_control())
    };
    matches!(text, "bool" | "int" | "true" | "false") || is_module()
}

/// Whether `text` is how programs call properties; keys of another form are data.
pub(super) fn is_identifier(text: &str) -> bool {
    bare(text).chars().all(|character| character.is_alphanumeric() || matches!(character, '_' | '$' | '#' | '.'))
}

/// What stays of a name: nothing of one that looks like a secret, else all but the parts that carry data.
pub(super) fn name(text: &str) -> Cow<'_, str> {
    if looks_secret(text) {
        return "".into();
    }
    weak_map_entry(text).or_else(|| element(text)).or_else(|| address(text)).unwrap_or(text.into())
}

/// `12 / part of key (K @3) -> value (V @5) pair in WeakMap (table @7)`: V is the name of the value's node, for a string
/// what it says. The numbers stay, they tell which two edges belong together; so does K, as keys are never strings.
fn weak_map_entry(text: &str) -> Option<Cow<'_, str>> {
    const VALUE: &str = ") -> value (";
    let key = text.find(" / part of key (")?;
    let end = text.rfind(") pair in WeakMap (table @")?;
    let value = key + text[key..end].find(VALUE)? + VALUE.len();
    let id = value + text[value..end].rfind(" @")?;
    Some(format!("{}{}", &text[..value], &text[id..]).into())
}

/// `Detached <div id="x" class="y">`: attributes are data.
fn element(text: &str) -> Option<Cow<'_, str>> {
    let open = text.find('<').filter(|&open| matches!(&text[..open], "" | "Detached "))?;
    let tag = &text[open + 1..];
    let end = tag.find(|character: char| !character.is_ascii_alphanumeric() && character != '-')?;
    let is_element = tag[end..].starts_with(' ') && &tag[..end] != "symbol";
    is_element.then(|| format!("{}>", &text[..=open + end]).into())
}

/// Of an address of a script or page the user, the query and the fragment are data; of a `data:` address all is.
fn address(text: &str) -> Option<Cow<'_, str>> {
    if let Some(at) = text.find("data:") {
        let is_address = text[at..].contains(',') && (at == 0 || text[..at].ends_with(' '));
        return is_address.then(|| text[..at + "data:".len()].into());
    }
    let host = text.find("://")? + "://".len();
    let end = host + text[host..].find(['?', '#']).unwrap_or(text.len() - host);
    let path = host + text[host..end].find('/').unwrap_or(end - host);
    let user_end = text[host..path].rfind('@').map_or(host, |at| host + at + 1);
    (end < text.len() || user_end > host).then(|| format!("{}{}", &text[..host], &text[user_end..end]).into())
}

/// Tokens with a known beginning anywhere in a name, private keys, names that are a long run of letters and digits.
fn looks_secret(text: &str) -> bool {
    const BEGINNINGS: [&str; 9] =
        ["sk-", "sk_live_", "ghp_", "github_pat_", "glpat-", "xoxb-", "AKIA", "eyJhbGciOi", "-----BEGIN"];
    let begins_so = |part: &str| BEGINNINGS.iter().any(|beginning| part.starts_with(beginning));
    let text = bare(text);
    // Within a path, words such as `sk-toolbar` are none.
    let is_token = |part: &str| part.len() >= 16 && part.bytes().any(|byte| byte.is_ascii_digit()) && begins_so(part);
    let is_between = |character: char| !character.is_ascii_alphanumeric() && !matches!(character, '-' | '_');
    if begins_so(text) || text.split(is_between).any(is_token) {
        return true;
    }
    let is_run = text.len() >= 32
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_'));
    // Paths and names have few digits among their letters.
    is_run && text.bytes().filter(u8::is_ascii_digit).count() * 8 >= text.len()
}

/// A property's own name: symbols and accessors are written `<symbol x>`, `get x` and `set x`.
fn bare(text: &str) -> &str {
    let text = text.strip_prefix("get ").or_else(|| text.strip_prefix("set ")).unwrap_or(text);
    text.strip_prefix("<symbol ").and_then(|text| text.strip_suffix('>')).unwrap_or(text)
}
