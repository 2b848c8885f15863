//! The license of a create request: one text, or several.

use serde_json::Value;

/// Why a license cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidLicense {
    /// There are more licenses than any model has.
    #[error("license must not be a list of more than {limit} texts, got {got}; join them")]
    TooMany { got: usize, limit: usize },
    /// It is neither a text nor a list of texts.
    #[error("license must be a string or a list of strings, got {got}")]
    Kind { got: &'static str },
}

/// Each is a layer, and a file that is open while the model is made.
const MOST: usize = 256;

/// The texts, each a layer of its own. An empty text alone is not a license.
///
/// # Errors
/// The value has another type, or lists too many.
pub(super) fn texts(license: Option<Value>) -> Result<Vec<String>, InvalidLicense> {
    match license {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(text)) if text.is_empty() => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text]),
        Some(Value::Array(items)) if items.len() > MOST => {
            Err(InvalidLicense::TooMany { got: items.len(), limit: MOST })
        }
        Some(Value::Array(items)) => items
            .into_iter()
            .map(|item| match item {
                Value::String(text) => Ok(text),
                other => Err(InvalidLicense::Kind { got: kind(&other, true) }),
            })
            .collect(),
        Some(other) => Err(InvalidLicense::Kind { got: kind(&other, false) }),
    }
}

fn kind(value: &Value, in_list: bool) -> &'static str {
    match (value, in_list) {
        (Value::Number(_), false) => "a number",
        (Value::Number(_), true) => "a list with a number",
        (Value::Bool(_), false) => "a boolean",
        (Value::Bool(_), true) => "a list with a boolean",
        (Value::Object(_), false) => "an object",
        (Value::Object(_), true) => "a list with an object",
        (_, true) => "a list with another list or null",
        (_, false) => "another value",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_text_or_a_list_of_texts() {
        assert_eq!(texts(Some(json!("MIT"))).unwrap(), ["MIT"]);
        assert_eq!(texts(Some(json!(["a", "b"]))).unwrap(), ["a", "b"]);
        assert!(texts(Some(json!(""))).unwrap().is_empty());
        assert!(texts(None).unwrap().is_empty());
        for bad in [json!(5), json!({"a": 1}), json!(["a", 5]), json!([["a"]]), json!(true)] {
            assert!(matches!(texts(Some(bad)), Err(InvalidLicense::Kind { .. })));
        }
    }
}
