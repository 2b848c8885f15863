//! Blobs whose content is known to be what their name says.
//!
//! A disk may lose or change bytes of a blob that was whole when it was stored, and an interrupted copy of a
//! store leaves half of one. To hash a blob each time it is used would cost more than many of the uses, so it
//! is done once for each state of its file: what was written or hashed by us is known until the file gets
//! another stamp. That is remembered by this process, and for other processes and later ones in
//! `ollamake/verified/<name of the blob>`. These files are hints (`hints.rs`), and none is believed of a file
//! with another stamp.
//!
//! A blob of which nothing is known is hashed before it is said to be there. Damage that leaves no trace in
//! the stamp, as of a bad disk, is found by a check of the whole store.

use std::fs::File;
use std::io;

use super::disk::is_no_file;
use super::hashed::{Hashed, UNIT};
use super::stamp::Stamp;
use super::{Blob, Shared, Store, StoreError};
use crate::locked::locked;
use crate::model::{Digest, Layer};

/// Shorter blobs are not remembered beyond this process: to hash them costs less.
const SHORT: u64 = UNIT as u64;

/// A stamp as text is this long.
const LONGEST_RECORD: usize = 256;

impl Store {
    /// Reads a blob and makes sure that its content is what its name says.
    ///
    /// # Errors
    /// [`StoreError::DamagedBlob`], [`StoreError::BlobNotFound`], or what the operating system says.
    pub fn verify(&self, digest: Digest) -> Result<(), StoreError> {
        self.hash(&self.blob(digest)?, |_| true)
    }

    /// Makes sure that the content of a blob is what its name says, by reading it unless that is known. Gives
    /// up without an error when `goes_on` says no.
    ///
    /// # Errors
    /// [`StoreError::DamagedBlob`], or what the operating system says.
    pub fn ensure_whole(&self, blob: &Blob, goes_on: impl Fn() -> bool) -> Result<(), StoreError> {
        let digest = blob.digest();
        if self.0.is_known_whole(digest, blob.file()) {
            return Ok(());
        }
        match self.0.known_damage(blob) {
            Some(got) => Err(damage(digest, got)),
            None => self.hash(blob, |_| goes_on()),
        }
    }

    /// Opens a blob and takes a lease on it, if it is there in this length and its content is what its name
    /// says, which is looked at unless it is known. One that is damaged is as good as none: whoever has its
    /// bytes may put them in its place.
    ///
    /// # Errors
    /// What the operating system says when it cannot be opened.
    pub fn whole_blob(
        &self,
        digest: Digest,
        length: Option<u64>,
        goes_on: impl Fn() -> bool,
    ) -> Result<Option<Blob>, StoreError> {
        let Some(blob) = self.0.usable_blob(digest)? else { return Ok(None) };
        if length.is_some_and(|length| length != blob.length()) {
            return Ok(None);
        }
        Ok(self.0.is_whole(&blob, goes_on).then_some(blob))
    }

    /// Opens a blob and takes a lease on it, if it is there in this length and known to be whole, or short
    /// enough to be looked at.
    ///
    /// # Errors
    /// What the operating system says when it cannot be opened.
    pub fn known_blob(&self, digest: Digest, length: u64) -> Result<Option<Blob>, StoreError> {
        let blob = self.0.usable_blob(digest)?.filter(|blob| blob.length() == length);
        Ok(blob.filter(|blob| self.0.is_surely_whole(blob)))
    }

    /// The content of a layer, which must not be longer than `limit` bytes, and is what its name says.
    ///
    /// # Errors
    /// As [`blob_of`](Self::blob_of) and [`ensure_whole`](Self::ensure_whole).
    pub fn read_layer(&self, layer: &Layer, limit: usize) -> Result<Vec<u8>, StoreError> {
        let blob = self.blob_of(layer)?;
        let contents = blob.read(limit)?;
        self.ensure_whole(&blob, || true)?;
        Ok(contents)
    }

    /// Whether a blob is whole, as far as that is known or cheap to know.
    pub fn is_surely_whole(&self, blob: &Blob) -> bool {
        self.0.is_surely_whole(blob)
    }

    /// Whether it takes the reading of a long blob to know whether it is whole.
    pub fn has_to_read(&self, blob: &Blob) -> bool {
        blob.length() >= SHORT
            && !self.0.is_known_whole(blob.digest(), blob.file())
            && self.0.known_damage(blob).is_none()
    }

    fn hash(&self, blob: &Blob, goes_on: impl Fn(u64) -> bool) -> Result<(), StoreError> {
        let digest = blob.digest();
        match self.0.read_through(blob, &mut vec![0; UNIT], goes_on)? {
            Some(got) if got != digest => Err(damage(digest, got)),
            _ => Ok(()),
        }
    }
}

fn damage(digest: Digest, got: Digest) -> StoreError {
    StoreError::DamagedBlob { digest, problem: format!("its content is {got}") }
}

impl Shared {
    /// The blob, for those who need its content.
    pub(super) fn usable_blob(&self, digest: Digest) -> Result<Option<Blob>, StoreError> {
        self.find_blob(digest).map_err(|error| match is_no_file(&error) {
            true => StoreError::DamagedBlob { digest, problem: "it is not a file".to_owned() },
            false => error.into(),
        })
    }

