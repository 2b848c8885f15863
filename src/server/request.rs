//! The bodies of requests, decoded as Go's `encoding/json` decodes them into Ollama's structures:
//! keys match in any letter case, `null` leaves a field unset, unknown fields are passed over, and a
//! value of the wrong type is an error with Go's message. The content type is not looked at.

use std::collections::BTreeMap;
use std::fmt;

use axum::body::Body;
use axum::http::HeaderMap;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::sync::OwnedSemaphorePermit;

use super::Shared;
use super::body::read_all;
use super::decode_error::DecodeError;
use super::errors::Failure;
use super::json_text::first_value;
use super::surrogates::without_halves;
use crate::config::LARGEST_TREE;
use crate::model::{go_json, tree_size};

/// The fields of a request as the text of their values: nobody decodes what nobody asks for.
pub(super) struct Fields {
    structure: &'static str,
    /// Those that have not been taken yet.
    members: Vec<(String, Box<RawValue>)>,
    /// Those that have been, under the names that they were asked for by.
    taken: Vec<(String, Box<RawValue>)>,
    /// That of a long body, which takes its memory until nobody needs the fields any more.
    _turn: Option<OwnedSemaphorePermit>,
}

impl Fields {
    /// Reads a body and decodes it into the request that Go calls `structure`.
    pub(super) async fn read(
        server: &Shared,
        headers: &HeaderMap,
        body: Body,
        structure: &'static str,
    ) -> Result<Self, Failure> {
        let (body, turn) = read_all(server, headers, body).await?;
        Self::decode(server, body, turn, structure).await
    }

    /// The same where nothing need be said: a body without a byte is an object without members.
    pub(super) async fn read_or_nothing(
        server: &Shared,
        headers: &HeaderMap,
        body: Body,
        structure: &'static str,
    ) -> Result<Self, Failure> {
        match read_all(server, headers, body).await? {
            (body, _) if body.is_empty() => {
                Ok(Self { structure, members: Vec::new(), taken: Vec::new(), _turn: None })
            }
            (body, turn) => Self::decode(server, body, turn, structure).await,
        }
    }

    async fn decode(
        server: &Shared,
        body: Vec<u8>,
        turn: Option<OwnedSemaphorePermit>,
        structure: &'static str,
    ) -> Result<Self, Failure> {
        let fields = match turn {
            None => Self::parse(&body, structure)?,
            // It takes a time in which others would have to wait.
            Some(_) => server.blocking(move || Self::parse(&body, structure)).await??,
        };
        Ok(Self { _turn: turn, ..fields })
    }

    fn parse(body: &[u8], structure: &'static str) -> Result<Self, DecodeError> {
        // Go replaces what is not UTF-8; it does not refuse it.
        let text = String::from_utf8_lossy(body);
        let text = first_value(&text)?;
        let got = tree_size(text);
        if got > LARGEST_TREE {
            return Err(DecodeError::TooMany { got });
        }
        let members = match go_kind(text) {
            "object" => {
                let Members(members) =
                    serde_json::from_str(&without_halves(text)).map_err(DecodeError::Unrepresentable)?;
                members
            }
            "null" => Vec::new(),
            got => return Err(DecodeError::NotAnObject { got, structure }),
        };
        Ok(Self { structure, members, taken: Vec::new(), _turn: None })
    }

    /// The fields of a request that was taken before, as [`request`](Self::request) told it.
    pub(super) fn again(request: &str, structure: &'static str) -> Result<Self, DecodeError> {
        Self::parse(request.as_bytes(), structure)
    }

    /// The request as JSON, as far as it was taken, but for what it says of the answer. What nobody asks for
    /// may be a secret.
    pub(super) fn request(&self) -> String {
        const OF_THE_ANSWER: [&str; 3] = ["stream", "detach", "dry_run"];
        let mut members: Vec<_> = self.taken.iter().collect();
        members.retain(|(field, _)| !OF_THE_ANSWER.contains(&field.as_str()));
        go_json::to_string(&Object(&members))
    }

    /// Has the request tell another value of a field that was taken.
    pub(super) fn retell(&mut self, field: &str, value: &str) {
        if let Ok(text) = RawValue::from_string(go_json::to_string(value)) {
            let taken = self.taken.iter_mut().filter(|(taken, _)| taken == field);
            taken.for_each(|(_, value)| value.clone_from(&text));
        }
    }

    /// The text of `field`'s value, or nothing if it is absent or `null`.
    fn text(&mut self, field: &str) -> Option<&RawValue> {
        let mut found = None;
        // The last of several wins, as in Go.
        for (_, value) in self.members.extract_if(.., |(key, _)| key.eq_ignore_ascii_case(field)) {
            if value.get() != "null" {
                found = Some(value);
            }
        }
        self.taken.push((field.to_owned(), found?));
        self.taken.last().map(|(_, value)| &**value)
    }

    /// Whether the value of `field` is a list.
    pub(super) fn is_list(&self, field: &str) -> bool {
        let mut values = self.members.iter().filter(|(key, _)| key.eq_ignore_ascii_case(field));
        values.next_back().is_some_and(|(_, value)| go_kind(value.get()) == "array")
    }

