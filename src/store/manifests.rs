//! Models by name: find, list, put, copy, remove.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::document::LONGEST_DOCUMENT;
use super::entry::Content;
use super::index::Census;
use super::reach::Reach;
use super::stored_manifest::StoredManifest;
use super::{Blob, Shared, Store, StoreError, lease, locked};
use crate::model::{Digest, LONGEST_CONFIG, ModelConfig, Name};

/// A manifest that was put in its place.
#[derive(Debug, Clone)]
pub struct Placed {
    /// The model as it is now.
    pub model: Arc<StoredManifest>,
    /// The model that had the name before, if one had. Its blobs are still there; see [`Store::retire`].
    pub replaced: Option<Arc<StoredManifest>>,
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
        let name = self.resolve(name)?;
        self.0.read_manifest(&name)?.ok_or(StoreError::ModelNotFound { name: Box::new(name) })
    }

    /// All models whose manifests can be read, in the order of their names.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn list(&self) -> Result<Vec<Arc<StoredManifest>>, StoreError> {
        Ok(self.0.census().models().cloned().collect())
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
        let bytes = self.blob(digest)?.read(LONGEST_CONFIG)?;
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
        let invalid = |problem| StoreError::InvalidManifest { problem };
        if bytes.len() > LONGEST_DOCUMENT {
            return Err(invalid(format!("at most {LONGEST_DOCUMENT} bytes expected, got {}", bytes.len())));
        }
        let parsed = StoredManifest::parse(name.clone(), bytes.to_vec(), SystemTime::now())
            .map_err(|damage| invalid(damage.problem))?;
        let leases: Vec<Blob> =
            parsed.manifest.blobs().map(|layer| self.blob(layer.digest)).collect::<Result<_, _>>()?;
        self.0.ensure_durable(&leases)?;
        self.0.place_manifest(parsed)
    }

    /// Gives a model a second name.
    ///
    /// # Errors
    /// [`StoreError::ModelNotFound`], and as [`put_manifest`](Self::put_manifest).
    pub fn copy(&self, source: &Name, target: &Name) -> Result<Placed, StoreError> {
        let source = self.manifest(source)?;
        if self.resolve(target)?.parts() == source.name.parts() {
            return Ok(Placed { model: source, replaced: None });
        }
        self.put_manifest(target, &source.bytes)
    }

    /// Removes a model, durably, and at once those of its blobs that nobody else needs.
    ///
    /// # Errors
    /// [`StoreError::ModelNotFound`], or what the operating system says.
    pub fn remove(&self, name: &Name) -> Result<(), StoreError> {
        let digests = self.0.remove_manifest(name)?;
        self.remove_unused(&digests)?;
        Ok(())
    }
}

impl Shared {
    pub(super) fn census(&self) -> Census {
        locked(&self.index).census(&*self.disk, &self.layout)
    }

    /// All manifests, of which none is out of sight.
    pub(super) fn whole_census(&self) -> Result<Census, StoreError> {
        let census = self.census();
        match census.lost.first() {
            None => Ok(census),
            Some(place) => Err(StoreError::LostManifests { place: place.clone() }),
        }
    }

    /// Only the directories that the name goes through are looked into, and those only where the name as it
    /// is written does not exist.
    fn resolve(&self, name: &Name) -> io::Result<Name> {
        let mut path = self.layout.manifests().to_owned();
        let mut parts = name.parts().map(str::to_owned);
        for part in &mut parts {
            if self.disk.metadata(&path.join(&part)).is_err() {
                match self.spellings.find(&*self.disk, &path, part) {
                    Ok(Some(existing)) => *part = existing,
                    Ok(None) => break,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                    Err(error) => return Err(error),
                }
            }
            path.push(&part);
        }
        let [host, namespace, model, tag] = &parts;
        // Another letter case of a valid name is a valid name.
        Ok(Name::from_parts(host, namespace, model, tag).unwrap_or_else(|_| name.clone()))
    }

