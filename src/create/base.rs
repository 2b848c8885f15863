//! The model that another is made from: its layers, leased, and its configuration.

use std::sync::Arc;

use super::{CreateError, Description, DescriptionError, Descriptions};
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
    /// Of a layer that is a GGUF file.
    pub(super) description: Option<Arc<Description>>,
}

impl Base {
    /// Opens all layers of a model and reads the headers of its weights.
    pub(super) fn open(
        store: &Store,
        descriptions: &Descriptions,
        model: &StoredManifest,
    ) -> Result<Self, CreateError> {
        let damaged = |part: &'static str, problem: String| CreateError::DamagedBase {
            name: model.name.clone(),
            part,
            problem,
        };
        let config = store.config(model)?;
        let mut layers = Vec::with_capacity(model.manifest.layers.len());
        for layer in &model.manifest.layers {
            let blob = store.blob(layer.digest).map_err(|error| match error {
                StoreError::BlobNotFound { digest } => {
                    damaged(part_name(&layer.media_type), format!("blob {digest} is not in the store"))
                }
                other => other.into(),
            })?;
            let description = match layer.media_type {
                MediaType::Model | MediaType::Projector | MediaType::Adapter | MediaType::Draft
                    if config.model_format != "safetensors" =>
                {
                    Some(descriptions.of(&blob).map_err(|error| match error {
                        DescriptionError::Store(error) => error.into(),
                        DescriptionError::Gguf(error) => {
                            damaged(part_name(&layer.media_type), error.to_string())
                        }
                    })?)
                }
                _ => None,
            };
            layers.push(BaseLayer { layer: layer.clone(), blob, description });
        }
        Ok(Self { name: model.name.clone(), config, layers })
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

fn part_name(media_type: &MediaType) -> &'static str {
    match media_type {
        MediaType::Model => "weights",
        MediaType::Projector => "projector",
        MediaType::Adapter => "adapter",
        MediaType::Draft => "draft model",
        MediaType::Template | MediaType::Prompt => "template",
        MediaType::System => "system prompt",
        MediaType::Parameters => "parameters",
        MediaType::Messages => "messages",
        MediaType::License => "license",
        MediaType::Config => "configuration",
        MediaType::Other(_) => "layer",
    }
}
