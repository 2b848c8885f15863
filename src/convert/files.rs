//! The files of a checkpoint by name, and the JSON among them.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::ConvertError;
use crate::model::tree_size;
use crate::safetensors::NamedSource;

const CONFIGURATION: &str = "config.json";

/// What Mistral's own layout has in the place of it. It names no class: the file stands for it.
const PARAMETERS: &str = "params.json";

/// The longest text or vocabulary that is read, in bytes. The largest released one has a bit more than half.
const LARGEST: usize = 64 << 20;

/// The longest JSON file that is read as a tree of values, in bytes. Released configurations have about 1
/// MiB, and 5 with ten thousands of added tokens.
const LARGEST_TREE: usize = 16 << 20;

/// How much memory a tree of values may take for each byte of its file, and beyond that, in bytes. A list of
/// added tokens, the densest there is, takes eleven for each.
const TREE_FOR_A_BYTE: usize = 12;
const TREE_AT_LEAST: usize = 4 << 20;

/// The files that were given.
#[derive(Clone, Copy)]
pub(super) struct Files<'a> {
    sources: &'a [NamedSource<'a>],
}

impl<'a> Files<'a> {
    pub(super) fn new(sources: &'a [NamedSource<'a>]) -> Self {
        Self { sources }
    }

    pub(super) fn sources(&self) -> &'a [NamedSource<'a>] {
        self.sources
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.sources.iter().map(|source| source.name)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.names().any(|other| other == name)
    }

    /// A file that is read as a whole.
    pub(super) fn bytes(&self, name: &str) -> Result<Option<&'a [u8]>, ConvertError> {
        self.at_most(LARGEST, name)
    }

    fn at_most(&self, limit: usize, name: &str) -> Result<Option<&'a [u8]>, ConvertError> {
        match self.sources.iter().find(|source| source.name == name).map(|source| source.bytes) {
            Some(bytes) if bytes.len() > limit => {
                Err(ConvertError::TooLarge { file: name.to_owned(), length: bytes.len(), limit })
            }
            found => Ok(found),
        }
    }

    /// A text file without its byte order mark.
    pub(super) fn text(&self, name: &str) -> Result<Option<&'a str>, ConvertError> {
        let Some(bytes) = self.bytes(name)? else { return Ok(None) };
        let text = std::str::from_utf8(bytes).map_err(|_| ConvertError::Text { file: name.to_owned() })?;
        Ok(Some(text.strip_prefix('\u{feff}').unwrap_or(text)))
    }

    /// A JSON file; `NaN` and infinities, which Python writes, become null.
    pub(super) fn json(&self, name: &str) -> Result<Option<Value>, ConvertError> {
        self.at_most(LARGEST_TREE, name)?;
        let Some(text) = self.text(name)? else { return Ok(None) };
        if tree_size(text) > TREE_AT_LEAST + TREE_FOR_A_BYTE * text.len() {
            return Err(ConvertError::TooManyValues { file: name.to_owned() });
        }
        serde_json::from_str(&without_special_numbers(text))
            .map(Some)
            .map_err(|error| ConvertError::Json { file: name.to_owned(), reason: error.to_string() })
    }

    /// The configuration of the model, and the file that it is in.
    pub(super) fn configuration(&self) -> Result<(&'static str, Map<String, Value>), ConvertError> {
        let file = if !self.has(CONFIGURATION) && self.has(PARAMETERS) { PARAMETERS } else { CONFIGURATION };
        match self.json(file)? {
            Some(Value::Object(mut values)) => {
                if file == PARAMETERS {
                    values.insert("architectures".to_owned(), vec![PARAMETERS].into());
                }
                Ok((file, values))
            }
            Some(_) => {
                Err(ConvertError::Json { file: file.to_owned(), reason: "expected an object".to_owned() })
            }
            None => Err(ConvertError::MissingFile {
                file: CONFIGURATION,
                purpose: "it, or params.json in Mistral's own layout, says what kind of model the weights \
                          are",
            }),
        }
    }
}

/// Replaces the number literals that JSON does not have by `null`, outside of strings.
fn without_special_numbers(text: &str) -> Cow<'_, str> {
    const LITERALS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];
    if !LITERALS[1..].iter().any(|literal| text.contains(literal)) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    let mut in_string = false;
    while let Some(next) = rest.chars().next() {
        if !in_string && let Some(literal) = LITERALS.iter().find(|literal| rest.starts_with(**literal)) {
            clean.push_str("null");
            rest = &rest[literal.len()..];
            continue;
        }
        let mut length = next.len_utf8();
        match next {
            '"' => in_string = !in_string,
            '\\' if in_string => length += rest[1..].chars().next().map_or(0, char::len_utf8),
            _ => {}
        }
        clean.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    Cow::Owned(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_brackets_is_not_read() {
        let nested = format!("{{\"x\": [{}0]}}", "[[[[[[[[]]]]]]]],".repeat(10_000));
        let files = [NamedSource { name: "config.json", bytes: nested.as_bytes() }];
        let error = Files::new(&files).json("config.json").unwrap_err();
        assert!(matches!(error, ConvertError::TooManyValues { .. }), "{error}");
        // The smallest spelling of many added tokens.
        let token = |id: usize| {
            let flags =
                r#""lstrip":false,"normalized":false,"rstrip":false,"single_word":false,"special":true"#;
            format!(r#""{id}":{{"content":"{id}",{flags}}}"#)
        };
        let tokens: Vec<_> = (100_000..140_000).map(token).collect();
        let tokens = format!(r#"{{"added_tokens_decoder":{{{}}}}}"#, tokens.join(","));
        let files = [NamedSource { name: "tokenizer_config.json", bytes: tokens.as_bytes() }];
        assert!(Files::new(&files).json("tokenizer_config.json").unwrap().is_some());
    }

    #[test]
    fn what_is_longer_than_any_real_file_is_not_read() {
        let bytes = vec![b' '; LARGEST_TREE + 1];
        let sources = [NamedSource { name: "config.json", bytes: &bytes }];
        let files = Files::new(&sources);
        assert!(files.text("config.json").unwrap().is_some());
        let error = files.json("config.json").unwrap_err().to_string();
        assert_eq!(
            error,
            "config.json has 16777217 bytes, more than the 16777216 that are read; make it shorter"
        );
    }

    #[test]
    fn python_numbers_become_null_outside_of_strings() {
        let text = r#"{"a": [0.0, Infinity, -Infinity], "b": NaN, "c \" NaN": "Infinity \\"}"#;
        let clean = r#"{"a": [0.0, null, null], "b": null, "c \" NaN": "Infinity \\"}"#;
        assert_eq!(without_special_numbers(text), clean);
        assert!(matches!(without_special_numbers("{}"), Cow::Borrowed(_)));
        assert_eq!(without_special_numbers("\"NaN\\"), "\"NaN\\");
    }
}
