//! Putting an entry in its place.
//!
//! A name that `manifests-v2` has is written there and in `manifests`, so that readers of both see the new
//! model: first the manifest as a blob, then the link to it, then the anchor, each durable before the next. A
//! link is made under another name and renamed over the old one, so that there is no moment without. Any
//! other name is a manifest in `manifests` alone, as all versions read it.

use std::io;
use std::path::{Path, PathBuf};

use super::disk::{ignore_absence, write_all_at};
use super::document::{Damage, Document, DocumentContent};
use super::naming::{Place, Places};
use super::temporary::TemporaryFile;
use super::tree::Tree;
use super::{Shared, StoreError, lease};
use crate::model::{Digest, Layer, Manifest, ManifestList, MediaType};

/// What the temporary names of links begin with. Ollama's are alike, and neither is ever taken for a model.
const TEMPORARY_LINK: &str = ".manifest-ollamake-";

impl Shared {
    /// Writes a document as a blob, the entry of `manifests-v2` that leads to it, and its anchor, durably.
    pub(super) fn place_new(&self, places: &Places, document: &Document) -> Result<(), StoreError> {
        let Some(place) = places.target(Tree::New) else { return Ok(()) };
        let blob = self.place_bytes(document.digest, &document.bytes)?.blob;
        // Until the entry is there nothing names it.
        let lease = [blob];
        self.ensure_durable(&lease)?;
        let lead_to_it = || {
            self.make_directories_of(place)?;
            self.place_link(place, document)
        };
        loop {
            match lead_to_it() {
                // Another program has removed a directory, which was empty, just now.
                Err(error)
                    if error.kind() == io::ErrorKind::NotFound
                        && !self.disk.is_listed(&place.directories[2])
                        && self.disk.metadata(self.layout.manifests()).is_ok() => {}
                placed => break placed?,
            }
        }
        self.sync_entry_in(&place.directories[2])?;
        let Some(anchor) = self.anchor(document)? else {
            return self.remove_entries(places.legacy.iter().filter(|place| place.is_taken));
        };
        let mut temporary = self.write_temporary(&anchor.to_bytes())?;
        if let Some(directory) = self.place_legacy(places, &mut temporary)? {
            self.sync_entry_in(&directory)?;
        }
        Ok(())
    }

