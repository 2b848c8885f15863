//! The layers of a manifest to come, in order, with what is told about each.
//!
//! How layers replace and join those of the base model, and the order that results: Ollama,
//! `server/create.go` (`createModel` and the functions it calls).

use super::{CreateError, Event, Monitor};
use crate::model::{
    Digest, LONGEST_CONFIG, LONGEST_TEXT, Layer, Manifest, MediaType, Message, ModelConfig, Name, Parameters,
    layer_json, parameters_to_bytes,
};
use crate::store::{Blob, Committed, Placed, Store};

/// Layers under construction. Each holds a lease on its blob, so nobody removes what the manifest will
/// name; texts become blobs with the manifest.
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
    content: Content,
    /// The format of a template that was recognised, which is told in place of the layer.
    recognised: Option<&'static str>,
}

#[derive(Debug)]
enum Content {
    /// A blob, and whether the store had it before.
    Blob { blob: Blob, existed: bool },
    /// A text that is yet to be stored.
    Text(Vec<u8>),
    /// A file that is not made yet, so its digest is not known.
    ToCome,
}

impl Layers {
    pub(super) fn new(store: Store) -> Self {
        Self { store, entries: Vec::new(), made: Vec::new(), is_placed: false }
    }

    /// Adds a layer whose blob the store has.
    pub(super) fn add_existing(&mut self, layer: Layer, blob: Blob) {
        let content = Content::Blob { blob, existed: true };
        self.entries.push(Entry { layer, content, recognised: None });
    }

    /// Adds a blob that was just made.
    pub(super) fn add_made(&mut self, media_type: MediaType, made: Committed) {
        let Committed { blob, existed } = made;
        let layer = Layer::new(media_type, blob.digest(), blob.length());
        let existed = self.note(&blob, existed);
        self.entries.push(Entry { layer, content: Content::Blob { blob, existed }, recognised: None });
    }

    /// Adds a file of so many bytes that is not made yet.
    pub(super) fn add_to_come(&mut self, media_type: MediaType, size: u64) {
        let layer = Layer::new(media_type, Digest::of(b""), size);
        self.entries.push(Entry { layer, content: Content::ToCome, recognised: None });
    }

    /// Adds a file of this digest and so many bytes that is not kept.
    pub(super) fn add_known(&mut self, media_type: MediaType, digest: Digest, size: u64) {
        let layer = Layer::new(media_type, digest, size);
        self.entries.push(Entry { layer, content: Content::ToCome, recognised: None });
    }

    /// Adds a template that was recognised.
    pub(super) fn add_recognised_template(
        &mut self,
        format: &'static str,
        text: &str,
    ) -> Result<(), CreateError> {
        self.add_bytes(MediaType::Template, text.as_bytes())?;
        if let Some(entry) = self.entries.last_mut() {
            entry.recognised = Some(format);
        }
        Ok(())
    }

    /// Adds a layer of these bytes.
    pub(super) fn add_bytes(&mut self, media_type: MediaType, bytes: &[u8]) -> Result<(), CreateError> {
        if bytes.len() > LONGEST_TEXT {
            let (part, got, limit) = (media_type.noun().to_owned(), bytes.len(), LONGEST_TEXT);
            return Err(CreateError::TooLong { part, got, limit });
        }
        let layer = Layer::new(media_type, Digest::of(bytes), bytes.len() as u64);
        self.entries.push(Entry { layer, content: Content::Text(bytes.to_vec()), recognised: None });
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
            let bytes = match &entry.content {
                Content::Blob { blob, .. } => blob.read(LONGEST_TEXT)?,
                Content::Text(text) => text.clone(),
                Content::ToCome => continue,
            };
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
        for entry in &self.entries {
            let Content::Blob { blob, .. } = &entry.content else { continue };
            if self.store.has_to_read(blob) {
                monitor.tell(Event::Checking { digest: blob.digest() });
            }
            self.store.ensure_whole(blob, || !monitor.stop.is_cancelled())?;
        }
        monitor.check_stop()
    }

    /// Stores the texts.
    pub(super) fn store_texts(&mut self) -> Result<(), CreateError> {
        let mut entries = std::mem::take(&mut self.entries);
        let stored = entries.iter_mut().try_for_each(|entry| {
            if let Content::Text(text) = &entry.content {
                let Committed { blob, existed } = self.store.put_bytes(text)?;
                let existed = self.note(&blob, existed);
                entry.content = Content::Blob { blob, existed };
            }
            Ok(())
        });
        self.entries = entries;
        stored
    }

    /// What is told about the layers, in order, once their texts are stored.
    pub(super) fn events(&self) -> impl Iterator<Item = Event> {
        self.entries.iter().map(|entry| match (entry.recognised, &entry.content) {
            (Some(format), _) => Event::RecognisedTemplate { format },
            (None, content) => {
                let existed = matches!(content, Content::Blob { existed: true, .. });
                Event::Layer { digest: entry.layer.digest, existed }
            }
        })
    }

    /// The layers, the configuration last, each with whether its digest is known.
    ///
    /// # Errors
    /// [`CreateError::TooLong`].
    pub(super) fn outlined(&self, config: &ModelConfig) -> Result<Vec<(Layer, bool)>, CreateError> {
        let config = checked(config)?;
        let config = Layer::new(MediaType::Config, Digest::of(&config), config.len() as u64);
        let told = |entry: &Entry| (entry.layer.clone(), !matches!(entry.content, Content::ToCome));
        Ok(self.entries.iter().map(told).chain([(config, true)]).collect())
    }

    /// Puts the manifest of these layers and a configuration in its place.
    pub(super) fn place(&mut self, name: &Name, config: &ModelConfig) -> Result<Placed, CreateError> {
        let Committed { blob, existed } = self.store.put_bytes(&checked(config)?)?;
        self.note(&blob, existed);
        let placed = self.store.put_manifest(name, &self.manifest(blob.digest(), blob.length()))?;
        self.is_placed = true;
        Ok(placed)
    }

    /// The digest that the manifest of these layers and a configuration has.
    pub(super) fn digest(&self, config: &ModelConfig) -> Result<Digest, CreateError> {
        let config = checked(config)?;
        Ok(Digest::of(&self.manifest(Digest::of(&config), config.len() as u64)))
    }

    fn manifest(&self, config: Digest, length: u64) -> Vec<u8> {
        let config = Layer::new(MediaType::Config, config, length);
        let layers = self.entries.iter().map(|entry| entry.layer.clone()).collect();
        Manifest::new(config, layers).to_bytes()
    }

    /// Notes a blob that was stored; answers whether the store had it before. A blob that this job made is
    /// new, however often it is made.
    fn note(&mut self, blob: &Blob, existed: bool) -> bool {
        let existed = existed && !self.made.contains(&blob.digest());
        if !existed {
            self.made.push(blob.digest());
        }
        existed
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

/// The bytes of a configuration, unless there are too many.
fn checked(config: &ModelConfig) -> Result<Vec<u8>, CreateError> {
    let bytes = config.to_bytes();
    match bytes.len() {
        got if got > LONGEST_CONFIG => {
            let part = "the configuration, with the names of its parts".to_owned();
            Err(CreateError::TooLong { part, got, limit: LONGEST_CONFIG })
        }
        _ => Ok(bytes),
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