    /// Notes that the file holds what the digest says.
    pub(super) fn note_whole(&self, digest: Digest, file: &File) {
        // What cannot be asked is not known.
        let Ok(stamp) = file.metadata().map(|metadata| Stamp::from(&metadata)) else { return };
        self.remember(digest, stamp);
        if stamp.length() >= SHORT
            && let Err(error) = self.write_record(digest, stamp)
        {
            tracing::debug!(%error, "that a blob is whole is not remembered");
        }
    }

    /// Whether the file holds what the digest says, as far as that is known.
    pub(super) fn is_known_whole(&self, digest: Digest, file: &File) -> bool {
        let Ok(stamp) = file.metadata().map(|metadata| Stamp::from(&metadata)) else { return false };
        if self.verified.get(digest) == Some(stamp) {
            return true;
        }
        let is_recorded = stamp.length() >= SHORT && self.read_record(digest) == Some(stamp);
        if is_recorded {
            self.remember(digest, stamp);
        }
        is_recorded
    }

    /// Whether a blob is whole: by what is known, or by reading it. One that cannot be read is not; nor is
    /// one of which `goes_on` does not want to know.
    pub(super) fn is_whole(&self, blob: &Blob, goes_on: impl Fn() -> bool) -> bool {
        let digest = blob.digest();
        let known = || match self.is_known_whole(digest, blob.file()) {
            true => Some(true),
            false => self.known_damage(blob).map(|_| false),
        };
        if let Some(known) = known() {
            return known;
        }
        // Many may ask for the same blob at once, and one answer serves all.
        let _one_at_a_time = (blob.length() >= SHORT).then(|| locked(&self.looking));
        if let Some(known) = known() {
            return known;
        }
        // A short one is read before anybody could say no.
        let goes_on = |_| blob.length() < SHORT || goes_on();
        match self.read_through(blob, &mut vec![0; UNIT], goes_on) {
            Ok(Some(got)) if got != digest => {
                tracing::warn!(%digest, %got, "a blob is damaged; it counts as missing");
                false
            }
            Ok(got) => got.is_some(),
            Err(error) => {
                tracing::warn!(%digest, %error, "a blob cannot be read; it counts as missing");
                false
            }
        }
    }

    /// Whether a blob is whole, as far as that is known or cheap to know.
    pub(super) fn is_surely_whole(&self, blob: &Blob) -> bool {
        match blob.length() < SHORT {
            true => self.is_whole(blob, || true),
            false => self.is_known_whole(blob.digest(), blob.file()),
        }
    }

    /// The digest of a blob's content, and from now on it is known whether that is what its name says.
    /// `goes_on` gets the number of bytes of each step; `None` when it says no.
    pub(super) fn read_through(
        &self,
        blob: &Blob,
        buffer: &mut [u8],
        goes_on: impl Fn(u64) -> bool,
    ) -> io::Result<Option<Digest>> {
        let (digest, file) = (blob.digest(), blob.file());
        let Some((hashed, state)) = Hashed::of_file(&*self.disk, file, buffer, goes_on)? else {
            return Ok(None);
        };
        let got = hashed.digest();
        if got != digest {
            self.forget_whole(digest);
            if let Some(state) = state {
                self.damaged.insert(digest, (state, got), |other| self.may_be_there(other));
            }
        } else if let Some(state) = state {
            self.damaged.remove(digest);
            // The record must not outlive bytes that were only in memory.
            match state.length() < SHORT || self.ensure_durable(std::slice::from_ref(blob)).is_ok() {
                true => self.note_whole(digest, file),
                false => self.remember(digest, state),
            }
        }
        Ok(Some(got))
    }

    /// The digest of a blob's content, if it is known that it is another than its name says.
    fn known_damage(&self, blob: &Blob) -> Option<Digest> {
        let (stamp, got) = self.damaged.get(blob.digest())?;
        let now = Stamp::from(&blob.file().metadata().ok()?);
        (now == stamp).then_some(got)
    }

    /// Forgets what was known of a blob that is damaged or gone.
    pub(super) fn forget_whole(&self, digest: Digest) {
        self.verified.remove(digest);
        // A record of another file is not believed.
        let _ = self.disk.remove(&self.layout.verified_record(digest));
    }

    /// Removes the records of blobs that are gone.
    pub(super) fn forget_gone(&self) -> io::Result<()> {
        self.forget_gone_in(self.layout.verified())
    }

    fn remember(&self, digest: Digest, stamp: Stamp) {
        self.verified.insert(digest, stamp, |other| self.may_be_there(other));
    }

    fn may_be_there(&self, digest: Digest) -> bool {
        !matches!(self.length_of(digest), Ok(None))
    }

    fn read_record(&self, digest: Digest) -> Option<Stamp> {
        self.read_hint_text(&self.layout.verified_record(digest), LONGEST_RECORD)?.parse().ok()
    }

    fn write_record(&self, digest: Digest, stamp: Stamp) -> io::Result<()> {
        self.write_hint(&self.layout.verified_record(digest), stamp.to_string().as_bytes())
    }
}
