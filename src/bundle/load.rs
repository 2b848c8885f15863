//! Models from a stream into the store.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Read};
use std::path::{Component, Path};

use serde::de::DeserializeOwned;
use tar::{Archive, Entry, EntryType};

use super::allowance::Allowance;
use super::error::BundleError;
use super::layout::{BLOBS, Element, INDEX, Index, MARKER, Marker};
use crate::model::{Digest, Manifest, Name};
use crate::store::{Blob, LONGEST_DOCUMENT, Store, StoreError};

/// Entries of a stream; a model of one tensor a blob has some thousand.
const MOST_ENTRIES: usize = 100_000;

/// The most that may stand before the contents of an entry, in bytes: its header, and names and lengths that
/// do not fit into that.
const LONGEST_HEADERS: u64 = 1 << 20;

/// So much is shown of the path of an entry, in characters.
const SHOWN: usize = 200;

/// A model that was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// What it is called, as the store spells it.
    pub name: Name,
    /// The digest of its document.
    pub digest: Digest,
    /// Whether another model had the name, which is gone.
    pub replaced: bool,
}

/// What has arrived of a stream.
#[derive(Default)]
struct Arrived {
    marker: Option<Marker>,
    index: Option<Index>,
    /// Leased until the models are there.
    blobs: HashMap<Digest, Blob>,
    /// Blobs that the store did not have.
    new: Vec<Digest>,
}

/// Reads a bundle and puts its models into the store under the names that they had, in place of those that
/// have these names there. `progress` gets the number of bytes of blobs read so far.
///
/// # Errors
/// What is wrong with the stream; nothing is kept of it then. A model that cannot be put in its place leaves
/// those before it.
pub fn load(store: &Store, stream: impl Read, progress: impl Fn(u64)) -> Result<Vec<Loaded>, BundleError> {
    let mut arrived = Arrived::default();
    let loaded = arrived
        .read(store, stream, progress)
        .and_then(|()| arrived.models(store))
        .and_then(|models| models.into_iter().map(|(name, document)| put(store, &name, &document)).collect());
    let Arrived { blobs, new, .. } = arrived;
    drop(blobs);
    // What no model needs: everything after a failure, and what only the other programs read.
    store.remove_unused(&new)?;
    loaded
}

fn put(store: &Store, name: &Name, document: &Blob) -> Result<Loaded, BundleError> {
    let bytes = document.read(LONGEST_DOCUMENT)?;
    let placed = store.restore(name, &bytes)?;
    let replaced = placed.replaced.is_some_and(|replaced| replaced.digest != placed.model.digest);
    store.retire(placed.given_up);
    Ok(Loaded { name: placed.model.name.clone(), digest: placed.model.digest, replaced })
}

impl Arrived {
    fn read(&mut self, store: &Store, stream: impl Read, progress: impl Fn(u64)) -> Result<(), BundleError> {
        let allowance = Allowance::default();
        let mut archive = Archive::new(allowance.limit(stream));
        let mut entries = archive.entries().map_err(BundleError::Read)?;
        let mut read = 0;
        for number in 0.. {
            allowance.set(LONGEST_HEADERS);
            let Some(entry) = entries.next() else { break };
            let mut entry = entry.map_err(BundleError::Read)?;
            allowance.set(u64::MAX);
            read += self.read_entry(store, number, &mut entry, |count| progress(read + count))?;
            // What is none of ours must not count as what stands before the next one.
            io::copy(&mut entry, &mut io::sink()).map_err(BundleError::Read)?;
        }
        Ok(())
    }

