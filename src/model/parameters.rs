//! Run-time parameters stored with a model.
//!
//! Names and types: Ollama, `api/types.go` (`Options` and `Runner`), those of older versions among them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::go_json;

/// Parameters by name. Unknown names are allowed: newer runtimes know more.
pub type Parameters = BTreeMap<String, Value>;

/// What values a known parameter takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterKind {
    /// A whole number.
    Integer,
    /// A number.
    Float,
    /// `true` or `false`.
    Boolean,
    /// A list of strings; a Modelfile repeats the parameter.
    Strings,
}

/// A parameter whose value has another type than its name wants.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("parameters: \"{name}\" must be {expected}, not {got}")]
pub struct InvalidParameter {
    name: String,
    expected: &'static str,
    got: String,
}

const KNOWN: &[(&str, ParameterKind)] = {
    use ParameterKind::*;
    &[
        ("draft_num_predict", Integer),
        ("embedding_only", Boolean),
        ("f16_kv", Boolean),
        ("frequency_penalty", Float),
        ("logits_all", Boolean),
        ("low_vram", Boolean),
        ("main_gpu", Integer),
        ("min_p", Float),
        ("mirostat", Integer),
        ("mirostat_eta", Float),
        ("mirostat_tau", Float),
        ("num_batch", Integer),
        ("num_ctx", Integer),
        ("num_gpu", Integer),
        ("num_gqa", Integer),
        ("num_keep", Integer),
        ("num_predict", Integer),
        ("num_thread", Integer),
        ("numa", Boolean),
        ("penalize_newline", Boolean),
        ("presence_penalty", Float),
        ("repeat_last_n", Integer),
        ("repeat_penalty", Float),
        ("rope_frequency_base", Float),
        ("rope_frequency_scale", Float),
        ("seed", Integer),
        ("stop", Strings),
        ("temperature", Float),
        ("tfs_z", Float),
        ("top_k", Integer),
        ("top_p", Float),
        ("typical_p", Float),
        ("use_mlock", Boolean),
        ("use_mmap", Boolean),
        ("vocab_only", Boolean),
    ]
};

/// What values the parameter takes, if it is a known one.
pub fn parameter_kind(name: &str) -> Option<ParameterKind> {
    KNOWN.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
}

/// The names of all known parameters, sorted.
pub fn known_parameters() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|(name, _)| *name)
}

impl ParameterKind {
    /// The kind in words: `an integer`.
    pub fn description(self) -> &'static str {
        match self {
            ParameterKind::Integer => "an integer",
            ParameterKind::Float => "a number",
            ParameterKind::Boolean => "a boolean",
            ParameterKind::Strings => "a list of strings",
        }
    }

    fn accepts(self, value: &Value) -> bool {
        match self {
            // Clients of languages without integers send 2.0.
            ParameterKind::Integer => value.as_f64().is_some_and(|number| number.fract() == 0.0),
            ParameterKind::Float => value.is_number(),
            ParameterKind::Boolean => value.is_boolean(),
            ParameterKind::Strings => {
                value.is_string() || value.as_array().is_some_and(|items| items.iter().all(Value::is_string))
            }
        }
    }
}

/// Checks the types of all known parameters.
pub fn check_parameters(parameters: &Parameters) -> Result<(), InvalidParameter> {
    for (name, value) in parameters {
        if let Some(kind) = parameter_kind(name)
            && !kind.accepts(value)
        {
            let got = go_json::to_string(value);
            return Err(InvalidParameter { name: name.clone(), expected: kind.description(), got });
        }
    }
    Ok(())
}

/// The bytes of a parameters layer.
pub fn parameters_to_bytes(parameters: &Parameters) -> Vec<u8> {
    let as_go = |value| go_json::sorted(go_json::with_floats(value));
    let sorted: BTreeMap<_, _> =
        parameters.iter().map(|(name, value)| (name, as_go(value.clone()))).collect();
    go_json::to_line(&sorted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parameters(value: Value) -> Parameters {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_table_is_sorted() {
        assert!(KNOWN.is_sorted_by(|one, two| one.0 < two.0));
    }

    #[test]
    fn known_parameters_are_type_checked() {
        let good = json!({"temperature": 1, "num_ctx": 2.0, "stop": ["a"], "nonsense": {}, "use_mmap": true});
        assert_eq!(check_parameters(&parameters(good)), Ok(()));
        for bad in [
            json!({"temperature": "hot"}),
            json!({"num_ctx": 0.5}),
            json!({"stop": [1]}),
            json!({"use_mmap": 1}),
        ] {
            assert!(check_parameters(&parameters(bad)).is_err());
        }
        let error = check_parameters(&parameters(json!({"temperature": "hot"}))).unwrap_err();
        assert_eq!(error.to_string(), r#"parameters: "temperature" must be a number, not "hot""#);
    }

    /// The blob of this digest is in a recorded listing of a genuine store.
    #[test]
    fn bytes_are_those_of_a_recorded_blob() {
        use sha2::{Digest as _, Sha256};
        let bytes = parameters_to_bytes(&parameters(json!({"stop": ["<|im_start|>", "<|im_end|>"]})));
        let digest = hex::encode(Sha256::digest(bytes));
        assert_eq!(digest, "f02dd72bb2423204352eabc5637b44d79d17f109fdb510a7c51455892aa2d216");
    }
}
