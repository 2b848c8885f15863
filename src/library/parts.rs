//! The layers that tell what a model is, read: details and capabilities come from them.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::capabilities::{Evidence, Projector, capabilities};
use super::description::{Description, UNKNOWN_FILE_TYPE};
use super::descriptions::Descriptions;
use super::error::LibraryError;
use super::shards::Shards;
use crate::model::{Digest, LONGEST_TEXT, Layer, MediaType, ModelConfig};
use crate::store::{Blob, Store, StoreError, StoredManifest};
use crate::template::Template;

/// What `details` says. Field order: Ollama, `api/types.go` (`ModelDetails`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Details {
    pub(crate) parent_model: String,
    pub(crate) format: String,
    pub(crate) family: String,
    pub(crate) families: Option<Vec<String>>,
    pub(crate) parameter_size: String,
    pub(crate) quantization_level: String,
    #[serde(skip_serializing_if = "crate::model::is_zero")]
    pub(crate) context_length: u64,
    #[serde(skip_serializing_if = "crate::model::is_zero")]
    pub(crate) embedding_length: u64,
}

/// What a listing tells about a model beside what its manifest says.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) config: Arc<ModelConfig>,
    pub(crate) details: Details,
    pub(crate) capabilities: Vec<String>,
    /// Why the model cannot be used.
    pub(crate) damage: Option<String>,
}

/// The layers of a model that its answers are made from, read.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) config: Arc<ModelConfig>,
    /// What the weights say, all shards together.
    pub(crate) weights: Option<Arc<Description>>,
    /// The files that the weights are in, the one first that has the metadata of all.
    pub(crate) files: Vec<Digest>,
    /// The model that the weights were taken from, or empty.
    pub(crate) parent: String,
    pub(crate) projector: Option<Projector>,
    pub(crate) template: Option<Template>,
    /// Whether a layer could not be read for a reason that may pass.
    pub(super) lack_something: bool,
}

impl Facts {
    pub(super) fn of(parts: &Parts) -> Self {
        Self {
            config: Arc::clone(&parts.config),
            details: Details::of(parts),
            capabilities: capabilities(parts.evidence()),
            damage: None,
        }
    }
}

impl Details {
    /// What the configuration says, and the weights where it says nothing.
    pub(crate) fn of(parts: &Parts) -> Self {
        let config = &parts.config;
        let weights = parts.weights.as_deref();
        let quantization_level = match (config.file_type.as_str(), weights) {
            ("" | UNKNOWN_FILE_TYPE, Some(weights)) => weights.file_type,
            (stated, _) => stated,
        };
        let or = |stated: u64, derived: Option<u64>| if stated > 0 { stated } else { derived.unwrap_or(0) };
        Self {
            parent_model: parts.parent.clone(),
            format: config.model_format.clone(),
            family: config.model_family.clone(),
            families: config.model_families.clone(),
            parameter_size: config.model_type.clone(),
            quantization_level: quantization_level.to_owned(),
            context_length: or(config.context_length, weights.map(|weights| weights.context_length)),
            embedding_length: or(config.embedding_length, weights.map(|weights| weights.embedding_length)),
        }
    }
}

impl Parts {
    /// Reads what is there. Weights that cannot be read are as good as none, unless that may be damage.
    ///
    /// # Errors
    /// Something else cannot be read, or the shards of the weights are not the whole of one model.
    pub(crate) fn read(
        store: &Store,
        descriptions: &Descriptions,
        model: &StoredManifest,
    ) -> Result<Self, LibraryError> {
        let config = store.config(model)?;
        let mut parts = Self {
            config,
            weights: None,
            files: Vec::new(),
            parent: String::new(),
            projector: None,
            template: None,
            lack_something: false,
        };
        let mut shards_to_come = 0;
        for (index, layer) in model.manifest.layers.iter().enumerate() {
            if layer.media_type == MediaType::Model {
                parts.parent.clone_from(&layer.from);
            }
            let mut describe = || match describe(store, descriptions, layer.digest) {
                Ok(known) => Ok(Some(known)),
                Err(LibraryError::Store(error @ StoreError::DamagedBlob { .. })) => Err(error),
                Err(error) => {
                    tracing::warn!(model = %model.name, digest = %layer.digest, %error, "unreadable layer");
                    parts.lack_something |= matches!(error, LibraryError::Store(_));
                    Ok(None)
                }
            };
            match layer.media_type {
                MediaType::Model if parts.config.model_format != "safetensors" => {
                    if shards_to_come > 0 {
                        shards_to_come -= 1;
                    } else if let Some(described) = describe()? {
                        (parts.weights, parts.files) = match described.is_shard {
                            false => (Some(described), vec![layer.digest]),
                            true => {
                                let (together, files) = read_shards(store, descriptions, model, index)?;
                                shards_to_come = files.len() - 1;
                                (Some(together), files)
                            }
                        };
                    }
                }
                MediaType::Projector => {
                    let hears = describe()?.is_some_and(|description| description.hears);
                    let earlier = parts.projector.is_some_and(|projector| projector.hears);
                    parts.projector = Some(Projector { hears: hears || earlier });
                }
                MediaType::Template | MediaType::Prompt => {
                    let text = store.read_layer(layer, LONGEST_TEXT)?;
                    parts.template = Template::parse(&String::from_utf8_lossy(&text))
                        .inspect_err(
                            |error| tracing::warn!(model = %model.name, %error, "unreadable template"),
                        )
                        .ok();
                }
                _ => {}
            }
        }
        Ok(parts)
    }

    /// What the parts tell about the model's capabilities.
    pub(crate) fn evidence(&self) -> Evidence<'_> {
        Evidence {
            config: &self.config,
            weights: self.weights.as_deref(),
            projector: self.projector,
            template: self.template.as_ref(),
        }
    }
}

/// What a blob says. One that says nothing, and may not be what was stored, is taken for damaged.
fn describe(
    store: &Store,
    descriptions: &Descriptions,
    digest: Digest,
) -> Result<Arc<Description>, LibraryError> {
    if let Some(known) = descriptions.known(digest) {
        return Ok(known);
    }
    let blob = store.blob(digest)?;
    descriptions.of(&blob).map_err(|error| match error {
        LibraryError::Gguf(error) if !store.is_surely_whole(&blob) => {
            StoreError::DamagedBlob { digest, problem: error.to_string() }.into()
        }
        error => error,
    })
}

/// What the shards say that begin with this layer, and their files.
fn read_shards(
    store: &Store,
    descriptions: &Descriptions,
    model: &StoredManifest,
    index: usize,
) -> Result<(Arc<Description>, Vec<Digest>), LibraryError> {
    let alike =
        model.manifest.layers[index..].iter().take_while(|layer| layer.media_type == MediaType::Model);
    let opened = alike.map(|layer| Ok((layer.clone(), store.blob(layer.digest)?)));
    let opened = opened.collect::<Result<Vec<(Layer, Blob)>, LibraryError>>()?;
    // One that cannot be described may be damaged.
    let described =
        opened.iter().try_for_each(|(layer, _)| describe(store, descriptions, layer.digest).map(drop));
    let shards = described.and_then(|()| Shards::read(&opened, &model.name.short()));
    let shards = shards.map_err(|error| match error {
        LibraryError::Store(error) => error.into(),
        other => LibraryError::Damaged { name: Box::new(model.name.clone()), problem: other.to_string() },
    })?;
    let mut files: Vec<_> = opened[..shards.count].iter().map(|(layer, _)| layer.digest).collect();
    files.swap(0, shards.first);
    Ok((Arc::new(shards.description), files))
}
