//! The configuration blob of a model.
//!
//! Fields and their order: Ollama, `types/model/config.go`.

use serde::{Deserialize, Serialize};

use super::{go_json, layer_json};

/// No configuration is longer, in bytes. Ollama's own have a few hundred.
pub const LONGEST_CONFIG: usize = 1 << 20;

/// What a model's configuration blob says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelConfig {
    /// `gguf`, or empty for a model that lives elsewhere.
    pub model_format: String,
    /// The architecture of the model's weights.
    pub model_family: String,
    /// The architectures of all its weights and projectors.
    pub model_families: Option<Vec<String>>,
    /// The number of parameters for people: `134.52M`.
    pub model_type: String,
    /// The quantization for people: `Q4_K_M`.
    pub file_type: String,
    /// Name of the prompt renderer built into the runtime.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub renderer: String,
    /// Name of the output parser built into the runtime.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub parser: String,
    /// The oldest version of the runtime that can run the model.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub requires: String,
    /// Where a remote model lives.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remote_host: String,
    /// What a remote model is called there.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remote_model: String,
    /// What the model can do, where that was said and is not derived.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// The longest context, where that was said.
    #[serde(skip_serializing_if = "is_zero")]
    pub context_length: u64,
    /// The width of embeddings, where that was said.
    #[serde(skip_serializing_if = "is_zero")]
    pub embedding_length: u64,
    /// The name of the model that this one derives from.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub base_name: String,
    /// The draft model in the same manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draft: Option<serde_json::Value>,
    /// Always `amd64`; image registries want it.
    pub architecture: String,
    /// Always `linux`; image registries want it.
    pub os: String,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            model_format: String::new(),
            model_family: String::new(),
            model_families: None,
            model_type: String::new(),
            file_type: String::new(),
            renderer: String::new(),
            parser: String::new(),
            requires: String::new(),
            remote_host: String::new(),
            remote_model: String::new(),
            capabilities: Vec::new(),
            context_length: 0,
            embedding_length: 0,
            base_name: String::new(),
            draft: None,
            architecture: "amd64".to_owned(),
            os: "linux".to_owned(),
        }
    }
}

impl ModelConfig {
    /// The bytes of its blob.
    pub fn to_bytes(&self) -> Vec<u8> {
        go_json::to_line(self)
    }

    /// Parses the bytes of a configuration blob.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        layer_json(bytes)
    }
}

/// What Go's `omitempty` leaves out.
pub(crate) fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// A number of parameters for people: `135M`, `1.1B`, `134.52M`, `12K`.
///
/// Rounding is Ollama's (`format/format.go`, `HumanNumber`).
pub fn human_count(count: u64) -> String {
    const THOUSAND: u64 = 1_000;
    const MILLION: u64 = 1_000_000;
    const BILLION: u64 = 1_000_000_000;
    let scaled = |unit: u64| count as f64 / unit as f64;
    match count {
        BILLION.. if count.is_multiple_of(BILLION) => format!("{}B", count / BILLION),
        BILLION.. => format!("{:.1}B", scaled(BILLION)),
        MILLION.. if count.is_multiple_of(MILLION) => format!("{}M", count / MILLION),
        MILLION.. => format!("{:.2}M", scaled(MILLION)),
        THOUSAND.. => format!("{:.0}K", scaled(THOUSAND)),
        _ => count.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_rounded_for_people() {
        let cases = [
            (999, "999"),
            (12_345, "12K"),
            (2_000_000, "2M"),
            (134_515_008, "134.52M"),
            (1_100_048_384, "1.1B"),
        ];
        for (count, text) in cases {
            assert_eq!(human_count(count), text);
        }
    }

    /// The blob of this digest is in a recorded listing of a genuine store.
    #[test]
    fn bytes_are_those_of_a_recorded_blob() {
        use sha2::{Digest as _, Sha256};
        let config = ModelConfig {
            model_format: "gguf".into(),
            model_family: "llama".into(),
            model_families: Some(vec!["llama".into()]),
            model_type: "134.52M".into(),
            file_type: "F16".into(),
            ..ModelConfig::default()
        };
        let digest = hex::encode(Sha256::digest(config.to_bytes()));
        assert_eq!(digest, "cacc477d6ad4d50403ff24db33a7663e70a9bdb903a63fcc076ef0c59dbac1cc");
    }
}