    /// Takes what a layout has; answers with the bytes if it was a blob.
    fn read_entry(
        &mut self,
        store: &Store,
        number: usize,
        entry: &mut Entry<'_, impl Read>,
        progress: impl Fn(u64),
    ) -> Result<u64, BundleError> {
        let path = path_of(entry)?;
        let refuse = |problem| Err(BundleError::Entry { path: path.chars().take(SHOWN).collect(), problem });
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous => {}
            EntryType::Directory | EntryType::XGlobalHeader => return Ok(0),
            EntryType::GNUSparse => return refuse("has holes"),
            EntryType::Link | EntryType::Symlink => return refuse("is a link"),
            _ => return refuse("is neither a file nor a directory"),
        }
        if number >= MOST_ENTRIES {
            return refuse("is one of more than 100000");
        }
        match &*path {
            MARKER => self.marker = Some(from_json(MARKER, entry)?),
            INDEX => self.index = Some(from_json(INDEX, entry)?),
            path => {
                // Other files, such as those of Docker's own layout, are none of ours.
                let Some(digits) = path.strip_prefix(BLOBS) else { return Ok(0) };
                let Ok(digest) = format!("sha256:{digits}").parse() else {
                    return refuse("is not named by a digest");
                };
                let length = entry.size();
                self.take(store, digest, length, entry, progress)?;
                return Ok(length);
            }
        }
        Ok(0)
    }

    /// Puts a blob into the store, unless it is there.
    fn take(
        &mut self,
        store: &Store,
        digest: Digest,
        length: u64,
        entry: &mut impl Read,
        progress: impl Fn(u64),
    ) -> Result<(), BundleError> {
        if let Some(blob) = store.known_blob(digest, length)? {
            self.blobs.insert(digest, blob);
            return Ok(());
        }
        let mut writer = store.create_blob();
        let mut buffer = vec![0; 64 << 10];
        loop {
            match entry.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    io::Write::write_all(&mut writer, &buffer[..count]).map_err(StoreError::from)?;
                    progress(writer.length());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(BundleError::Read(error)),
            }
        }
        if writer.length() != length {
            return Err(BundleError::Read(io::ErrorKind::UnexpectedEof.into()));
        }
        let committed = writer.commit(Some(digest)).map_err(|error| match error {
            StoreError::DigestMismatch { expected, got } => BundleError::Blob { expected, got },
            error => error.into(),
        })?;
        if !committed.existed {
            self.new.push(digest);
        }
        self.blobs.insert(digest, committed.blob);
        Ok(())
    }

    /// The models that the index names, each with its document.
    fn models(&self, store: &Store) -> Result<Vec<(Name, Blob)>, BundleError> {
        let Some(index) = &self.index else { return Err(BundleError::NoIndex) };
        match &self.marker {
            Some(marker) if marker.is_understood() => {}
            Some(marker) => {
                let problem = format!("version {:?} is not known, only 1", marker.version());
                return Err(BundleError::Index { file: MARKER, problem });
            }
            None => return Err(BundleError::Index { file: MARKER, problem: "it is not there".to_owned() }),
        }
        if index.manifests.is_empty() {
            return Err(BundleError::Index { file: INDEX, problem: "it names no model".to_owned() });
        }
        // Under one name the last counts, as it would if they were loaded one after the other.
        let mut models = BTreeMap::new();
        for element in &index.manifests {
            let name = name_of(element)?;
            let digest = element.document().map_err(|error| BundleError::Index {
                file: INDEX,
                problem: format!("{}: {error}", name.short()),
            })?;
            let document = self.find(store, digest, &name)?;
            self.ensure_model(store, &name, &document)?;
            models.insert(name.to_string(), (name, document));
        }
        Ok(models.into_values().collect())
    }

    /// A blob of the bundle, or of the store: other programs leave out what they know to be there.
    fn find(&self, store: &Store, digest: Digest, name: &Name) -> Result<Blob, BundleError> {
        match self.blobs.get(&digest) {
            Some(blob) => Ok(blob.clone()),
            None => {
                store.blob(digest).map_err(|_| BundleError::Missing { digest, name: name.clone().into() })
            }
        }
    }

    /// Refuses images of containers and the like, and models of which a part is missing.
    fn ensure_model(&self, store: &Store, name: &Name, document: &Blob) -> Result<(), BundleError> {
        let bytes = document.read(LONGEST_DOCUMENT)?;
        // What a list says is for the store to understand.
        let Ok(manifest) = Manifest::from_bytes(&bytes) else { return Ok(()) };
        if let Some(layer) = manifest.layers.iter().find(|layer| !layer.media_type.is_ollamas()) {
            let problem = format!("it has a layer of type {:?}", layer.media_type.as_str());
            return Err(BundleError::NoModel { name: name.short(), problem });
        }
        manifest.blobs().try_for_each(|layer| self.find(store, layer.digest, name).map(drop))
    }
}

fn name_of(element: &Element) -> Result<Name, BundleError> {
    let Some(text) = element.name() else {
        let problem = format!("manifest {} has no name", element.digest);
        return Err(BundleError::Index { file: INDEX, problem });
    };
    text.parse().map_err(|error| {
        let problem = format!("{text:?} is not the name of a model: {error}");
        BundleError::Index { file: INDEX, problem }
    })
}

/// The path of an entry, without the `./` that `tar` puts before it.
fn path_of(entry: &Entry<'_, impl Read>) -> Result<String, BundleError> {
    let bytes = entry.path_bytes();
    let text = String::from_utf8_lossy(&bytes);
    let path = Path::new(&*text);
    let mut parts = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => parts.push(part.to_string_lossy()),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                let problem = "leads out of the bundle";
                return Err(BundleError::Entry { path: text.chars().take(SHOWN).collect(), problem });
            }
        }
    }
    Ok(parts.join("/"))
}

fn from_json<T: DeserializeOwned>(file: &'static str, entry: &mut impl Read) -> Result<T, BundleError> {
    let mut text = Vec::new();
    entry.take(LONGEST_DOCUMENT as u64 + 1).read_to_end(&mut text).map_err(BundleError::Read)?;
    if text.len() > LONGEST_DOCUMENT {
        let problem = format!("at most {LONGEST_DOCUMENT} bytes expected");
        return Err(BundleError::Index { file, problem });
    }
    serde_json::from_slice(&text).map_err(|error| BundleError::Index { file, problem: error.to_string() })
}
