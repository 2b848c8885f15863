//! What is known of a model before its weights are looked at.

use super::files::Files;
use super::{Configuration, ConvertError, Rope};

/// The most layers that llama.cpp loads (`LLAMA_MAX_LAYERS`).
const MAX_LAYERS: u64 = 512;

/// A text model: its configuration with defaults, and the numbers that nearly every family needs.
#[derive(Debug, Clone)]
pub(super) struct Model {
    /// The configuration of the text model.
    pub(super) configuration: Configuration,
    /// Its rotary position embeddings.
    pub(super) rope: Rope,
    /// Layers of the model file, those for predicting several tokens included.
    pub(super) layers: u64,
    /// Layers without them.
    pub(super) main_layers: u64,
}

impl Model {
    pub(super) fn new(configuration: Configuration, predicted_layers: u64) -> Result<Self, ConvertError> {
        const LAYERS: [&str; 4] = ["n_layers", "num_hidden_layers", "n_layer", "num_layers"];
        let main_layers = configuration.integer_of(&LAYERS)?;
        let layers = main_layers.saturating_add(predicted_layers);
        if main_layers == 0 || layers > MAX_LAYERS {
            let expected = format!("between 1 and {MAX_LAYERS} layers");
            return Err(configuration.bad("num_hidden_layers", &layers, &expected));
        }
        let rope = Rope::of(&configuration)?;
        Ok(Self { configuration, rope, layers, main_layers })
    }

    /// Attention heads.
    pub(super) fn heads(&self) -> Result<u64, ConvertError> {
        positive(&self.configuration, &["n_heads", "num_attention_heads", "n_head"])
    }

    /// Attention heads of keys and values; as many as there are heads where nothing is said.
    pub(super) fn key_value_heads(&self) -> Result<u64, ConvertError> {
        const KEYS: [&str; 2] = ["n_kv_heads", "num_key_value_heads"];
        match self.configuration.optional_integer(&KEYS)? {
            Some(_) => positive(&self.configuration, &KEYS),
            None => self.heads(),
        }
    }

    /// The width of the model.
    pub(super) fn hidden_size(&self) -> Result<u64, ConvertError> {
        positive(&self.configuration, &["hidden_size", "n_embd", "dim"])
    }

    /// The size of a head: what the configuration says, or an equal share of the width.
    pub(super) fn head_size(&self) -> Result<u64, ConvertError> {
        match self.configuration.optional_integer(&["head_dim"])? {
            Some(size) => Ok(size),
            None => {
                let (size, heads) = (self.hidden_size()?, self.heads()?);
                if !size.is_multiple_of(heads) {
                    let expected = format!("a divisor of hidden_size {size}");
                    return Err(self.configuration.bad("num_attention_heads", &heads, &expected));
                }
                Ok(size / heads)
            }
        }
    }

    /// The part of a head that is rotated.
    pub(super) fn rotary_size(&self, fraction: f64) -> Result<u64, ConvertError> {
        Ok((self.head_size()? as f64 * fraction) as u64)
    }

    /// Experts of a layer.
    pub(super) fn experts(&self) -> Result<u64, ConvertError> {
        positive(&self.configuration, &["num_local_experts", "num_experts", "n_routed_experts"])
    }

    /// Layer by layer whether its kind is `kind`.
    pub(super) fn layers_of_kind(&self, kind: &str) -> Result<Option<Vec<bool>>, ConvertError> {
        let kinds = self.configuration.strings("layer_types")?;
        Ok(kinds.map(|kinds| kinds.into_iter().map(|given| given == kind).collect()))
    }
}

fn positive(configuration: &Configuration, keys: &[&str]) -> Result<u64, ConvertError> {
    match configuration.integer_of(keys)? {
        0 => Err(configuration.bad(&keys.join(" or "), &0, "a positive number")),
        number => Ok(number),
    }
}

/// A model and the files beside its weights: what metadata are made from.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    /// The model.
    pub(super) model: &'a Model,
    pub(super) files: Files<'a>,
}
