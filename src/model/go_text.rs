//! Go's view of characters: which are letters, which are printable, and how `%q` and `%#U` show them.
//!
//! Go's classes are Unicode general categories (`unicode.IsLetter` is `L`, `IsDigit` is `Nd`), which are
//! narrower than those of `char`. The tables here are of Unicode 16 and Go 1.27's of Unicode 17, so a letter
//! assigned in 2025 is still unknown.

use std::fmt::Write as _;
use std::sync::LazyLock;

use regex::Regex;

static WORD: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^[\p{L}\p{Nd}]$").expect("a valid pattern"));
static PRINTABLE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^[\p{L}\p{M}\p{N}\p{P}\p{S}]$").expect("a valid pattern"));

/// Whether a name may contain `c`.
pub(crate) fn is_word(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphanumeric() || c == '_' } else { matches(&WORD, c) }
}

/// Whether `c` is shown as itself.
pub(crate) fn is_printable(c: char) -> bool {
    if c.is_ascii() { (' '..='~').contains(&c) } else { matches(&PRINTABLE, c) }
}

fn matches(class: &Regex, c: char) -> bool {
    class.is_match(c.encode_utf8(&mut [0; 4]))
}

/// `%q`: the text as a Go string literal.
pub(crate) fn quoted(text: &str) -> String {
    quoted_bytes(text.as_bytes())
}

/// `%q` of bytes that need not be UTF-8.
pub(crate) fn quoted_bytes(bytes: &[u8]) -> String {
    let mut out = String::from('"');
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|c| push_escaped(&mut out, c));
        for byte in chunk.invalid() {
            push_hex(&mut out, u32::from(*byte), 'x', 2);
        }
    }
    out.push('"');
    out
}

fn push_escaped(out: &mut String, c: char) {
    match c {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        _ if is_printable(c) => out.push(c),
        '\x07' => out.push_str("\\a"),
        '\x08' => out.push_str("\\b"),
        '\x0c' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\x0b' => out.push_str("\\v"),
        _ if c.is_ascii() => push_hex(out, u32::from(c), 'x', 2),
        _ if u32::from(c) < 0x1_0000 => push_hex(out, u32::from(c), 'u', 4),
        _ => push_hex(out, u32::from(c), 'U', 8),
    }
}

fn push_hex(out: &mut String, value: u32, letter: char, width: usize) {
    write!(out, "\\{letter}{value:0width$x}").expect("writing to a string");
}

/// `%#U`: the code point and, if it can be shown, the character.
pub(crate) fn code_point(c: char) -> String {
    let number = format!("U+{:04X}", u32::from(c));
    if is_printable(c) { format!("{number} '{c}'") } else { number }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_shown_as_go_shows_them() {
        assert_eq!(
            quoted("a\"\\\n\x01é\u{a0}\u{e000}\u{fffd}"),
            "\"a\\\"\\\\\\n\\x01é\\u00a0\\ue000\u{fffd}\""
        );
        assert_eq!(quoted_bytes(b"a\xff"), r#""a\xff""#);
        assert_eq!(code_point('!'), "U+0021 '!'");
        assert_eq!(code_point('\u{a0}'), "U+00A0");
    }
}
