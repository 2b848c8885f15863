//! The first JSON value of a body. What follows it is not looked at, as with Go's `json.Decoder`.
//!
//! Those of Go's messages that clients are known to meet are kept word for word (`encoding/json`); what else
//! can be wrong with a text is said by the library that reads it.

use serde_json::value::RawValue;

use crate::config::MAX_DEPTH;

/// Why a text does not begin with a JSON value.
#[derive(Debug, thiserror::Error)]
pub(super) enum SyntaxError {
    #[error("missing request body")]
    Empty,
    #[error("unexpected EOF")]
    UnexpectedEnd,
    #[error("invalid character '{got}' looking for beginning of {expected}")]
    InvalidCharacter { got: char, expected: &'static str },
    #[error("the request is not JSON: {0}")]
    Other(serde_json::Error),
    #[error("exceeded max depth of {MAX_DEPTH} levels")]
    TooDeep,
}

/// The text of the first JSON value.
pub(super) fn first_value(text: &str) -> Result<&str, SyntaxError> {
    if is_too_deep(text) {
        return Err(SyntaxError::TooDeep);
    }
    match serde_json::Deserializer::from_str(text).into_iter::<&RawValue>().next() {
        None => Err(SyntaxError::Empty),
        Some(Ok(value)) => Ok(value.get()),
        Some(Err(error)) if error.is_eof() => Err(SyntaxError::UnexpectedEnd),
        Some(Err(error)) => Err(SyntaxError::of(text, error)),
    }
}

impl SyntaxError {
    fn of(text: &str, error: serde_json::Error) -> Self {
        let message = error.to_string();
        let expected = [("key must be a string", "object key string"), ("expected value", "value")];
        let expected = expected.iter().find(|(start, _)| message.starts_with(start));
        let line = text.split('\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
        let got = line.get(error.column().saturating_sub(1)..).and_then(|rest| rest.chars().next());
        match (expected, got) {
            (Some((_, expected)), Some(got)) => Self::InvalidCharacter { got, expected },
            _ => Self::Other(error),
        }
    }
}

/// Whether more brackets than may are open at once, before the first value ends.
fn is_too_deep(text: &str) -> bool {
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth <= 1 => return false,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        if depth > MAX_DEPTH {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_clients_know_are_those_of_go() {
        for (text, message) in [
            ("", "missing request body"),
            (" \n", "missing request body"),
            (r#"{"model":"#, "unexpected EOF"),
            ("{bad", "invalid character 'b' looking for beginning of object key string"),
            ("\n{\"a\": 1,\n x", "invalid character 'x' looking for beginning of object key string"),
            ("hello", "invalid character 'h' looking for beginning of value"),
            ("{\"a\": \u{e9}}", "invalid character '\u{e9}' looking for beginning of value"),
        ] {
            assert_eq!(first_value(text).unwrap_err().to_string(), message, "{text}");
        }
        let other = first_value(r#"{"a":1 "b"}"#).unwrap_err().to_string();
        assert!(other.starts_with("the request is not JSON: "), "{other}");
    }

    #[test]
    fn what_follows_the_first_value_is_not_looked_at() {
        let value = r#"{"a":[{}, "]\"}", -1.5e+3, "\ud83d"]}"#;
        assert_eq!(first_value(&format!(" {value} {}", "[".repeat(10_000))).unwrap(), value);
    }

    #[test]
    fn depth_is_limited() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(first_value(&nested(MAX_DEPTH)).is_ok());
        assert!(matches!(first_value(&nested(10_000)), Err(SyntaxError::TooDeep)));
    }
}
