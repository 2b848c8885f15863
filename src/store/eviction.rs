//! Evicting a model that is elsewhere, too. Whether it is, whoever asks has found out.
//!
//! First all blobs of the model are claimed, which nobody can do while somebody holds a lease on one of them;
//! so nothing that is in use goes, nor a model of which a job has begun to make another. The records of jobs
//! that are not over are asked as well. Then the entry is moved aside and looked at once more: another
//! process may have put another model in its place just now, and then it is put back.

use std::collections::HashSet;
use std::io;

use super::disk::{ignore_absence, read_up_to};
use super::document::LONGEST_DOCUMENT;
use super::naming::Place;
use super::{Shared, Store, StoreError, StoredManifest, lease};
use crate::locked::locked;
use crate::model::Digest;

impl Store {
    /// Removes a model with those of its blobs that no other needs; answers with the bytes that this freed.
    /// It stays if anybody uses it, if it has an entry of the newer kind, if its name has another model by
    /// now, or if anything among the manifests cannot be understood.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn evict(&self, model: &StoredManifest) -> Result<Option<u64>, StoreError> {
        let store = &self.0;
        if !store.reach(&store.whole_census()?, &mut |_| ())?.is_empty() {
            return Ok(None);
        }
        let digests: HashSet<Digest> = model.manifest.blobs().map(|layer| layer.digest).collect();
        let mut claimed = Vec::with_capacity(digests.len());
        for digest in &digests {
            match store.claim(*digest)? {
                Some(blob) => claimed.push(blob),
                None => return Ok(None),
            }
        }
        let is_free = store.needed_by_jobs()?.is_some_and(|needed| needed.is_disjoint(&digests));
        if !is_free || !store.take_entry(model)? {
            return Ok(None);
        }
        let mut freed = 0;
        for unused in store.unnamed(claimed)? {
            if store.remove_claimed(&unused)? {
                freed += unused.length();
            }
        }
        Ok(Some(freed))
    }
}

impl Shared {
    /// Removes the entry of a model, durably; `false` if there is another by now.
    fn take_entry(&self, model: &StoredManifest) -> Result<bool, StoreError> {
        let _naming = locked(&self.naming);
        let places = self.places(&model.name)?;
        let mut taken = places.taken();
        // One of the newer kind is written in several steps, which could not all be taken back.
        let (Some(place), None, None) = (taken.next(), taken.next(), places.taken_new()) else {
            return Ok(false);
        };
        let aside = self.layout.temporary().join(format!("evicted-{:016x}", rand::random::<u64>()));
        let moved = self
            .spellings
            .carry_over(&*self.disk, &place.path, false, || self.disk.rename(&place.path, &aside));
        match moved {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            moved => moved?,
        }
        // Without a lease the cleaning of another process would take it for a leftover.
        let read = self.disk.open(&aside).and_then(|file| {
            lease::lock(&*self.disk, &file)?;
            Ok((read_up_to(&*self.disk, &file, LONGEST_DOCUMENT)?, file))
        });
        let is_it = matches!(&read, Ok((bytes, _)) if Digest::of(bytes) == model.digest);
        if !is_it {
            self.put_back(place, &aside)?;
            return Ok(false);
        }
        ignore_absence(self.disk.remove(&aside))?;
        self.leave(place)?;
        Ok(true)
    }

    /// Gives an entry its place again, unless there is a newer one.
    fn put_back(&self, place: &Place, aside: &std::path::Path) -> io::Result<()> {
        let back = || self.disk.rename_new(aside, &place.path);
        match self.spellings.carry_over(&*self.disk, &place.path, true, back) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                ignore_absence(self.disk.remove(aside)).map(drop)
            }
            answer => answer,
        }
    }
}
