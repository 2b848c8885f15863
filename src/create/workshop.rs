//! What jobs work with.

use std::sync::Arc;

use super::pace::Pace;
use super::sharing::Sharing;
use super::{Event, Monitor};
use crate::library::Descriptions;
use crate::model::Digest;
use crate::plan::Resources;
use crate::registry::{self, RegistryError};
use crate::store::{ImportDirectories, Placed, Store, StoredManifest};

/// The store, and how much of the machine jobs may use. Clones are the same workshop.
#[derive(Debug, Clone)]
pub struct Workshop {
    pub(super) store: Store,
    pub(super) descriptions: Arc<Descriptions>,
    pub(super) registries: Result<registry::Client, RegistryError>,
    pub(super) resources: Resources,
    pub(super) prune: bool,
    pub(super) imports: Arc<ImportDirectories>,
    pub(super) pace: Arc<Pace>,
    /// Bytes of a file that are made again at most when its making was interrupted.
    pub(super) checkpoint: u64,
    pub(super) sharing: Sharing,
}

/// What is lost at most of a file that takes long to make, unless it is said otherwise.
const CHECKPOINT: u64 = 256 << 20;

impl Workshop {
    /// A workshop on a store, which fetches models from elsewhere through a client as configured. With
    /// `prune`, what only the replaced model used is removed.
    pub fn new(store: Store, registries: registry::Config, resources: Resources, prune: bool) -> Self {
        Self {
            registries: registry::Client::new(registries, store.clone()).inspect_err(|error| {
                tracing::warn!(%error, "models can be neither pulled nor pushed");
            }),
            descriptions: Arc::new(Descriptions::new(store.clone())),
            store,
            resources,
            prune,
            imports: Arc::default(),
            pace: Arc::default(),
            checkpoint: CHECKPOINT,
            sharing: Sharing::default(),
        }
    }

    /// The same workshop, in which no more bytes of a file are made again after an interruption.
    #[must_use]
    pub fn with_checkpoints_every(self, checkpoint: u64) -> Self {
        Self { checkpoint, ..self }
    }

    /// The same workshop, which takes files from these directories.
    #[must_use]
    pub fn with_imports_from(self, directories: ImportDirectories) -> Self {
        Self { imports: Arc::new(directories), ..self }
    }

    /// The same workshop, which shares a library with others.
    #[must_use]
    pub fn sharing(self, sharing: Sharing) -> Self {
        Self { sharing, ..self }
    }

    /// Notes that a model is used, where that decides which one gives way.
    pub fn note_used(&self, model: &StoredManifest) {
        if self.sharing.cache.is_some() {
            self.store.note_used(model);
        }
    }

    /// Warns of a model that is larger than what the store may take.
    pub(super) fn warn_of_size(&self, model: &StoredManifest, monitor: Monitor<'_>) {
        if let Some(cache) = self.sharing.cache.filter(|cache| model.size > *cache) {
            let (name, size) = (model.name.short(), model.size);
            monitor.tell(Event::Warning(format!(
                "model '{name}' has {size} bytes, more than OLLAMAKE_CACHE_SIZE={cache}: it is evicted when \
                 another one is used, if the library holds it"
            )));
        }
    }

    /// The client of registries.
    ///
    /// # Errors
    /// Why there is none: its configuration cannot be used.
    pub fn registries(&self) -> Result<&registry::Client, RegistryError> {
        self.registries.as_ref().map_err(RegistryError::clone)
    }

    /// Removes, soon, the blobs that only a replaced model used.
    pub fn clear_replaced(&self, placed: &Placed) {
        self.clear(placed.given_up.iter().copied());
    }

    /// Removes, soon, those of the blobs that no model uses.
    pub fn clear(&self, digests: impl IntoIterator<Item = Digest>) {
        if self.prune {
            self.store.retire(digests);
        }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What is known about the GGUF blobs of the store.
    pub fn descriptions(&self) -> &Descriptions {
        &self.descriptions
    }
}