    /// Gives a manifest its place in `manifests`, instead of every spelling of the name. Answers with the
    /// directory that is to be synced.
    pub(super) fn place_legacy(
        &self,
        places: &Places,
        temporary: &mut TemporaryFile,
    ) -> Result<Option<PathBuf>, StoreError> {
        let Some(target) = places.target(Tree::Legacy) else { return Ok(None) };
        let file = temporary.file().clone();
        let mut place = || {
            self.make_directories_of(target)?;
            self.spellings.carry_over(&*self.disk, &target.path, true, || temporary.replace(&target.path))
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
        let [.., directory] = &target.directories;
        if places.legacy.iter().any(|place| place.is_taken && place.path != target.path) {
            // The other spelling goes only when this one is there for good.
            self.sync_entry_in(directory)?;
            let others = places.legacy.iter().filter(|place| place.is_taken && place.path != target.path);
            self.remove_entries(others)?;
        }
        Ok(Some(directory.clone()))
    }

    fn make_directories_of(&self, place: &Place) -> io::Result<()> {
        self.make_directory(self.layout.tree(place.tree))?;
        place.directories.iter().try_for_each(|directory| self.make_directory(directory))
    }

    /// Makes an entry that leads to a blob, in place of what is there: a link, or what the file system can
    /// do.
    fn place_link(&self, place: &Place, document: &Document) -> io::Result<()> {
        let directory = &place.directories[2];
        let temporary = temporary_entry(directory);
        let blob = self.layout.blob(document.digest);
        let target = Path::new("../../../../blobs").join(document.digest.file_name());
        let made = self.disk.make_link(&target, &temporary).and_then(|()| {
            // Where `manifests-v2` is a link itself, the way up leads elsewhere.
            if lease::is_same(&*self.disk, &temporary, &blob)? {
                return Ok(());
            }
            Err(io::ErrorKind::Unsupported.into())
        });
        let made = made.or_else(|_| {
            ignore_absence(self.disk.remove(&temporary))?;
            self.disk.make_hard_link(&blob, &temporary)
        });
        let made = made.or_else(|_| {
            let file = self.disk.create(&temporary)?;
            write_all_at(&*self.disk, &file, &document.bytes, 0)?;
            self.disk.sync(&file)
        });
        let placed = made.and_then(|()| {
            let rename = || self.disk.rename(&temporary, &place.path);
            self.spellings.carry_over(&*self.disk, &place.path, true, rename)
        });
        // Renaming does nothing where both are the same file.
        let _ = ignore_absence(self.disk.remove(&temporary));
        placed
    }

    /// What keeps the blobs of a document where only `manifests` is read: the manifest that the oldest
    /// versions can run, and a layer for each document.
    fn anchor(&self, document: &Document) -> Result<Option<Manifest>, StoreError> {
        let kept = |kind: &str, digest: Digest| -> Result<Layer, StoreError> {
            let size = self.length_of(digest)?.unwrap_or(0);
            Ok(Layer::new(MediaType::from(kind.to_owned()), digest, size))
        };
        let (manifest, documents) = match &document.content {
            DocumentContent::Manifest(manifest) => {
                (Some(manifest.clone()), vec![kept(Manifest::MEDIA_TYPE, document.digest)?])
            }
            DocumentContent::List(list) => {
                let problem = |damage: Damage| StoreError::InvalidManifest { problem: damage.problem };
                let mut documents = vec![kept(ManifestList::MEDIA_TYPE, document.digest)?];
                for child in self.children_of(list) {
                    documents.push(kept(Manifest::MEDIA_TYPE, child)?);
                }
                (self.oldest_of_list(document).map_err(problem)?, documents)
            }
        };
        Ok(manifest.map(|manifest| {
            let mut anchor = manifest.without_documents();
            // Older versions do not know them.
            anchor.runner.clear();
            anchor.format.clear();
            anchor.layers.extend(documents);
            anchor
        }))
    }

    /// Removes entries and the directories that they leave empty, durably.
    pub(super) fn remove_entries<'p>(
        &self,
        places: impl Iterator<Item = &'p Place>,
    ) -> Result<(), StoreError> {
        for place in places {
            let remove = || self.disk.remove(&place.path);
            ignore_absence(self.spellings.carry_over(&*self.disk, &place.path, false, remove))?;
            self.leave(place)?;
        }
        Ok(())
    }

    /// Removes the directories that an entry has left empty, and makes it durable that it is gone.
    pub(super) fn leave(&self, place: &Place) -> io::Result<()> {
        let stays = |directory: &&PathBuf| {
            let remove = || self.disk.remove_directory(directory);
            self.spellings.carry_over(&*self.disk, directory, false, remove).is_err()
        };
        let left = place.directories.iter().rev().find(stays);
        self.sync_entry_in(left.map_or(self.layout.tree(place.tree), PathBuf::as_path))
    }

    /// Makes what happened to an entry of a directory durable, also where the directory is gone itself.
    pub(super) fn sync_entry_in(&self, mut directory: &Path) -> io::Result<()> {
        loop {
            match (self.disk.sync_directory(directory), directory.parent()) {
                (Err(error), Some(parent)) if error.kind() == io::ErrorKind::NotFound => directory = parent,
                (answer, _) => return answer,
            }
        }
    }
}

/// A name in a directory of entries that is never taken for a model. What is left under it is removed when it
/// is old.
pub(super) fn temporary_entry(directory: &Path) -> PathBuf {
    directory.join(format!("{TEMPORARY_LINK}{:016x}", rand::random::<u64>()))
}

/// Whether a process began to make a link of this name.
pub(super) fn is_temporary_link(name: &str) -> bool {
    name.starts_with(TEMPORARY_LINK)
}
