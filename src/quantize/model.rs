//! What the mixtures want to know of the model as a whole.

use super::error::QuantizeError;
use super::role::Role;
use crate::family::{self, Rules};
use crate::gguf::{Array, Metadata, Value};

/// Facts from the metadata and the list of tensors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) architecture: String,
    /// What is special about it.
    pub(super) rules: &'static Rules,
    /// Layers that the metadata state, those that predict further tokens included.
    pub(super) layers: u32,
    /// Experts of a layer; 0 if there are none.
    pub(super) experts: u32,
    /// Heads of queries that share one head of keys, in the first layer; 0 if that has none.
    pub(super) heads_per_key: u32,
    /// Models of about 70 billion weights, told from their layers as llama.cpp does.
    pub(super) is_70b: bool,
    /// No tensor of its own for the output: the token embedding is used there too.
    pub(super) ties_embeddings: bool,
    /// Tensors that play the role of attention values.
    pub(super) attention_values: u32,
}

impl Model {
    pub(super) fn new<'n>(
        metadata: &Metadata,
        names: impl Iterator<Item = &'n str> + Clone,
    ) -> Result<Self, QuantizeError> {
        let architecture = metadata.architecture()?.to_owned();
        if family::makes_images(&architecture) {
            return Err(QuantizeError::NoLanguageModel { architecture });
        }
        // Vision projectors have layers under other keys; nothing in their mixture depends on the number.
        let layers = if architecture == family::PROJECTOR { 0 } else { metadata.block_count()? };
        let heads = first_count(metadata, "attention.head_count")?.unwrap_or(0);
        let key_heads = first_count(metadata, "attention.head_count_kv")?.unwrap_or(heads);
        let predicting = metadata.architecture_count("nextn_predict_layers")?.unwrap_or(0);
        let rules = &family::of(&architecture).quantization;
        let is_70b = rules.layers_of_70b == Some(layers.saturating_sub(predicting))
            && (heads != key_heads || !rules.only_grouped_70b);
        let with_role = |role: Role| names.clone().filter(move |name| Role::of(name) == role).count();
        Ok(Self {
            layers,
            experts: metadata.architecture_count("expert_count")?.unwrap_or(0),
            heads_per_key: heads.checked_div(key_heads).unwrap_or(0),
            is_70b,
            ties_embeddings: with_role(Role::Output) == 0,
            attention_values: with_role(Role::AttentionValue) as u32,
            rules,
            architecture,
        })
    }
}

/// The count under `<architecture>.<name>`, or the first of them where there is one for each layer.
fn first_count(metadata: &Metadata, name: &str) -> Result<Option<u32>, QuantizeError> {
    let key = format!("{}.{name}", metadata.architecture()?);
    match metadata.get(&key) {
        Some(Value::Array(Array::U32(counts))) => Ok(counts.first().copied()),
        Some(Value::Array(Array::I32(counts))) => Ok(counts.first().and_then(|&count| count.try_into().ok())),
        _ => Ok(metadata.architecture_count(name)?),
    }
}
