//! Models by name: find, list, put, copy, remove.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use super::disk::is_loop;
use super::document::{Damage, Document, DocumentContent, LONGEST_DOCUMENT};
use super::entry::Content;
use super::index::Census;
use super::listing::Listing;
use super::naming::{Place, Places};
use super::reach::Reach;
use super::stored_manifest::StoredManifest;
use super::tree::Tree;
use super::{Blob, Shared, Store, StoreError};
use crate::locked::locked;
use crate::model::{Digest, LONGEST_CONFIG, Layer, ModelConfig, Name, Reference};

/// Ollama removes an entry before it puts another in its place. It is looked for so often, at such intervals.
const LOOKS: u32 = 4;
const INTERVAL: Duration = Duration::from_millis(5);

/// A manifest that was put in its place.
#[derive(Debug, Clone)]
pub struct Placed {
    /// The model as it is now.
    pub model: Arc<StoredManifest>,
    /// The model that had the name before, if one had. Its blobs are still there; see [`Store::retire`].
    pub replaced: Option<Arc<StoredManifest>>,
    /// Every digest that the name reached before.
    pub given_up: Vec<Digest>,
}

impl Store {
    /// The name as the store spells it: parts that exist in another letter case are taken as they exist.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn resolve(&self, name: &Name) -> Result<Name, StoreError> {
        Ok(self.0.resolve(name)?)
    }

    /// A model.
    ///
    /// # Errors
    /// [`StoreError::ModelNotFound`], [`StoreError::DamagedManifest`], or what the operating system says.
    pub fn manifest(&self, name: &Name) -> Result<Arc<StoredManifest>, StoreError> {
        let Some((name, content)) = self.0.read(name)? else {
            let name = Box::new(self.0.resolve(name)?);
            return Err(StoreError::ModelNotFound { name });
        };
        let told = self.0.model_of(&name, &content);
        told.map_err(|problem| StoreError::DamagedManifest { name: Box::new(name), problem })
    }

    /// All models whose manifests can be read, in the order of their names.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn list(&self) -> Result<Vec<Arc<StoredManifest>>, StoreError> {
        Ok(self.listing()?.models)
    }

    /// All models, also those whose manifests cannot be read.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn listing(&self) -> Result<Listing, StoreError> {
        Ok(self.0.listing(&self.0.census()))
    }

    /// The configuration of a model. It is read once.
    ///
    /// # Errors
    /// [`StoreError::BlobNotFound`], [`StoreError::DamagedBlob`], or what the operating system says.
    pub fn config(&self, model: &StoredManifest) -> Result<Arc<ModelConfig>, StoreError> {
        if let Some(config) = model.config.get() {
            return Ok(config.clone());
        }
        let digest = model.manifest.config.digest;
        let bytes = self.read_layer(&model.manifest.config, LONGEST_CONFIG)?;
        let config = ModelConfig::from_bytes(&bytes)
            .map_err(|error| StoreError::DamagedBlob { digest, problem: error.to_string() })?;
        Ok(model.config.get_or_init(|| Arc::new(config)).clone())
    }

    /// Makes a model: puts the bytes of a manifest in its place, durably. The old model stays until the new
    /// one is there. All blobs that the manifest names must be in the store; the caller should hold leases
    /// on them, since others may remove what no manifest names.
    ///
    /// # Errors
    /// [`StoreError::InvalidManifest`], [`StoreError::BlobNotFound`], or what the operating system says.
    pub fn put_manifest(&self, name: &Name, bytes: &[u8]) -> Result<Placed, StoreError> {
        let document = parse(bytes)?;
        let DocumentContent::Manifest(manifest) = &document.content else {
            return Err(StoreError::InvalidManifest { problem: "it is a list of manifests".to_owned() });
        };
        let leases: Vec<Blob> =
            manifest.blobs().map(|layer| self.blob_of(layer)).collect::<Result<_, _>>()?;
        self.0.ensure_durable(&leases)?;
        self.0.place_document(name, document, Tree::Legacy)
    }

    /// The blob of a layer, leased.
    ///
    /// # Errors
    /// [`StoreError::BlobNotFound`], [`StoreError::DamagedBlob`] if it has not the length that the layer
    /// states, or what the operating system says.
    pub fn blob_of(&self, layer: &Layer) -> Result<Blob, StoreError> {
        let blob = self.blob(layer.digest)?;
        match blob.length() == layer.size {
            true => Ok(blob),
            false => Err(StoreError::of_length(layer, blob.length())),
        }
    }

    /// Puts a document under a name as it was in another store: a manifest, or a list of manifests, which is
    /// of the newer kind. All blobs of the model that is used here must be in the store.
    ///
    /// # Errors
    /// As [`put_manifest`](Self::put_manifest) and [`ensure_parts`](Self::ensure_parts).
    pub fn restore(&self, name: &Name, bytes: &[u8]) -> Result<Placed, StoreError> {
        let document = parse(bytes)?;
        let tree = match &document.content {
            DocumentContent::Manifest(_) => Tree::Legacy,
            DocumentContent::List(_) => Tree::New,
        };
        let content = Content::of(document.clone(), SystemTime::now(), Some(name));
        let model = self.0.model_of(name, &content);
        let model = model.map_err(|problem| StoreError::InvalidManifest { problem })?;
        self.ensure_parts(&model)?;
        self.0.ensure_durable(&self.reached(&model)?)?;
        self.0.place_document(name, document, tree)
    }

    /// Everything that a model's document names, leased: the parts of the model, and of the other manifests
    /// of a list what is there.
    ///
    /// # Errors
    /// [`StoreError::BlobNotFound`] of a part, or what the operating system says.
    pub fn reached(&self, model: &StoredManifest) -> Result<Vec<Blob>, StoreError> {
        let parts = model.manifest.blobs().map(|layer| self.blob(layer.digest));
        let mut leases = parts.collect::<Result<Vec<_>, _>>()?;
        let mut others = Vec::new();
        Reach::new(&self.0).follow(&model.names, None, &mut |digest| others.push(digest));
        // Always in the same order.
        others.sort_unstable();
        for digest in others {
            match self.blob(digest) {
                Ok(blob) => leases.push(blob),
                Err(StoreError::BlobNotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(leases)
    }

    /// Gives a model a second name. The entry is the same, byte for byte, and in the same tree.
    ///
    /// # Errors
    /// [`StoreError::ModelNotFound`], and as [`put_manifest`](Self::put_manifest).
    pub fn copy(&self, source: &Name, target: &Name) -> Result<Placed, StoreError> {
        self.copy_of(&Reference::Name(source.clone()), target)
    }

    /// As [`copy`](Self::copy), of whatever model is meant. One that is known by its digest is a blob, and so
    /// its copy is of the newer kind.
    ///
    /// # Errors
    /// As [`copy`](Self::copy).
    pub fn copy_of(&self, source: &Reference, target: &Name) -> Result<Placed, StoreError> {
        let model = self.find(source)?;
        let tree = match source {
            Reference::Name(name) if self.0.places(name)?.taken_new().is_none() => Tree::Legacy,
            _ => Tree::New,
        };
        if matches!(source, Reference::Name(_)) && self.resolve(target)? == model.name {
            return Ok(Placed { model, replaced: None, given_up: Vec::new() });
        }
        let document = parse(&model.bytes)?;
        let leases = self.reached(&model)?;
        self.0.ensure_durable(&leases)?;
        self.0.place_document(target, document, tree)
    }

    /// Removes a model, durably, and at once those of its blobs that nobody else needs.
    ///
    /// # Errors
    /// [`StoreError::ModelNotFound`], or what the operating system says.
    pub fn remove(&self, name: &Name) -> Result<(), StoreError> {
        let digests = self.0.remove_name(name)?;
        self.remove_unused(&digests)?;
        Ok(())
    }
}

fn parse(bytes: &[u8]) -> Result<Document, StoreError> {
    let invalid = |problem| StoreError::InvalidManifest { problem };
    if bytes.len() > LONGEST_DOCUMENT {
        return Err(invalid(format!("at most {LONGEST_DOCUMENT} bytes expected, got {}", bytes.len())));
    }
    Document::parse(bytes.to_vec()).map_err(|damage| invalid(damage.problem))
}

impl Shared {
    pub(super) fn census(&self) -> Census {
        locked(&self.index).census(&*self.disk, &self.layout)
    }

    /// All entries, of which none is out of sight.
    pub(super) fn whole_census(&self) -> Result<Census, StoreError> {
        let census = self.census();
        match census.lost.first() {
            None => Ok(census),
            Some(place) => Err(StoreError::LostManifests { place: place.clone() }),
        }
    }

    /// The entry of a name that is read, and the name as it is spelled there: that of `manifests-v2`, unless
    /// it is a link that leads nowhere, or an older one.
    fn read(&self, name: &Name) -> Result<Option<(Name, Content)>, StoreError> {
        for look in 1..=LOOKS {
            let places = self.places(name)?;
            for place in places.taken() {
                let spelled = place.name().unwrap_or_else(|| name.clone());
                match Content::read(&*self.disk, &self.layout, &place.path, Some(&spelled)) {
                    Ok((_, content)) => return Ok(Some((spelled, content))),
                    Err(error) if is_absence(&error) => {}
                    Err(error) if place.tree == Tree::New || is_loop(&error) => {
                        let damage = Damage::unreadable(error.kind().to_string());
                        return Ok(Some((spelled, Content::Damaged(damage))));
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            // Only there is a moment without an entry when one is replaced.
            let dangles = places.taken().any(|place| self.disk.is_listed(&place.path));
            let has_directory = |place: &Place| self.disk.metadata(&place.directories[2]).is_ok();
            if dangles || look == LOOKS || !places.new.iter().any(has_directory) {
                break;
            }
            thread::sleep(INTERVAL);
        }
        Ok(None)
    }

    /// The model that an entry holds, or why it holds none.
    pub(super) fn model_of(&self, name: &Name, content: &Content) -> Result<Arc<StoredManifest>, String> {
        match content {
            Content::Model(manifest) => Ok(Arc::clone(manifest)),
            Content::Document(document, modified) => {
                self.model_of_list(document, name, *modified).map(Arc::new).map_err(|damage| damage.problem)
            }
            Content::Damaged(damage) => Err(damage.problem.clone()),
            Content::Dangling(_) | Content::Foreign => Err("it is not a manifest".to_owned()),
        }
    }

    /// Puts a document under a name: in `manifests-v2` if the name is there or is to be there.
    fn place_document(&self, name: &Name, document: Document, tree: Tree) -> Result<Placed, StoreError> {
        let mut temporary = self.write_temporary(&document.bytes)?;
        let naming = locked(&self.naming);
        let places = self.places(name)?;
        let (replaced, given_up) = self.what_is_there(name, &places);
        let is_new = tree == Tree::New || places.taken_new().is_some();
        let target = places.target(if is_new { Tree::New } else { Tree::Legacy });
        let (modified, directory) = match is_new {
            true => {
                self.place_new(&places, &document)?;
                // A process that evicts may have moved it aside for a moment, to look at it.
                let written = target.and_then(|place| self.disk.metadata_of_link(&place.path).ok());
                let modified = written.and_then(|metadata| metadata.modified().ok());
                (modified.unwrap_or_else(SystemTime::now), None)
            }
            false => {
                let modified = temporary.file().metadata()?.modified()?;
                (modified, self.place_legacy(&places, &mut temporary)?)
            }
        };
        drop(naming);
        if let Some(directory) = directory {
            self.sync_entry_in(&directory)?;
        }
        let name = target.and_then(Place::name).unwrap_or_else(|| name.clone());
        let content = Content::of(document, modified, Some(&name));
        let model = self.model_of(&name, &content);
        let model = model.map_err(|problem| StoreError::InvalidManifest { problem })?;
        Ok(Placed { model, replaced, given_up })
    }

    /// The model that has a name, if one can be read, and every digest that the entries of the name reach.
    /// What is damaged is replaced like what is not there.
    fn what_is_there(&self, name: &Name, places: &Places) -> (Option<Arc<StoredManifest>>, Vec<Digest>) {
        let (mut model, mut digests) = (None, Vec::new());
        let mut reach = Reach::new(self);
        for place in places.taken() {
            let spelled = place.name().unwrap_or_else(|| name.clone());
            let Ok((_, content)) = Content::read(&*self.disk, &self.layout, &place.path, Some(&spelled))
            else {
                continue;
            };
            if let Some(names) = content.names() {
                reach.follow(names, None, &mut |digest| digests.push(digest));
            }
            model = model.or_else(|| self.model_of(&spelled, &content).ok());
        }
        (model, digests)
    }

    /// Removes every entry of a name; answers with the digests that they reached.
    fn remove_name(&self, name: &Name) -> Result<Vec<Digest>, StoreError> {
        let _naming = locked(&self.naming);
        let places = self.places(name)?;
        if places.taken().next().is_none() {
            return Err(StoreError::ModelNotFound { name: Box::new(self.resolve(name)?) });
        }
        let (_, digests) = self.what_is_there(name, &places);
        // Who reads both sees the model until it is gone; the blobs go only after that, and for good.
        self.remove_entries(places.legacy.iter().chain(&places.new).filter(|place| place.is_taken))?;
        Ok(digests)
    }
}

fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory
    )
}
