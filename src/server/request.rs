//! The bodies of requests, decoded as Go's `encoding/json` decodes them into Ollama's structures:
//! keys match in any letter case, `null` leaves a field unset, unknown fields are passed over, and a
//! value of the wrong type is an error with Go's message. The content type is not looked at.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::go_json_errors::{self, SyntaxError};

/// Why a body is not the request that it should be.
#[derive(Debug, thiserror::Error)]
pub(super) enum DecodeError {
    /// The text is no JSON.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// The text is JSON, but says something that cannot be represented.
    #[error("json: {0}")]
    Unrepresentable(serde_json::Error),
    /// The value is no object.
    #[error("json: cannot unmarshal {got} into Go value of type api.{structure}")]
    NotAnObject {
        /// What it is.
        got: &'static str,
        /// Go's name of the request.
        structure: &'static str,
    },
    /// A field has the wrong type.
    #[error("json: cannot unmarshal {got} into Go struct field {structure}.{field} of type {expected}")]
    WrongType {
        /// What it is.
        got: &'static str,
        /// Go's name of the request.
        structure: &'static str,
        /// The field's name.
        field: String,
        /// Go's name of the type wanted.
        expected: &'static str,
    },
    /// The field has the right type, but what is in it has not.
    #[error("{field}: {reason}")]
    Malformed {
        /// The field's name.
        field: &'static str,
        /// What is wrong.
        reason: serde_json::Error,
    },
}

/// The fields of a request that have not been taken yet.
pub(super) struct Fields {
    structure: &'static str,
    members: Map<String, Value>,
}

impl Fields {
    /// Decodes a body into the request that Go calls `structure`.
    pub(super) fn parse(body: &[u8], structure: &'static str) -> Result<Self, DecodeError> {
        let text = go_json_errors::first_value(body)?;
        // Go replaces what is not UTF-8; it does not refuse it.
        let text = String::from_utf8_lossy(text);
        match serde_json::from_str(&text).map_err(DecodeError::Unrepresentable)? {
            Value::Object(members) => Ok(Self { structure, members }),
            Value::Null => Ok(Self { structure, members: Map::new() }),
            other => Err(DecodeError::NotAnObject { got: go_kind(&other), structure }),
        }
    }

    /// The value of `field`, or nothing if it is absent or `null`.
    pub(super) fn value(&mut self, field: &str) -> Option<Value> {
        let mut found = None;
        // The last of several wins, as in Go.
        self.members.retain(|key, value| {
            let matches = key.eq_ignore_ascii_case(field);
            if matches && !value.is_null() {
                found = Some(value.take());
            }
            !matches
        });
        found
    }

    /// A string; empty if it is absent.
    pub(super) fn string(&mut self, field: &str) -> Result<String, DecodeError> {
        match self.value(field) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text),
            Some(other) => Err(self.wrong(field, &other, "string")),
        }
    }

    /// A truth value, if it is there.
    pub(super) fn boolean(&mut self, field: &str) -> Result<Option<bool>, DecodeError> {
        match self.value(field) {
            None => Ok(None),
            Some(Value::Bool(value)) => Ok(Some(value)),
            Some(other) => Err(self.wrong(field, &other, "bool")),
        }
    }

    /// An object, if it is there.
    pub(super) fn object(&mut self, field: &str) -> Result<Option<Map<String, Value>>, DecodeError> {
        match self.value(field) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(members)),
            Some(other) => Err(self.wrong(field, &other, "map[string]interface {}")),
        }
    }

    /// An object whose values are strings, if it is there.
    pub(super) fn strings(&mut self, field: &str) -> Result<Option<BTreeMap<String, String>>, DecodeError> {
        let members = match self.value(field) {
            None => return Ok(None),
            Some(Value::Object(members)) => members,
            Some(other) => return Err(self.wrong(field, &other, "map[string]string")),
        };
        let mut strings = BTreeMap::new();
        for (key, value) in members {
            let text = match value {
                Value::Null => String::new(),
                Value::String(text) => text,
                other => return Err(self.wrong(field, &other, "string")),
            };
            strings.insert(key, text);
        }
        Ok(Some(strings))
    }

    /// A list whose items are decoded by `serde`; empty if it is absent.
    pub(super) fn list<T: DeserializeOwned>(
        &mut self,
        field: &'static str,
        go_type: &'static str,
    ) -> Result<Vec<T>, DecodeError> {
        match self.value(field) {
            None => Ok(Vec::new()),
            Some(list @ Value::Array(_)) => {
                serde_json::from_value(list).map_err(|reason| DecodeError::Malformed { field, reason })
            }
            Some(other) => Err(self.wrong(field, &other, go_type)),
        }
    }

    /// `model`, or its older name `name`.
    pub(super) fn model(&mut self) -> Result<String, DecodeError> {
        let model = self.string("model")?;
        let name = self.string("name")?;
        Ok(if model.is_empty() { name } else { model })
    }

    fn wrong(&self, field: &str, got: &Value, expected: &'static str) -> DecodeError {
        DecodeError::WrongType {
            got: go_kind(got),
            structure: self.structure,
            field: field.to_owned(),
            expected,
        }
    }
}

/// What Go calls a JSON value in its messages.
fn go_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(text: &str) -> Result<Fields, DecodeError> {
        Fields::parse(text.as_bytes(), "CreateRequest")
    }

    #[test]
    fn wrong_types_are_told_in_the_words_of_go() {
        assert_eq!(
            fields("[]").err().map(|error| error.to_string()).as_deref(),
            Some("json: cannot unmarshal array into Go value of type api.CreateRequest")
        );
        let error = fields(r#"{"model": 5}"#).unwrap().string("model").unwrap_err();
        assert_eq!(
            error.to_string(),
            "json: cannot unmarshal number into Go struct field CreateRequest.model of type string"
        );
        assert!(fields(r#"{"files": {"a": 1}}"#).unwrap().strings("files").is_err());
        assert!(fields(r#"{"stream": "no"}"#).unwrap().boolean("stream").is_err());
    }

    #[test]
    fn keys_match_in_any_case_and_the_last_wins() {
        let mut fields = fields(r#"{"Model": "a", "MODEL": "b", "name": null, "other": {}}"#).unwrap();
        assert_eq!(fields.model().unwrap(), "b");
        assert_eq!(fields.string("name").unwrap(), "");
    }
}
