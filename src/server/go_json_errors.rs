//! What Go's `encoding/json` says about a text that is not JSON.
//!
//! Clients and their tests know these messages. The scanner finds the end of the first value of a
//! body, as Go's `json.Decoder` does (what follows it is not looked at), without recursion and
//! without keeping anything but the kinds of the open brackets.

use std::fmt;

use crate::config::MAX_DEPTH;

/// Why a text does not begin with a JSON value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SyntaxError {
    /// Nothing but white space.
    #[error("missing request body")]
    Empty,
    /// The text ends within a value.
    #[error("unexpected EOF")]
    UnexpectedEnd,
    /// A byte that cannot stand where it stands.
    #[error("invalid character {} {context}", Quoted(*byte))]
    InvalidCharacter {
        /// The byte.
        byte: u8,
        /// Where it stands, in Go's words.
        context: String,
    },
    /// More than [`MAX_DEPTH`] brackets are open.
    #[error("exceeded max depth of {MAX_DEPTH} levels")]
    TooDeep,
}

/// A byte as Go quotes it in these messages: as the character of that number.
struct Quoted(u8);

impl fmt::Display for Quoted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            b'\'' => formatter.write_str(r"'\''"),
            b'"' => formatter.write_str(r#"'"'"#),
            b'\\' => formatter.write_str(r"'\\'"),
            b'\n' => formatter.write_str(r"'\n'"),
            b'\r' => formatter.write_str(r"'\r'"),
            b'\t' => formatter.write_str(r"'\t'"),
            0x07 => formatter.write_str(r"'\a'"),
            0x08 => formatter.write_str(r"'\b'"),
            0x0b => formatter.write_str(r"'\v'"),
            0x0c => formatter.write_str(r"'\f'"),
            byte @ (0..0x20 | 0x7f) => write!(formatter, r"'\x{byte:02x}'"),
            byte @ (0x80..=0xa0 | 0xad) => write!(formatter, r"'\u{byte:04x}'"),
            byte => write!(formatter, "'{}'", char::from(byte)),
        }
    }
}

