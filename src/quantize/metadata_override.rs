//! Keys of the metadata that are set: `KEY=TYPE:VALUE`.
//!
//! Source: llama.cpp, `common/common.cpp`, `string_parse_kv_override`, and `src/llama-quant.cpp`. Values that
//! the reference takes for something else without a word (`int:abc` for zero, negative numbers for positive
//! ones) are refused here.

use crate::gguf::Value;

/// A key and what it is set to.
#[derive(Debug, Clone, PartialEq)]
pub struct MetadataOverride {
    /// The key.
    pub key: String,
    /// Its value.
    pub value: Value,
}

/// Why a text sets no key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} sets no key: {problem}")]
pub struct InvalidMetadataOverride {
    text: String,
    problem: &'static str,
}

/// Longer keys and texts do not fit into the reference's structures, in bytes.
const LONGEST: usize = 127;

impl std::str::FromStr for MetadataOverride {
    type Err = InvalidMetadataOverride;

    fn from_str(text: &str) -> Result<Self, InvalidMetadataOverride> {
        let wrong = |problem| InvalidMetadataOverride { text: text.chars().take(200).collect(), problem };
        let form = "expected KEY=TYPE:VALUE with int, float, bool or str for TYPE";
        let (key, typed) = text.split_once('=').ok_or_else(|| wrong(form))?;
        let (kind, value) = typed.split_once(':').ok_or_else(|| wrong(form))?;
        if key.is_empty() || key.len() > LONGEST {
            return Err(wrong("a key has 1 to 127 bytes"));
        }
        let value = match kind {
            // Stored so whatever the size.
            "int" => Value::U32(value.parse().map_err(|_| wrong("an int is a number from 0 to 4294967295"))?),
            "float" => {
                let number = value.parse::<f64>().ok().filter(|number| number.is_finite());
                Value::F32(number.ok_or_else(|| wrong("a float is a finite number"))? as f32)
            }
            "bool" => Value::Bool(value.parse().map_err(|_| wrong("a bool is true or false"))?),
            "str" if value.len() > LONGEST => return Err(wrong("a str has at most 127 bytes")),
            "str" => Value::String(value.to_owned()),
            _ => return Err(wrong(form)),
        };
        Ok(Self { key: key.to_owned(), value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_have_the_types_of_the_reference() {
        for (text, value) in [
            ("a=int:777", Value::U32(777)),
            ("a.b=float:1.5", Value::F32(1.5)),
            ("a=bool:true", Value::Bool(true)),
            ("a=str:x=y:z", "x=y:z".into()),
            ("a=str:", "".into()),
        ] {
            assert_eq!(text.parse::<MetadataOverride>().unwrap().value, value);
        }
    }

    #[test]
    fn what_sets_no_key_is_refused() {
        let (long_key, long_text) =
            (format!("{}=int:1", "k".repeat(128)), format!("a=str:{}", "x".repeat(128)));
        for text in [
            "a",
            "a=1",
            "=int:1",
            "a=int:x",
            "a=int:-1",
            "a=int:4294967296",
            "a=float:x",
            "a=float:inf",
            "a=bool:1",
        ] {
            assert!(text.parse::<MetadataOverride>().is_err(), "{text}");
        }
        assert!(long_key.parse::<MetadataOverride>().is_err());
        assert!(long_text.parse::<MetadataOverride>().unwrap_err().to_string().contains("at most 127 bytes"));
    }
}
