//! What listings tell about models, computed and encoded once for each manifest that is read.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::capabilities::{Evidence, Projector, capabilities};
use super::tags::{Listed, entry};
use crate::create::{Description, DescriptionError, Descriptions, UNKNOWN_FILE_TYPE};
use crate::model::{LONGEST_TEXT, MediaType, ModelConfig};
use crate::store::{Store, StoreError, StoredManifest};
use crate::template::Template;

/// The summaries by manifest. The store keeps one that has not changed, so a summary never goes stale; and the
/// address of one that is kept here is not given to another.
#[derive(Debug, Default)]
pub(super) struct Catalog(Mutex<HashMap<usize, Listed>>);

/// What `details` says. Field order: Ollama, `api/types.go` (`ModelDetails`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Details {
    pub(super) parent_model: String,
    pub(super) format: String,
    pub(super) family: String,
    pub(super) families: Option<Vec<String>>,
    pub(super) parameter_size: String,
    pub(super) quantization_level: String,
    #[serde(skip_serializing_if = "crate::model::is_zero")]
    pub(super) context_length: u64,
    #[serde(skip_serializing_if = "crate::model::is_zero")]
    pub(super) embedding_length: u64,
}

/// What a listing tells about a model beside what its manifest says.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) config: Arc<ModelConfig>,
    pub(super) details: Details,
    pub(super) capabilities: Vec<String>,
}

/// A model's place in listings.
#[derive(Debug)]
pub(super) struct Summary {
    /// The entry of `/api/tags`, encoded.
    pub(super) entry: String,
}

/// The layers of a model that its answers are made from, read.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) config: Arc<ModelConfig>,
    pub(super) weights: Option<Arc<Description>>,
    /// The model that the weights were taken from, or empty.
    pub(super) parent: String,
    pub(super) projector: Option<Projector>,
    pub(super) template: Option<Template>,
    /// Whether a layer could not be read for a reason that may pass.
    pub(super) lack_something: bool,
}

impl Catalog {
    /// The summary of a model.
    pub(super) fn summary(
        &self,
        store: &Store,
        descriptions: &Descriptions,
        model: &Arc<StoredManifest>,
    ) -> Result<Arc<Summary>, StoreError> {
        let address = Arc::as_ptr(model).addr();
        if let Some((_, known)) = self.lock().get(&address) {
            return Ok(Arc::clone(known));
        }
        let parts = Parts::read(store, descriptions, model)?;
        let summary = Arc::new(Summary { entry: entry(model, &Facts::of(&parts)) });
        if !parts.lack_something {
            self.lock().insert(address, (Arc::clone(model), Arc::clone(&summary)));
        }
        Ok(summary)
    }

    /// Forgets the summaries of manifests that are no more, once they are the most.
    pub(super) fn tidy(&self, models: &[Arc<StoredManifest>]) {
        let mut known = self.lock();
        if known.len() > 2 * models.len() + 64 {
            let live: HashSet<_> = models.iter().map(|model| Arc::as_ptr(model).addr()).collect();
            known.retain(|address, _| live.contains(address));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<usize, Listed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Facts {
    fn of(parts: &Parts) -> Self {
        Self {
            config: Arc::clone(&parts.config),
            details: Details::of(parts),
            capabilities: capabilities(parts.evidence()),
        }
    }
}

impl Details {
    /// What the configuration says, and the weights where it says nothing.
    pub(super) fn of(parts: &Parts) -> Self {
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
    /// Reads what is there; weights that cannot be read are as good as none.
    pub(super) fn read(
        store: &Store,
        descriptions: &Descriptions,
        model: &StoredManifest,
    ) -> Result<Self, StoreError> {
        let config = store.config(model)?;
        let mut parts = Self {
            config,
            weights: None,
            parent: String::new(),
            projector: None,
            template: None,
            lack_something: false,
        };
        for layer in &model.manifest.layers {
            if layer.media_type == MediaType::Model {
                parts.parent.clone_from(&layer.from);
            }
            let mut describe = || match descriptions.known(layer.digest) {
                Some(known) => Some(known),
                None => {
                    let described =
                        store.blob(layer.digest).map_err(Into::into).and_then(|blob| descriptions.of(&blob));
                    described
                        .inspect_err(|error| {
                            tracing::warn!(model = %model.name, digest = %layer.digest, %error, "unreadable layer");
                            parts.lack_something |= matches!(error, DescriptionError::Store(_));
                        })
                        .ok()
                }
            };
            match layer.media_type {
                MediaType::Model if parts.config.model_format != "safetensors" => {
                    let described = describe();
                    parts.weights = described.or(parts.weights);
                }
                MediaType::Projector => {
                    let hears = describe().is_some_and(|description| description.hears);
                    let earlier = parts.projector.is_some_and(|projector| projector.hears);
                    parts.projector = Some(Projector { hears: hears || earlier });
                }
                MediaType::Template | MediaType::Prompt => {
                    let text = store.blob(layer.digest)?.read(LONGEST_TEXT)?;
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
    pub(super) fn evidence(&self) -> Evidence<'_> {
        Evidence {
            config: &self.config,
            weights: self.weights.as_deref(),
            projector: self.projector,
            template: self.template.as_ref(),
        }
    }
}
