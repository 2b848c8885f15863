//! Evicting a model that is elsewhere, too. Whether it is, whoever asks has found out.
//!
//! First all blobs of the model are claimed, which nobody can do while somebody holds a lease on one of them;
//! so nothing that is in use goes, nor a model of which a job has begun to make another. The records of jobs
//! that are not over are asked as well. Then the entries are moved aside, each of which is looked at once
//! more: another process may have put another model in its place just now, and then all are put back.
//!
//! A name may have several entries: one of the newer kind and its anchor, or one under either name of the
//! public registry. They go together, and only if none of them keeps anything beside the model, since nobody
//! has found out whether that is elsewhere. The older ones go first: whenever that is interrupted, what is
//! left is the model.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use super::disk::{ignore_absence, read_up_to};
use super::document::LONGEST_DOCUMENT;
use super::entry::Content;
use super::naming::Place;
use super::placing::temporary_entry;
use super::reach::Reach;
use super::{Shared, Store, StoreError, StoredManifest};
use crate::locked::locked;
use crate::model::Digest;

/// By what an entry is known again after it was moved.
#[derive(Debug, PartialEq, Eq)]
enum Mark {
    /// What a link says.
    Link(PathBuf),
    /// The digest of a file.
    File(Digest),
}

/// An entry that was moved aside.
struct Aside<'p> {
    place: &'p Place,
    path: PathBuf,
    /// Nothing if it cannot be read.
    mark: Option<Mark>,
}

impl Store {
    /// Removes a model with those of its blobs that no other needs; answers with the bytes that this freed.
    /// It stays if anybody uses it, if its name has another model by now, if an entry of its name keeps
    /// anything else, or if anything among the manifests cannot be understood.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn evict(&self, model: &StoredManifest) -> Result<Option<u64>, StoreError> {
        let store = &self.0;
        if !store.reach(&store.whole_census()?, &mut |_| ())?.is_empty() {
            return Ok(None);
        }
        let digests: HashSet<Digest> = model.manifest.blobs().map(|layer| layer.digest).collect();
        let mut claimed = Vec::with_capacity(digests.len() + 1);
        for digest in &digests {
            match store.claim(*digest)? {
                Some(blob) => claimed.push(blob),
                None => return Ok(None),
            }
        }
        let is_free = store.needed_by_jobs()?.is_some_and(|needed| needed.is_disjoint(&digests));
        if !is_free || !store.take_entries(model, &digests)? {
            return Ok(None);
        }
        // The document that a newer entry leads to.
        claimed.extend(store.claim(model.digest)?);
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
    /// Removes the entries of a model with these blobs, durably; `false` if they are not its own by now.
    fn take_entries(&self, model: &StoredManifest, blobs: &HashSet<Digest>) -> Result<bool, StoreError> {
        let _naming = locked(&self.naming);
        let places = self.places(&model.name)?;
        let taken: Vec<_> = places.legacy.iter().chain(&places.new).filter(|place| place.is_taken).collect();
        let (mut marks, mut is_there) = (Vec::with_capacity(taken.len()), false);
        for &place in &taken {
            // Before the content, so that it is noticed if this is replaced meanwhile.
            let Some(mark) = self.mark(&place.path)? else { return Ok(false) };
            let Some(is_it) = self.is_of(place, model, blobs)? else { return Ok(false) };
            marks.push(mark);
            is_there |= is_it;
        }
        if !is_there {
            return Ok(false);
        }
        let mut asides = Vec::with_capacity(taken.len());
        for (place, mark) in taken.into_iter().zip(marks) {
            let moved = self.move_aside(place, &mut asides);
            let is_known = |aside: &Aside<'_>| aside.mark.as_ref() == Some(&mark);
            let is_it = matches!(moved, Ok(true)) && asides.last().is_some_and(is_known);
            if !is_it {
                let back = asides.iter().rev().map(|aside| self.put_back(aside));
                // Each, whatever becomes of the others.
                back.fold(Ok(()), io::Result::and)?;
                return moved.map(|_| false).map_err(StoreError::from);
            }
        }
        for aside in &asides {
            ignore_absence(self.disk.remove(&aside.path))?;
        }
        asides.iter().try_for_each(|aside| self.leave(aside.place))?;
        Ok(true)
    }

    /// Whether an entry is the model itself (`true`), or only keeps what the model consists of, such as its
    /// anchor; nothing if it keeps anything else.
    fn is_of(
        &self,
        place: &Place,
        model: &StoredManifest,
        blobs: &HashSet<Digest>,
    ) -> Result<Option<bool>, StoreError> {
        let name = place.name();
        let content = match Content::read(&*self.disk, &self.layout, &place.path, name.as_ref()) {
            Ok((_, content)) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Content::dangling(&*self.disk, &place.path)
            }
            Err(error) => return Err(error.into()),
        };
        let digest = match &content {
            Content::Model(written) => Some(written.digest),
            Content::Document(written, _) => Some(written.digest),
            // It keeps nothing.
            Content::Dangling(_) => None,
            Content::Damaged(_) | Content::Foreign => return Ok(None),
        };
        let (mut reach, mut named) = (Reach::new(self), HashSet::new());
        if let Some(names) = content.names() {
            let mut note = |digest| {
                named.insert(digest);
            };
            reach.follow(names, None, &mut note);
        }
        let is_it = digest == Some(model.digest);
        let is_of_it = is_it || digest.is_none() || named.contains(&model.digest);
        if !is_of_it || !reach.unread.is_empty() {
            return Ok(None);
        }
        for digest in named.iter().filter(|digest| **digest != model.digest && !blobs.contains(digest)) {
            if self.length_of(*digest)?.is_some() {
                return Ok(None);
            }
        }
        Ok(Some(is_it))
    }

    /// Moves an entry aside, and looks what it is; `false` if it is gone.
    fn move_aside<'p>(&self, place: &'p Place, asides: &mut Vec<Aside<'p>>) -> io::Result<bool> {
        // In the same directory, where what it names goes on being named.
        let path = temporary_entry(&place.directories[2]);
        let moved = self
            .spellings
            .carry_over(&*self.disk, &place.path, false, || self.disk.rename(&place.path, &path));
        match moved {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            moved => moved?,
        }
        let mark = self.mark(&path).ok().flatten();
        asides.push(Aside { place, path, mark });
        Ok(true)
    }

    /// By what an entry is known; nothing if it is not there.
    fn mark(&self, path: &Path) -> io::Result<Option<Mark>> {
        let mark = || -> io::Result<Mark> {
            if let Some(target) = self.disk.link(path)? {
                return Ok(Mark::Link(target));
            }
            let bytes = read_up_to(&*self.disk, &self.disk.open(path)?, LONGEST_DOCUMENT)?;
            Ok(Mark::File(Digest::of(&bytes)))
        };
        match mark() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            mark => mark.map(Some),
        }
    }

    /// Gives an entry its place again, unless there is a newer one.
    fn put_back(&self, aside: &Aside<'_>) -> io::Result<()> {
        let Aside { place, path, .. } = aside;
        let back = || self.disk.rename_new(path, &place.path);
        match self.spellings.carry_over(&*self.disk, &place.path, true, back) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                ignore_absence(self.disk.remove(path)).map(drop)
            }
            // Pruning takes it for a leftover if it is old, and then it is of the model that is elsewhere.
            back => ignore_absence(back).map(drop),
        }
    }
}