    fn read_manifest(&self, name: &Name) -> Result<Option<Arc<StoredManifest>>, StoreError> {
        let (_, path) = self.layout.manifest(name);
        let damaged = |problem| StoreError::DamagedManifest { name: Box::new(name.clone()), problem };
        match Content::read(&*self.disk, &self.layout, &path, Some(name)) {
            Ok((_, Content::Model(manifest))) => Ok(Some(manifest)),
            Ok((_, Content::Damaged(damage))) => Err(damaged(damage.problem)),
            Ok((_, Content::Document(_))) => Err(damaged("it is a list of manifests".to_owned())),
            Ok((_, Content::Foreign | Content::Dangling(_))) => Ok(None),
            Err(error) if is_absence(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn place_manifest(&self, mut manifest: StoredManifest) -> Result<Placed, StoreError> {
        let mut temporary = self.write_temporary(&manifest.bytes)?;
        let file = temporary.file().clone();
        manifest.modified = file.metadata()?.modified()?;
        let naming = locked(&self.naming);
        manifest.name = self.resolve(&manifest.name)?;
        let (directories, path) = self.layout.manifest(&manifest.name);
        // What is damaged is replaced like what is not there.
        let replaced = self.read_manifest(&manifest.name).unwrap_or_default();
        let mut place = || {
            directories.iter().try_for_each(|directory| self.make_directory(directory))?;
            self.spellings.carry_over(&*self.disk, &path, true, || temporary.replace(&path))
        };
        loop {
            match place() {
                Ok(()) => break,
                // Another program has removed a directory, which was empty, just now.
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound
                        && lease::is_linked(&file)?
                        && self.disk.metadata(self.layout.manifests()).is_ok() => {}
                Err(error) => return Err(error.into()),
            }
        }
        drop(naming);
        let [.., directory] = &directories;
        self.sync_entry_in(directory)?;
        Ok(Placed { model: Arc::new(manifest), replaced })
    }

    /// Removes a manifest and the directories that it leaves empty; answers with the digests that it named.
    fn remove_manifest(&self, name: &Name) -> Result<Vec<Digest>, StoreError> {
        let naming = locked(&self.naming);
        let name = self.resolve(name)?;
        let (directories, path) = self.layout.manifest(&name);
        let mut digests = Vec::new();
        match Content::read(&*self.disk, &self.layout, &path, Some(&name)) {
            Ok((_, content)) => {
                let names = content.names();
                Reach::new(self)
                    .follow(&names.cloned().unwrap_or_default(), None, &mut |digest| digests.push(digest));
            }
            Err(error) if is_absence(&error) => {
                return Err(StoreError::ModelNotFound { name: Box::new(name) });
            }
            Err(error) => return Err(error.into()),
        };
        let remove = || self.disk.remove(&path);
        match self.spellings.carry_over(&*self.disk, &path, false, remove) {
            Ok(()) => {}
            Err(error) if is_absence(&error) => {
                return Err(StoreError::ModelNotFound { name: Box::new(name) });
            }
            Err(error) => return Err(error.into()),
        }
        let stays = |directory: &&PathBuf| {
            let remove = || self.disk.remove_directory(directory);
            self.spellings.carry_over(&*self.disk, directory, false, remove).is_err()
        };
        let left = directories.iter().rev().find(stays);
        let deepest = left.map_or(self.layout.manifests(), PathBuf::as_path);
        drop(naming);
        // The blobs go only after the manifest has gone for good.
        self.sync_entry_in(deepest)?;
        Ok(digests)
    }

    /// Makes what happened to an entry of a directory durable, also where the directory is gone itself.
    fn sync_entry_in(&self, mut directory: &Path) -> io::Result<()> {
        loop {
            match (self.disk.sync_directory(directory), directory.parent()) {
                (Err(error), Some(parent)) if error.kind() == io::ErrorKind::NotFound => directory = parent,
                (answer, _) => return answer,
            }
        }
    }
}

fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory
    )
}
