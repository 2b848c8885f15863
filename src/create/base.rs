//! The model that another is made from: its layers, leased, and its configuration.

use std::sync::Arc;

use super::input::Input;
use super::part::{Origin, Part, has_weights};
use super::{CreateError, Quantization};
use crate::library::{DescriptionError, Descriptions};
use crate::model::{Layer, MediaType, ModelConfig, Name};
use crate::store::{Blob, Store, StoreError, StoredManifest};

/// A model of the store whose layers cannot be removed while this lives.
#[derive(Debug)]
pub(super) struct Base {
    pub(super) name: Name,
    pub(super) config: Arc<ModelConfig>,
    pub(super) layers: Vec<BaseLayer>,
}

/// One of its layers.
#[derive(Debug)]
pub(super) struct BaseLayer {
    pub(super) layer: Layer,
    pub(super) blob: Blob,
    /// What shall become of a layer that is a GGUF file.
    pub(super) part: Option<Part>,
}

impl Base {
    /// Opens all layers of a model and reads the headers of its weights, which may be wanted quantized.
    pub(super) fn open(
        store: &Store,
        descriptions: &Descriptions,
        model: &StoredManifest,
        quantize: Option<&Quantization>,
    ) -> Result<Self, CreateError> {
        let damaged = |part: &'static str, problem: String| CreateError::DamagedBase {
            name: Box::new(model.name.clone()),
            part,
            problem,
        };
        let config = store.config(model)?;
        let mut layers = Vec::with_capacity(model.manifest.layers.len());
        for layer in &model.manifest.layers {
            let blob = store.blob(layer.digest).map_err(|error| match error {
                StoreError::BlobNotFound { digest } => {
                    damaged(layer.media_type.noun(), format!("blob {digest} is not in the store"))
                }
                other => other.into(),
            })?;
            let part = match layer.media_type {
                MediaType::Model | MediaType::Projector | MediaType::Adapter | MediaType::Draft
                    if config.model_format != "safetensors" =>
                {
                    let description = descriptions.of(&blob).map_err(|error| match error {
                        DescriptionError::Store(error) => error.into(),
                        DescriptionError::Gguf(error) => damaged(layer.media_type.noun(), error.to_string()),
                    })?;
                    let file = format!("{} of {}", layer.media_type.noun(), model.name.short());
                    let input = Input { file, blob: blob.clone() };
                    Some(Part::existing(layer.media_type.clone(), Origin::Base, input, description))
                }
                _ => None,
            };
            let part = match (part, quantize) {
                (Some(part), Some(to)) => Some(part.quantized(to)?),
                (part, _) => part,
            };
            layers.push(BaseLayer { layer: layer.clone(), blob, part });
        }
        let base = Self { name: model.name.clone(), config, layers };
        if quantize.is_some() && !has_weights(base.parts()) {
            return Err(CreateError::NothingToQuantize);
        }
        Ok(base)
    }

    /// Its parts that are GGUF files.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.layers.iter().filter_map(|layer| layer.part.as_ref())
    }

    /// Gives a new model what it inherits: whatever it does not say itself.
    pub(super) fn bequeath(&self, config: &mut ModelConfig) {
        let inherit = |mine: &mut String, theirs: &str| {
            if mine.is_empty() {
                theirs.clone_into(mine);
            }
        };
        inherit(&mut config.renderer, &self.config.renderer);
        inherit(&mut config.parser, &self.config.parser);
        inherit(&mut config.requires, &self.config.requires);
        inherit(&mut config.model_format, &self.config.model_format);
        inherit(&mut config.remote_host, &self.config.remote_host);
        inherit(&mut config.remote_model, &self.config.remote_model);
        if config.capabilities.is_empty() {
            config.capabilities.clone_from(&self.config.capabilities);
        }
    }
}
