//! The model that another is made from: its layers, leased, and its configuration.

use std::sync::Arc;

use super::base_layer::BaseLayer;
use super::input::Input;
use super::merging::Merging;
use super::part::{Origin, Part, has_weights};
use super::shards::open_shards;
use super::{CreateError, Quantization};
use crate::library::{Descriptions, LibraryError, Shards};
use crate::model::{Digest, MediaType, ModelConfig, Name};
use crate::store::{Store, StoreError, StoredManifest};

/// The first version of Ollama that reads models in shards.
const READS_SHARDS: &str = "0.35.0";

/// A model of the store whose layers cannot be removed while this lives.
#[derive(Debug)]
pub(super) struct Base {
    pub(super) name: Name,
    /// Of its manifest.
    pub(super) digest: Digest,
    pub(super) config: Arc<ModelConfig>,
    pub(super) layers: Vec<BaseLayer>,
}

impl Base {
    /// Opens all layers of a model and reads the headers of its weights, which may be wanted quantized.
    pub(super) fn open(
        store: &Store,
        descriptions: &Descriptions,
        model: &StoredManifest,
        quantize: Option<&Quantization>,
    ) -> Result<Self, CreateError> {
        let layers = model.manifest.layers.iter().map(|layer| layer.digest);
        Self::open_whole(store, descriptions, model, quantize).map_err(|error| error.or_damage(store, layers))
    }

    fn open_whole(
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
        let mut opened = Vec::with_capacity(model.manifest.layers.len());
        for layer in &model.manifest.layers {
            let blob = store.blob_of(layer).map_err(|error| match error {
                StoreError::BlobNotFound { digest } => {
                    damaged(layer.media_type.noun(), format!("blob {digest} is not in the store"))
                }
                other => other.into(),
            })?;
            opened.push((layer.clone(), blob));
        }
        let mut layers = Vec::with_capacity(opened.len());
        let mut rest = opened.as_slice();
        while let [(layer, blob), others @ ..] = rest {
            let (layer, blob) = (layer.clone(), blob.clone());
            if !is_gguf_file(&layer.media_type, &config) {
                layers.push(BaseLayer { layer, blob, part: None });
                rest = others;
                continue;
            }
            let noun = layer.media_type.noun();
            let unreadable = |error| match error {
                LibraryError::Store(error) => error.into(),
                other => damaged(noun, other.to_string()),
            };
            let description = descriptions.of(&blob).map_err(unreadable)?;
            if description.is_shard {
                let shards = Shards::read(rest, &model.name.short()).map_err(unreadable)?;
                let count = shards.count;
                layers.extend(open_shards(shards, rest, &model.name.short(), quantize)?);
                rest = &rest[count..];
                continue;
            }
            let input = Input { file: format!("{noun} of {}", model.name.short()), blob: blob.clone() };
            let part = Part::existing(layer.media_type.clone(), Origin::Base, input, description);
            let part = match quantize {
                Some(to) => part.quantized(to)?,
                None => part,
            };
            layers.push(BaseLayer { layer, blob, part: Some(part) });
            rest = others;
        }
        let base = Self { name: model.name.clone(), digest: model.digest, config, layers };
        if quantize.is_some() && !has_weights(base.parts()) {
            return Err(CreateError::NothingToQuantize);
        }
        Ok(base)
    }

    /// The same model with adapters in its weights, quantized from the sums if that is wished for.
    pub(super) fn merged(
        mut self,
        merging: &Merging,
        quantize: Option<&Quantization>,
    ) -> Result<Self, CreateError> {
        if !has_weights(self.parts()) {
            return Err(CreateError::NoBaseOfAdapter);
        }
        for layer in &mut self.layers {
            layer.part = layer.part.take().map(|part| merging.merged_part(part, quantize)).transpose()?;
        }
        Ok(self)
    }

    /// Its parts that are GGUF files.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.layers.iter().filter_map(|layer| layer.part.as_ref())
    }

    /// Whether a file that it was split into stays a layer.
    fn keeps_shards(&self) -> bool {
        let is_shard =
            |kept: &BaseLayer| kept.part.is_none() && is_gguf_file(&kept.layer.media_type, &self.config);
        self.layers.iter().any(is_shard)
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
        if self.keeps_shards() {
            inherit(&mut config.requires, READS_SHARDS);
        }
        inherit(&mut config.model_format, &self.config.model_format);
        inherit(&mut config.remote_host, &self.config.remote_host);
        inherit(&mut config.remote_model, &self.config.remote_model);
        if config.capabilities.is_empty() {
            config.capabilities.clone_from(&self.config.capabilities);
        }
        if config.draft.is_none() {
            config.draft.clone_from(&self.config.draft);
        }
        if self.config.model_format == "safetensors" {
            // Of tensors in blobs of their own only the configuration tells what they are.
            inherit(&mut config.model_family, &self.config.model_family);
            inherit(&mut config.model_type, &self.config.model_type);
            inherit(&mut config.file_type, &self.config.file_type);
            config.model_families.clone_from(&self.config.model_families);
        }
    }
}

/// Whether a layer is a GGUF file.
fn is_gguf_file(kind: &MediaType, config: &ModelConfig) -> bool {
    config.model_format != "safetensors"
        && matches!(kind, MediaType::Model | MediaType::Projector | MediaType::Adapter | MediaType::Draft)
}
