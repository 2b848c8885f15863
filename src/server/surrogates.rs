//! Halves of surrogate pairs in JSON texts.
//!
//! A JavaScript program that cuts a text within an emoji sends such a half as `\ud83d`. It is not a
//! character; Go decodes it as U+FFFD (`encoding/json`), and so do we.

use std::borrow::Cow;

/// How long an escaped unit of UTF-16 is: `\u0000`.
const ESCAPE: usize = 6;

/// A JSON text, known to be valid but for such halves, with U+FFFD in their places.
pub(super) fn without_halves(text: &str) -> Cow<'_, str> {
    if !["\\ud", "\\uD"].iter().any(|start| text.contains(start)) {
        return Cow::Borrowed(text);
    }
    let mut whole = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        whole.push_str(&rest[..at]);
        rest = &rest[at..];
        let (length, replacement) = match unit(rest) {
            None => (2, None),
            Some(0xd800..=0xdbff) => match rest.get(ESCAPE..).and_then(unit) {
                Some(0xdc00..=0xdfff) => (2 * ESCAPE, None),
                _ => (ESCAPE, Some("\\ufffd")),
            },
            Some(0xdc00..=0xdfff) => (ESCAPE, Some("\\ufffd")),
            Some(_) => (ESCAPE, None),
        };
        let Some((escape, after)) = rest.split_at_checked(length) else { break };
        whole.push_str(replacement.unwrap_or(escape));
        rest = after;
    }
    whole.push_str(rest);
    Cow::Owned(whole)
}

/// The unit of UTF-16 that a text begins with, escaped.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_become_replacement_characters() {
        for (text, whole) in [
            (r#""a\n\u0041""#, r#""a\n\u0041""#),
            (r#""\ud83d\ude00""#, r#""\ud83d\ude00""#),
            (r#""\ud83d""#, r#""\ufffd""#),
            (r#""\uD83D\n""#, r#""\ufffd\n""#),
            (r#""\ude00\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            (r#""\ud83d\ud83d\ude00""#, r#""\ufffd\ud83d\ude00""#),
            (r#""\\ud83d""#, r#""\\ud83d""#),
            (r#""\\\ud83dé""#, r#""\\\ufffdé""#),
        ] {
            assert_eq!(without_halves(text), whole);
            serde_json::from_str::<String>(whole).unwrap();
        }
    }
}
