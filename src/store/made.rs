//! What was made from what, so that nothing is made twice.
//!
//! `ollamake/made/<digest of the recipe>` holds the digest of the blob that came out. These files are hints
//! (`hints.rs`), and none is believed unless the blob is there.

use std::io;

use super::disk::ignore_absence;
use super::{Blob, Shared, Store, StoreError};
use crate::model::Digest;

/// A digest as text is this long.
const LONGEST: usize = 128;

impl Store {
    /// The blob that a recipe made before, if the store still has it and it is whole; gives up when `goes_on`
    /// says no.
    ///
    /// # Errors
    /// What the operating system says about the blob.
    pub fn made(&self, recipe: Digest, goes_on: impl Fn() -> bool) -> Result<Option<Blob>, StoreError> {
        match self.0.read_made(recipe) {
            Some(digest) => self.whole_blob(digest, None, goes_on),
            None => Ok(None),
        }
    }

    /// The digest of what a recipe has made, whether that is still there or not.
    pub fn made_blob(&self, recipe: Digest) -> Option<Digest> {
        self.0.read_made(recipe)
    }

    /// Remembers what a recipe has made. A failure costs nothing but work, so it is only logged.
    pub fn remember_made(&self, recipe: Digest, blob: Digest) {
        if let Err(error) = self.0.write_made(recipe, blob, false) {
            tracing::debug!(%error, "what was made is not remembered");
        }
    }
}

impl Shared {
    /// The digest of what a recipe has made, whether that is still there or not.
    pub(super) fn read_made(&self, recipe: Digest) -> Option<Digest> {
        self.read_hint_text(&self.layout.made_by(recipe), LONGEST)?.parse().ok()
    }

    /// Remembers what a recipe has made, so that a loss of power leaves that if it `is_dear`.
    pub(super) fn write_made(&self, recipe: Digest, blob: Digest, is_dear: bool) -> io::Result<()> {
        let mut temporary = self.write_unsynced(blob.to_string().as_bytes())?;
        // Of what a loss of power tears nothing can be parsed, and then it is made again.
        if is_dear {
            self.disk.sync(temporary.file())?;
        }
        temporary.replace(&self.layout.made_by(recipe))?;
        if is_dear { self.disk.sync_directory(self.layout.made()) } else { Ok(()) }
    }

    /// Forgets what led to blobs that are gone.
    pub(super) fn forget_lost(&self) -> io::Result<()> {
        for name in self.list_or_nothing(self.layout.made())? {
            let path = self.layout.made().join(&name);
            if !self.disk.metadata(&path).is_ok_and(|metadata| metadata.is_file()) {
                continue;
            }
            let kept = name.parse().ok().and_then(|recipe| self.read_made(recipe));
            if kept.is_none_or(|blob| self.disk.metadata(&self.layout.blob(blob)).is_err()) {
                ignore_absence(self.disk.remove(&path))?;
            }
        }
        Ok(())
    }
}
