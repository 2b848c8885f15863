//! Blobs whose content is known to be what their name says.
//!
//! A disk may lose or change bytes of a blob that was whole when it was stored. To hash a blob each time it is
//! used would cost more than many of the uses, so it is done once for each state of its file that the process
//! meets: what was written or hashed by us is known until the file gets another stamp. Damage that leaves no
//! trace in the stamp is found by the next process, or by a check of the whole store.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Mutex;

use sha2::{Digest as _, Sha256};

use super::stamp::Stamp;
use super::{Blob, Store, StoreError, locked};
use crate::model::Digest;

/// The unit in which blobs are read.
const UNIT: usize = 256 << 10;

/// Shorter blobs are hashed again: that costs less than remembering them.
const SHORT: u64 = UNIT as u64;

/// The state of the file of each blob in which its content is known.
#[derive(Debug, Default)]
pub(super) struct Verified(Mutex<HashMap<Digest, Stamp>>);

impl Verified {
    /// Notes that the file holds what the digest says.
    pub(super) fn insert(&self, digest: Digest, file: &File) {
        // What cannot be asked is not known.
        if let Ok(stamp) = file.metadata().map(|metadata| Stamp::from(&metadata))
            && stamp.length() >= SHORT
        {
            locked(&self.0).insert(digest, stamp);
        }
    }

    pub(super) fn contains(&self, digest: Digest, file: &File) -> bool {
        let known = locked(&self.0).get(&digest).copied();
        known.is_some() && known == file.metadata().map(|metadata| Stamp::from(&metadata)).ok()
    }

    pub(super) fn remove(&self, digest: Digest) {
        locked(&self.0).remove(&digest);
    }
}

impl Store {
    /// Reads a blob and makes sure that its content is what its name says.
    ///
    /// # Errors
    /// [`StoreError::DamagedBlob`], [`StoreError::BlobNotFound`], or what the operating system says.
    pub fn verify(&self, digest: Digest) -> Result<(), StoreError> {
        self.read_through(&self.blob(digest)?, || true)
    }

    /// Makes sure that the content of a blob is what its name says, by reading it unless that is known. Gives up
    /// without an error when `goes_on` says no.
    ///
    /// # Errors
    /// [`StoreError::DamagedBlob`], or what the operating system says.
    pub fn ensure_whole(&self, blob: &Blob, goes_on: impl Fn() -> bool) -> Result<(), StoreError> {
        match self.0.verified.contains(blob.digest(), blob.file()) {
            true => Ok(()),
            false => self.read_through(blob, goes_on),
        }
    }

    fn read_through(&self, blob: &Blob, goes_on: impl Fn() -> bool) -> Result<(), StoreError> {
        let (digest, file) = (blob.digest(), blob.file());
        let before = file.metadata()?;
        let mut hasher = Sha256::new();
        let mut buffer = vec![0; UNIT];
        let mut position = 0;
        loop {
            match blob.read_at(&mut buffer, position)? {
                0 => break,
                count => {
                    hasher.update(&buffer[..count]);
                    position += count as u64;
                }
            }
            if !goes_on() {
                return Ok(());
            }
        }
        let got = Digest::from_bytes(hasher.finalize().into());
        if got != digest {
            self.0.verified.remove(digest);
            return Err(StoreError::DamagedBlob { digest, problem: format!("its content is {got}") });
        }
        if Stamp::from(&before) == Stamp::from(&file.metadata()?) {
            self.0.verified.insert(digest, file);
        }
        Ok(())
    }
}
