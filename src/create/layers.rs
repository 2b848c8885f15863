//! The layers of a manifest to come, in order, with what is told about each.
//!
//! How layers replace and join those of the base model, and the order that results: Ollama,
//! `server/create.go` (`createModel` and the functions it calls).

use std::collections::HashSet;

use super::{CreateError, Event, Monitor};
use crate::model::{
    Digest, LONGEST_CONFIG, LONGEST_TEXT, Layer, Manifest, MediaType, Message, ModelConfig, Name, Parameters,
    layer_json, parameters_to_bytes,
};
use crate::store::{Blob, Committed, Placed, Store};

/// Layers under construction. Each holds a lease on its blob, so nobody removes what the manifest will
/// name.
#[derive(Debug)]
pub(super) struct Layers {
    store: Store,
    entries: Vec<Entry>,
    /// Blobs that the store did not have before.
    made: Vec<Digest>,
    /// Whether a manifest names them.
    is_placed: bool,
}

#[derive(Debug)]
struct Entry {
    layer: Layer,
    /// What is told about it.
    event: Event,
    blob: Blob,
}

impl Layers {
    pub(super) fn new(store: Store) -> Self {
        Self { store, entries: Vec::new(), made: Vec::new(), is_placed: false }
    }

    /// Adds a layer whose blob the store has.
    pub(super) fn add_existing(&mut self, layer: Layer, blob: Blob) {
        self.entries.push(Entry {
            event: Event::Layer { digest: blob.digest(), existed: true },
            layer,
            blob,
        });
    }

    /// Adds a blob that was just made.
    pub(super) fn add_made(&mut self, media_type: MediaType, made: Committed) {
        let Committed { blob, existed } = made;
        // A blob that this job made is new, however often it is made.
        let existed = existed && !self.made.contains(&blob.digest());
        if !existed {
            self.made.push(blob.digest());
        }
        let layer = Layer::new(media_type, blob.digest(), blob.length());
        self.entries.push(Entry { event: Event::Layer { digest: blob.digest(), existed }, layer, blob });
    }

    /// Adds a template that was recognised, which is told in place of the layer.
    pub(super) fn add_recognised_template(
        &mut self,
        format: &'static str,
        text: &str,
    ) -> Result<(), CreateError> {
        self.add_bytes(MediaType::Template, text.as_bytes())?;
        if let Some(entry) = self.entries.last_mut() {
            entry.event = Event::RecognisedTemplate { format };
        }
        Ok(())
    }

    /// Adds a layer of these bytes.
    pub(super) fn add_bytes(&mut self, media_type: MediaType, bytes: &[u8]) -> Result<(), CreateError> {
        if bytes.len() > LONGEST_TEXT {
            let (part, got, limit) = (media_type.noun().to_owned(), bytes.len(), LONGEST_TEXT);
            return Err(CreateError::TooLong { part, got, limit });
        }
        let made = self.store.put_bytes(bytes)?;
        self.add_made(media_type, made);
        Ok(())
    }

    /// Puts a text in the place of all layers of its kind.
    pub(super) fn replace(&mut self, media_type: MediaType, text: &str) -> Result<(), CreateError> {
        self.remove(&media_type);
        self.add_bytes(media_type, text.as_bytes())
    }

    /// Joins parameters to those that are there; a new value wins.
    pub(super) fn merge_parameters(&mut self, mut parameters: Parameters) -> Result<(), CreateError> {
        for entry in self.entries.iter().filter(|entry| entry.layer.media_type == MediaType::Parameters) {
            let bytes = entry.blob.read(LONGEST_TEXT)?;
            let earlier: Parameters = layer_json(&bytes).map_err(|problem| {
                CreateError::from(crate::store::StoreError::DamagedBlob {
                    digest: entry.layer.digest,
                    problem: format!("not a parameters layer: {problem}"),
                })
            })?;
            for (name, value) in earlier {
                parameters.entry(name).or_insert(value);
            }
        }
        if parameters.is_empty() {
            return Ok(());
        }
        self.remove(&MediaType::Parameters);
        self.add_bytes(MediaType::Parameters, &parameters_to_bytes(&parameters))
    }

    /// Puts messages in the place of those that are there, unless there are none to put.
    pub(super) fn replace_messages(&mut self, messages: &[Message]) -> Result<(), CreateError> {
        if messages.is_empty() {
            return Ok(());
        }
        self.remove(&MediaType::Messages);
        self.add_bytes(MediaType::Messages, &Message::list_to_bytes(messages))
    }

    /// Makes sure that what is taken over as it is has not been damaged here, by reading what is not known.
    pub(super) fn ensure_whole(&self, monitor: Monitor<'_>) -> Result<(), CreateError> {
        for Entry { blob, .. } in &self.entries {
            if self.store.has_to_read(blob) {
                monitor.tell(Event::Checking { digest: blob.digest() });
            }
            self.store.ensure_whole(blob, || !monitor.stop.is_cancelled())?;
        }
        monitor.check_stop()
    }

    /// What is told about the layers, in order.
    pub(super) fn events(&self) -> impl Iterator<Item = &Event> {
        self.entries.iter().map(|entry| &entry.event)
    }

    /// Puts the manifest of these layers and a configuration in its place.
    pub(super) fn place(&mut self, name: &Name, config: &ModelConfig) -> Result<Placed, CreateError> {
        let config = config.to_bytes();
        if config.len() > LONGEST_CONFIG {
            let part = "the configuration, with the names of its parts".to_owned();
            return Err(CreateError::TooLong { part, got: config.len(), limit: LONGEST_CONFIG });
        }
        let Committed { blob, existed } = self.store.put_bytes(&config)?;
        if !existed {
            self.made.push(blob.digest());
        }
        let config = Layer::new(MediaType::Config, blob.digest(), blob.length());
        let layers = self.entries.iter().map(|entry| entry.layer.clone()).collect();
        let placed = self.store.put_manifest(name, &Manifest::new(config, layers).to_bytes())?;
        self.is_placed = true;
        Ok(placed)
    }

    /// What was made and then replaced, so that the model does not have it.
    pub(super) fn superseded(&self, placed: &Placed) -> impl Iterator<Item = Digest> {
        let named: HashSet<_> = placed.model.manifest.blobs().map(|layer| layer.digest).collect();
        self.made.iter().copied().filter(move |digest| !named.contains(digest))
    }

    fn remove(&mut self, media_type: &MediaType) {
        // The older name of a template's layer is a template too.
        let is_template = *media_type == MediaType::Template;
        self.entries.retain(|entry| {
            let kind = &entry.layer.media_type;
            kind != media_type && !(is_template && *kind == MediaType::Prompt)
        });
    }
}

/// A job that fails or is stopped leaves nothing: what was made goes again, as far as nobody else uses it.
impl Drop for Layers {
    fn drop(&mut self) {
        if self.is_placed || self.made.is_empty() {
            return;
        }
        // The leases would keep the blobs.
        self.entries.clear();
        if let Err(error) = self.store.remove_unused(&self.made) {
            tracing::warn!(%error, "what a failed job made stays until the store is pruned");
        }
    }
}
