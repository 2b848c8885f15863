//! Blobs whose content is known to be what their name says.
//!
//! A disk may lose or change bytes of a blob that was whole when it was stored. To hash a blob each time it is
//! used would cost more than many of the uses, so it is done once for each state of its file that the process
//! meets: what was written or hashed by us is known until the file gets another stamp. Damage that leaves no
//! trace in the stamp is found by the next process, or by a check of the whole store.

use std::fs::File;
use std::io;

use sha2::{Digest as _, Sha256};

use super::stamp::Stamp;
use super::{Blob, Shared, Store, StoreError};
use crate::model::Digest;

/// The unit in which blobs are read; each thread has one such buffer.
pub(super) const UNIT: usize = 256 << 10;

/// Shorter blobs are hashed again: that costs less than remembering them.
const SHORT: u64 = UNIT as u64;

impl Store {
    /// Reads a blob and makes sure that its content is what its name says.
    ///
    /// # Errors
    /// [`StoreError::DamagedBlob`], [`StoreError::BlobNotFound`], or what the operating system says.
    pub fn verify(&self, digest: Digest) -> Result<(), StoreError> {
        self.hash(&self.blob(digest)?, |_| true)
    }

    /// Makes sure that the content of a blob is what its name says, by reading it unless that is known. Gives up
    /// without an error when `goes_on` says no.
    ///
    /// # Errors
    /// [`StoreError::DamagedBlob`], or what the operating system says.
    pub fn ensure_whole(&self, blob: &Blob, goes_on: impl Fn() -> bool) -> Result<(), StoreError> {
        match self.0.is_known_whole(blob.digest(), blob.file()) {
            true => Ok(()),
            false => self.hash(blob, |_| goes_on()),
        }
    }

    fn hash(&self, blob: &Blob, goes_on: impl Fn(u64) -> bool) -> Result<(), StoreError> {
        let digest = blob.digest();
        match self.0.read_through(blob, &mut vec![0; UNIT], goes_on)? {
            Some(got) if got != digest => {
                Err(StoreError::DamagedBlob { digest, problem: format!("its content is {got}") })
            }
            _ => Ok(()),
        }
    }
}

impl Shared {
    /// Notes that the file holds what the digest says.
    pub(super) fn note_whole(&self, digest: Digest, file: &File) {
        // What cannot be asked is not known.
        if let Ok(stamp) = file.metadata().map(|metadata| Stamp::from(&metadata))
            && stamp.length() >= SHORT
        {
            let is_there = |other| !matches!(self.length_of(other), Ok(None));
            self.verified.insert(digest, stamp, is_there);
        }
    }

    /// Whether the file holds what the digest says, as far as that is known.
    pub(super) fn is_known_whole(&self, digest: Digest, file: &File) -> bool {
        let known = self.verified.get(digest);
        known.is_some() && known == file.metadata().map(|metadata| Stamp::from(&metadata)).ok()
    }

    /// The digest of a blob's content, and from now on it is known whether that is what its name says. `goes_on`
    /// gets the number of bytes of each step; `None` when it says no.
    pub(super) fn read_through(
        &self,
        blob: &Blob,
        buffer: &mut [u8],
        goes_on: impl Fn(u64) -> bool,
    ) -> io::Result<Option<Digest>> {
        let (digest, file) = (blob.digest(), blob.file());
        let before = Stamp::from(&file.metadata()?);
        let mut hasher = Sha256::new();
        let mut position = 0;
        loop {
            let count = blob.read_at(buffer, position)?;
            if count == 0 {
                break;
            }
            hasher.update(&buffer[..count]);
            position += count as u64;
            if !goes_on(count as u64) {
                return Ok(None);
            }
        }
        let got = Digest::from_bytes(hasher.finalize().into());
        if got != digest {
            self.verified.remove(digest);
        } else if Stamp::from(&file.metadata()?) == before {
            self.note_whole(digest, file);
        }
        Ok(Some(got))
    }
}
