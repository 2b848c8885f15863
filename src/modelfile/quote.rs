//! Values in and out of quotes.
//!
//! There is no escape character. A value is bare, or stands in `"..."` or `"""..."""`, and the closing quotes
//! are those at the end of a line; both may therefore contain quotes.

use crate::model::parameter_kind;

/// The value that `text` (without white space around it) stands for, or nothing while its quotes are open.
pub(super) fn unquoted(text: &str) -> Option<&str> {
    match opening(text) {
        Some(quote) => text.strip_prefix(quote)?.strip_suffix(quote),
        None => Some(text),
    }
}

/// The quotes that the text begins with.
pub(super) fn opening(text: &str) -> Option<&'static str> {
    ["\"\"\"", "\""].into_iter().find(|quote| text.starts_with(quote))
}

/// The value as it is written: bare where it can be, and in the quotes that Ollama would choose.
///
/// One kind of value cannot be written at all, in which a line other than the last ends in `"""`.
pub(super) fn quoted(value: &str) -> String {
    let bare = !value.contains(['\n', '\r']) && value.trim() == value && !value.starts_with('"');
    if bare {
        value.to_owned()
    } else if value.contains('"') {
        format!("\"\"\"{value}\"\"\"")
    } else {
        format!("\"{value}\"")
    }
}

/// A parameter's name as it is written: bare if it is known.
pub(super) fn quoted_name(name: &str) -> String {
    if parameter_kind(name).is_some() { name.to_owned() } else { format!("\"{name}\"") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_used_when_needed() {
        for (value, written) in [
            ("", ""),
            ("plain text", "plain text"),
            ("say \"hi\"", "say \"hi\""),
            (" padded ", "\" padded \""),
            ("two\nlines", "\"two\nlines\""),
            ("two\n\"lines\"", "\"\"\"two\n\"lines\"\"\"\""),
            ("\"quoted\"", "\"\"\"\"quoted\"\"\"\""),
            ("\t", "\"\t\""),
        ] {
            assert_eq!(quoted(value), written);
            assert_eq!(unquoted(written), Some(value));
        }
    }

    #[test]
    fn open_quotes_have_no_value() {
        for open in ["\"", "\"a", "\"\"\"", "\"\"\"\"", "\"\"\"\"\"", "\"\"\"a\"\"", "\"a\" b"] {
            assert_eq!(unquoted(open), None, "{open}");
        }
    }
}
