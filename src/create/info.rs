//! The `info` of a request: values of the configuration that its sender knows better.
//!
//! Keys, types and messages: Ollama, `server/create.go`.

use serde_json::{Map, Value};

use super::prepare::LONGEST_SETTING;
use crate::model::ModelConfig;

/// What `info` sets; an empty text or 0 sets nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Info {
    capabilities: Vec<String>,
    model_family: String,
    base_name: String,
    quantization_level: String,
    parameter_size: String,
    context_length: u64,
    embedding_length: u64,
}

/// An `info` value of the wrong type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("info field {field:?} must be {expected}")]
pub struct InvalidInfo {
    field: &'static str,
    expected: &'static str,
}

impl Info {
    /// Reads the known keys; others are passed over.
    ///
    /// # Errors
    /// A known key holds a value of another type.
    pub fn parse(values: &Map<String, Value>) -> Result<Self, InvalidInfo> {
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
                let texts: Vec<_> =
                    items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect();
                if texts.iter().map(|text| text.len() + 1).sum::<usize>() > LONGEST_SETTING {
                    let expected = "a list of strings of at most 4096 bytes in all";
                    return Err(InvalidInfo { field: "capabilities", expected });
                }
                texts
            }
            Some(Value::Null) | None => Vec::new(),
            Some(_) => return Err(InvalidInfo { field: "capabilities", expected: "a list of strings" }),
        };
        Ok(Self {
            capabilities,
            model_family: text("model_family")?,
            base_name: text("base_name")?,
            quantization_level: text("quantization_level")?,
            parameter_size: text("parameter_size")?,
            context_length: number("context_length")?,
            embedding_length: number("embedding_length")?,
        })
    }

    /// Sets what it says in `config`.
    pub fn apply(&self, config: &mut ModelConfig) {
        let set = |field: &mut String, value: &str| {
            if !value.is_empty() {
                value.clone_into(field);
            }
        };
        config.capabilities.extend(self.capabilities.iter().cloned());
        if !self.model_family.is_empty() {
            config.model_families = Some(vec![self.model_family.clone()]);
        }
        set(&mut config.model_family, &self.model_family);
        set(&mut config.base_name, &self.base_name);
        set(&mut config.file_type, &self.quantization_level);
        set(&mut config.model_type, &self.parameter_size);
        if self.context_length > 0 {
            config.context_length = self.context_length;
        }
        if self.embedding_length > 0 {
            config.embedding_length = self.embedding_length;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(value: Value) -> Result<Info, String> {
        Info::parse(value.as_object().unwrap()).map_err(|error| error.to_string())
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
    fn values_override_the_configuration() {
        let info = parse(json!({
            "model_family": "llama", "context_length": 4096.0, "capabilities": ["tools"], "other": 1,
        }));
        let mut config = ModelConfig { file_type: "F16".into(), ..ModelConfig::default() };
        info.unwrap().apply(&mut config);
        assert_eq!(config.model_families, Some(vec!["llama".into()]));
        assert_eq!((config.context_length, config.file_type.as_str()), (4096, "F16"));
        assert_eq!(config.capabilities, ["tools"]);
    }
}
