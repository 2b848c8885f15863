//! Values of the configuration that the sender of a request knows better.
//!
//! Source: Ollama, `server/create.go`.

use serde::{Deserialize, Serialize};

use crate::model::ModelConfig;

/// What is set; an empty text or 0 sets nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Info {
    /// What the model can do beyond what its files tell.
    pub capabilities: Vec<String>,
    /// The family of the architecture.
    pub model_family: String,
    /// The model that it derives from.
    pub base_name: String,
    /// The quantization, for people.
    pub quantization_level: String,
    /// The number of weights, for people.
    pub parameter_size: String,
    /// The longest context.
    pub context_length: u64,
    /// The width of embeddings.
    pub embedding_length: u64,
}

impl Info {
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

    #[test]
    fn values_override_the_configuration() {
        let info = Info {
            model_family: "llama".into(),
            context_length: 4096,
            capabilities: vec!["tools".into()],
            ..Info::default()
        };
        let mut config = ModelConfig { file_type: "F16".into(), ..ModelConfig::default() };
        info.apply(&mut config);
        assert_eq!(config.model_families, Some(vec!["llama".into()]));
        assert_eq!((config.context_length, config.file_type.as_str()), (4096, "F16"));
        assert_eq!(config.capabilities, ["tools"]);
    }
}
