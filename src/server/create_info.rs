//! The `info` of a create request.
//!
//! Keys, types and messages: Ollama, `server/create.go`.

use serde_json::{Map, Value};

use crate::create::{Info, LONGEST_SETTING};

/// An `info` value of the wrong type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("info field {field:?} must be {expected}")]
pub(super) struct InvalidInfo {
    field: &'static str,
    expected: &'static str,
}

/// Reads the known keys; others are passed over.
///
/// # Errors
/// A known key holds a value of another type.
pub(super) fn info(values: &Map<String, Value>) -> Result<Info, InvalidInfo> {
    let text = |field: &'static str| match values.get(field) {
        None => Ok(String::new()),
        Some(Value::String(text)) if text.len() <= LONGEST_SETTING => Ok(text.clone()),
        Some(Value::String(_)) => Err(InvalidInfo { field, expected: "a string of at most 4096 bytes" }),
        Some(_) => Err(InvalidInfo { field, expected: "a string" }),
    };
    let number = |field: &'static str| match values.get(field) {
        None => Ok(0),
        Some(Value::Number(number)) => {
            let value = number.as_f64().unwrap_or(-1.0);
            // Two to the power of 63; the conversion below is exact for what passes.
            if value < 0.0 || value.fract() != 0.0 || value >= 9_223_372_036_854_775_808.0 {
                return Err(InvalidInfo { field, expected: "a non-negative integer" });
            }
            Ok(number.as_u64().unwrap_or(value as u64))
        }
        Some(_) => Err(InvalidInfo { field, expected: "a number" }),
    };
    let capabilities = match values.get("capabilities") {
        Some(Value::Array(items)) => {
            let texts: Vec<_> = items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect();
            if texts.iter().map(|text| text.len() + 1).sum::<usize>() > LONGEST_SETTING {
                let expected = "a list of strings of at most 4096 bytes in all";
                return Err(InvalidInfo { field: "capabilities", expected });
            }
            texts
        }
        Some(Value::Null) | None => Vec::new(),
        Some(_) => return Err(InvalidInfo { field: "capabilities", expected: "a list of strings" }),
    };
    Ok(Info {
        capabilities,
        model_family: text("model_family")?,
        base_name: text("base_name")?,
        quantization_level: text("quantization_level")?,
        parameter_size: text("parameter_size")?,
        context_length: number("context_length")?,
        embedding_length: number("embedding_length")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(value: Value) -> Result<Info, String> {
        info(value.as_object().unwrap()).map_err(|error| error.to_string())
    }

    #[test]
    fn types_are_checked() {
        let cases = [
            (json!({"model_family": 5}), r#"info field "model_family" must be a string"#),
            (json!({"context_length": "5"}), r#"info field "context_length" must be a number"#),
            (json!({"context_length": 1.5}), r#"info field "context_length" must be a non-negative integer"#),
            (
                json!({"embedding_length": -1}),
                r#"info field "embedding_length" must be a non-negative integer"#,
            ),
            (json!({"capabilities": "tools"}), r#"info field "capabilities" must be a list of strings"#),
        ];
        for (value, message) in cases {
            assert_eq!(parse(value).unwrap_err(), message);
        }
    }

    #[test]
    fn whole_floats_are_numbers_and_other_keys_are_passed_over() {
        let info = parse(json!({"context_length": 4096.0, "capabilities": ["tools"], "other": 1}));
        let expected = Info { context_length: 4096, capabilities: vec!["tools".into()], ..Info::default() };
        assert_eq!(info, Ok(expected));
    }
}
