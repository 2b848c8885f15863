//! What the layers of a model hold beside weights.

use std::sync::Arc;

use super::parameter_text::{items, plain};
use crate::model::go_text::quoted;
use crate::model::{Digest, LONGEST_TEXT, Layer, MediaType, Message, ModelConfig, Parameters, layer_json};
use crate::store::{Store, StoreError, StoredManifest};

/// What a model without a template is shown with.
const DEFAULT_TEMPLATE: &str = "{{ .Prompt }}";
/// The width of names in `parameters`.
const PARAMETER_WIDTH: usize = 30;

/// The contents of a model's layers.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    pub(crate) config: Arc<ModelConfig>,
    /// The files of the weights: one, unless they were split into shards.
    pub(crate) weights: Vec<Digest>,
    pub(crate) adapters: Vec<Digest>,
    pub(crate) projectors: Vec<Digest>,
    pub(crate) template: String,
    pub(crate) system: String,
    pub(crate) licenses: Vec<String>,
    pub(crate) parameters: Parameters,
    pub(crate) messages: Vec<Message>,
}

impl Contents {
    /// Reads them all.
    ///
    /// # Errors
    /// A layer cannot be read, or does not hold what it should.
    pub(crate) fn read(store: &Store, model: &StoredManifest) -> Result<Self, StoreError> {
        let mut contents =
            Self { config: store.config(model)?, template: DEFAULT_TEMPLATE.to_owned(), ..Self::default() };
        for layer in &model.manifest.layers {
            match layer.media_type {
                MediaType::Model => contents.weights = vec![layer.digest],
                MediaType::Adapter => contents.adapters.push(layer.digest),
                MediaType::Projector => contents.projectors.push(layer.digest),
                MediaType::Template | MediaType::Prompt => contents.template = text(store, layer)?,
                MediaType::System => contents.system = text(store, layer)?,
                MediaType::License => contents.licenses.push(text(store, layer)?),
                MediaType::Parameters => contents.parameters = parsed(store, layer)?,
                MediaType::Messages => contents.messages = parsed(store, layer)?,
                MediaType::Draft | MediaType::Config | MediaType::Other(_) => {}
            }
        }
        Ok(contents)
    }

    /// One line for each parameter, sorted.
    pub(crate) fn parameters_text(&self) -> String {
        let mut lines = Vec::new();
        for (name, value) in &self.parameters {
            for value in items(value) {
                let value = value.as_str().map_or_else(|| plain(value), quoted);
                lines.push(format!("{name:PARAMETER_WIDTH$} {value}"));
            }
        }
        lines.join("\n")
    }
}

fn text(store: &Store, layer: &Layer) -> Result<String, StoreError> {
    let bytes = store.read_layer(layer, LONGEST_TEXT)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn parsed<T: serde::de::DeserializeOwned + Default>(store: &Store, layer: &Layer) -> Result<T, StoreError> {
    let bytes = store.read_layer(layer, LONGEST_TEXT)?;
    layer_json(&bytes)
        .map_err(|error| StoreError::DamagedBlob { digest: layer.digest, problem: error.to_string() })
}