/// The bytes of the first JSON value in `text`.
pub(super) fn first_value(text: &[u8]) -> Result<&[u8], SyntaxError> {
    let mut scanner = Scanner { text, at: 0 };
    scanner.skip_white_space();
    if scanner.at == text.len() {
        return Err(SyntaxError::Empty);
    }
    let start = scanner.at;
    scanner.value()?;
    Ok(&text[start..scanner.at])
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bracket {
    Object,
    Array,
}

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl Scanner<'_> {
    fn value(&mut self) -> Result<(), SyntaxError> {
        let mut open: Vec<Bracket> = Vec::new();
        loop {
            self.skip_white_space();
            let opened = match self.peek()? {
                b'{' => Some(Bracket::Object),
                b'[' => Some(Bracket::Array),
                _ => None,
            };
            if let Some(bracket) = opened {
                self.at += 1;
                if open.len() == MAX_DEPTH {
                    return Err(SyntaxError::TooDeep);
                }
                self.skip_white_space();
                match (bracket, self.peek()?) {
                    (Bracket::Object, b'}') | (Bracket::Array, b']') => self.at += 1,
                    (Bracket::Object, _) => {
                        self.key()?;
                        open.push(bracket);
                        continue;
                    }
                    (Bracket::Array, _) => {
                        open.push(bracket);
                        continue;
                    }
                }
            } else {
                self.scalar()?;
            }
            // A value has ended; close what ends with it, or go on to the next one.
            loop {
                let Some(bracket) = open.last().copied() else { return Ok(()) };
                self.skip_white_space();
                match (bracket, self.peek()?) {
                    (Bracket::Object, b'}') | (Bracket::Array, b']') => {
                        self.at += 1;
                        open.pop();
                    }
                    (Bracket::Object, b',') => {
                        self.at += 1;
                        self.skip_white_space();
                        self.peek()?;
                        self.key()?;
                        break;
                    }
                    (Bracket::Array, b',') => {
                        self.at += 1;
                        break;
                    }
                    (Bracket::Object, _) => return Err(self.invalid("after object key:value pair")),
                    (Bracket::Array, _) => return Err(self.invalid("after array element")),
                }
            }
        }
    }

    fn key(&mut self) -> Result<(), SyntaxError> {
        if self.peek()? != b'"' {
            return Err(self.invalid("looking for beginning of object key string"));
        }
        self.string()?;
        self.skip_white_space();
        if self.peek()? != b':' {
            return Err(self.invalid("after object key"));
        }
        self.at += 1;
        Ok(())
    }

    fn scalar(&mut self) -> Result<(), SyntaxError> {
        match self.peek()? {
            b'"' => self.string(),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            _ => Err(self.invalid("looking for beginning of value")),
        }
    }

    fn string(&mut self) -> Result<(), SyntaxError> {
        self.at += 1;
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Ok(());
                }
                b'\\' => {
                    self.at += 1;
                    self.escape()?;
                }
                0..0x20 => return Err(self.invalid("in string literal")),
                _ => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Result<(), SyntaxError> {
        match self.peek()? {
            b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => self.at += 1,
            b'u' => {
                self.at += 1;
                for _ in 0..4 {
                    if !self.peek()?.is_ascii_hexdigit() {
                        return Err(self.invalid("in \\u hexadecimal character escape"));
                    }
                    self.at += 1;
                }
            }
            _ => return Err(self.invalid("in string escape code")),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), SyntaxError> {
        if self.text[self.at] == b'-' {
            self.at += 1;
        }
        match self.peek()? {
            b'0' => self.at += 1,
            b'1'..=b'9' => self.skip_digits(),
            _ => return Err(self.invalid("in numeric literal")),
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if matches!(self.text.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek()?, b'+' | b'-') {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        Ok(())
    }

    fn digits(&mut self, context: &str) -> Result<(), SyntaxError> {
        if !self.peek()?.is_ascii_digit() {
            return Err(self.invalid(context));
        }
        self.skip_digits();
        Ok(())
    }

    fn skip_digits(&mut self) {
        while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }

    fn literal(&mut self, word: &str) -> Result<(), SyntaxError> {
        for expected in word.bytes() {
            if self.peek()? != expected {
                let context = format!("in literal {word} (expecting '{}')", char::from(expected));
                return Err(self.invalid(&context));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn skip_white_space(&mut self) {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Result<u8, SyntaxError> {
        self.text.get(self.at).copied().ok_or(SyntaxError::UnexpectedEnd)
    }

    fn invalid(&self, context: &str) -> SyntaxError {
        SyntaxError::InvalidCharacter { byte: self.text[self.at], context: context.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn messages_are_those_of_go() {
        let cases = [
            ("", "missing request body"),
            (" \n", "missing request body"),
            ("{bad", "invalid character 'b' looking for beginning of object key string"),
            (r#"{"model":"#, "unexpected EOF"),
            (r#"{"a" 1}"#, "invalid character '1' after object key"),
            (r#"{"a":1 "b"}"#, r#"invalid character '"' after object key:value pair"#),
            ("[1 2]", "invalid character '2' after array element"),
            ("[1,]", "invalid character ']' looking for beginning of value"),
            (r#"{"a":1,}"#, "invalid character '}' looking for beginning of object key string"),
            ("'a'", r"invalid character '\'' looking for beginning of value"),
            ("tru\u{e9}", "invalid character 'Ã' in literal true (expecting 'e')"),
            ("-x", "invalid character 'x' in numeric literal"),
            ("1.x", "invalid character 'x' after decimal point in numeric literal"),
            ("1e", "unexpected EOF"),
            ("\"a\nb\"", r"invalid character '\n' in string literal"),
            (r#""\x""#, "invalid character 'x' in string escape code"),
            (r#""\u12g4""#, "invalid character 'g' in \\u hexadecimal character escape"),
            ("\u{0}", r"invalid character '\x00' looking for beginning of value"),
        ];
        for (text, message) in cases {
            assert_eq!(first_value(text.as_bytes()).unwrap_err().to_string(), message, "{text}");
        }
    }

    #[test]
    fn what_follows_the_first_value_is_not_looked_at() {
        assert_eq!(
            first_value(br#" {"a":[{}, [], -1.5e+3]} garbage"#).unwrap(),
            br#"{"a":[{}, [], -1.5e+3]}"#
        );
    }

    #[test]
    fn depth_is_limited() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(first_value(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(first_value(nested(10_000).as_bytes()), Err(SyntaxError::TooDeep));
    }

    proptest! {
        #[test]
        fn accepts_what_serde_accepts(text in r#"[\[\]{}:,"a0-9. \\nue+-]{0,24}"#) {
            let ours = first_value(text.as_bytes());
            let mut theirs = serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>();
            match theirs.next() {
                Some(Ok(_)) => prop_assert!(ours.is_ok()),
                None => prop_assert_eq!(ours, Err(SyntaxError::Empty)),
                // serde_json refuses more: lone surrogates, numbers out of range, adjoining values.
                Some(Err(_)) => {}
            }
        }
    }
}