    /// Whether there is a value of `field` that nobody has asked for yet.
    pub(super) fn is_given(&self, field: &str) -> bool {
        self.members.iter().any(|(key, value)| key.eq_ignore_ascii_case(field) && value.get() != "null")
    }

    /// The value of `field`, or nothing if it is absent or `null`.
    pub(super) fn value(&mut self, field: &str) -> Result<Option<Value>, DecodeError> {
        self.text(field).map(|text| decoded(field, text)).transpose()
    }

    /// The value of `field`, which Go calls an `expected` and its text a `kind`, if it is there.
    fn value_of_kind(
        &mut self,
        field: &str,
        kind: &str,
        expected: &'static str,
    ) -> Result<Option<Value>, DecodeError> {
        match self.text(field) {
            None => Ok(None),
            Some(text) if go_kind(text.get()) == kind => decoded(field, text).map(Some),
            Some(text) => {
                let got = go_kind(text.get());
                Err(self.wrong(field, got, expected))
            }
        }
    }

    /// A string; empty if it is absent.
    pub(super) fn string(&mut self, field: &str) -> Result<String, DecodeError> {
        match self.value_of_kind(field, "string", "string")? {
            Some(Value::String(text)) => Ok(text),
            _ => Ok(String::new()),
        }
    }

    /// A truth value, if it is there.
    pub(super) fn boolean(&mut self, field: &str) -> Result<Option<bool>, DecodeError> {
        Ok(self.value_of_kind(field, "bool", "bool")?.and_then(|value| value.as_bool()))
    }

    /// An object, if it is there.
    pub(super) fn object(&mut self, field: &str) -> Result<Option<Map<String, Value>>, DecodeError> {
        match self.value_of_kind(field, "object", "map[string]interface {}")? {
            Some(Value::Object(members)) => Ok(Some(members)),
            _ => Ok(None),
        }
    }

    /// An object whose values are strings, if it is there.
    pub(super) fn strings(&mut self, field: &str) -> Result<Option<BTreeMap<String, String>>, DecodeError> {
        let Some(Value::Object(members)) = self.value_of_kind(field, "object", "map[string]string")? else {
            return Ok(None);
        };
        let mut strings = BTreeMap::new();
        for (key, value) in members {
            let text = match value {
                Value::Null => String::new(),
                Value::String(text) => text,
                other => return Err(self.wrong(field, go_kind(&other.to_string()), "string")),
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
        match self.value_of_kind(field, "array", go_type)? {
            None => Ok(Vec::new()),
            Some(list) => {
                let malformed = |reason| DecodeError::Malformed { field: field.to_owned(), reason };
                serde_json::from_value(list).map_err(malformed)
            }
        }
    }

    /// `model`, or its older name `name`.
    pub(super) fn model(&mut self) -> Result<String, DecodeError> {
        let model = self.string("model")?;
        let name = self.string("name")?;
        Ok(if model.is_empty() { name } else { model })
    }

    fn wrong(&self, field: &str, got: &'static str, expected: &'static str) -> DecodeError {
        DecodeError::WrongType { got, structure: self.structure, field: field.to_owned(), expected }
    }
}

/// An object of these members, in this order.
struct Object<'m>(&'m [&'m (String, Box<RawValue>)]);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

/// Decodes the value of a field.
fn decoded(field: &str, text: &RawValue) -> Result<Value, DecodeError> {
    let malformed = |reason| DecodeError::Malformed { field: field.to_owned(), reason };
    serde_json::from_str(text.get()).map_err(malformed)
}

/// The members of an object in their order, those of the same name included.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Members;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

/// What Go calls the value of a JSON text in its messages.
fn go_kind(text: &str) -> &'static str {
    match text.trim_start().bytes().next() {
        Some(b'n') => "null",
        Some(b't' | b'f') => "bool",
        Some(b'"') => "string",
        Some(b'[') => "array",
        Some(b'{') => "object",
        _ => "number",
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

    #[test]
    fn a_request_is_told_as_far_as_it_was_asked_for() {
        let text =
            r#"{"System": "a\u003cb", "password": "p", "stream": false, "name": null, "files": {"a": "b"}}"#;
        let mut fields = fields(text).unwrap();
        fields.model().unwrap();
        fields.boolean("stream").unwrap();
        fields.strings("files").unwrap();
        fields.string("system").unwrap();
        fields.retell("system", "c");
        let told = fields.request();
        assert_eq!(told, r#"{"files":{"a": "b"},"system":"c"}"#);
        assert_eq!(Fields::again(&told, "CreateRequest").unwrap().string("system").unwrap(), "c");
    }

    #[test]
    fn what_is_not_asked_for_is_not_decoded_and_all_of_it_has_a_limit() {
        let mut some = fields(r#"{"number": 1e999, "other": [1], "system": "\ud83d"}"#).unwrap();
        assert!(matches!(some.string("other"), Err(DecodeError::WrongType { got: "array", .. })));
        assert_eq!(some.string("system").unwrap(), "\u{fffd}");
        assert!(some.value("number").unwrap_err().to_string().starts_with("number: "));
        for values in ["0,".repeat(LARGEST_TREE / 100), "[],".repeat(LARGEST_TREE / 500)] {
            let error = fields(&format!(r#"{{"other": [{values}0]}}"#)).err();
            assert!(matches!(error, Some(DecodeError::TooMany { .. })), "{error:?}");
        }
    }
}
