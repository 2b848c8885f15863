//! The descriptions of the GGUF blobs that have been asked for: a header is read once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Description;
use crate::gguf::{Gguf, GgufError};
use crate::model::Digest;
use crate::store::{Blob, Store, StoreError};

/// So many are kept without asking whether their blobs are still there.
const FEW: usize = 1024;

/// A cache of descriptions by digest. A blob never changes, so an entry never goes stale; those of blobs that are
/// no more are forgotten when they may be about half.
#[derive(Debug)]
pub struct Descriptions {
    store: Store,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    by_digest: HashMap<Digest, Arc<Description>>,
    /// With how many it is time to look which blobs are still there.
    full: usize,
}

/// Why a blob cannot be described.
#[derive(Debug, thiserror::Error)]
pub enum DescriptionError {
    /// It cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It is no valid GGUF file.
    #[error(transparent)]
    Gguf(#[from] GgufError),
}

impl Descriptions {
    /// Nothing is known yet of the blobs of `store`.
    pub(super) fn new(store: Store) -> Self {
        Self { store, known: Mutex::new(Known { by_digest: HashMap::new(), full: FEW }) }
    }

    /// The description of a blob that is known already.
    pub fn known(&self, digest: Digest) -> Option<Arc<Description>> {
        self.lock().by_digest.get(&digest).cloned()
    }

    /// The description of a blob.
    ///
    /// # Errors
    /// The blob cannot be read, or is no valid GGUF file.
    pub fn of(&self, blob: &Blob) -> Result<Arc<Description>, DescriptionError> {
        match self.known(blob.digest()) {
            Some(known) => Ok(known),
            None => Ok(self.keep(blob.digest(), &Gguf::parse(blob.bytes()?)?)),
        }
    }

    /// Describes a file that was read anyway.
    pub(super) fn keep(&self, digest: Digest, gguf: &Gguf<'_>) -> Arc<Description> {
        let description = Arc::new(Description::of(gguf));
        let mut known = self.lock();
        known.by_digest.insert(digest, Arc::clone(&description));
        if known.by_digest.len() >= known.full {
            known.by_digest.retain(|digest, _| self.store.contains(*digest).unwrap_or(true));
            known.full = FEW.max(2 * known.by_digest.len());
        }
        description
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gguf::{Header, Metadata};

    #[test]
    fn descriptions_of_blobs_that_are_no_more_are_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let descriptions = Descriptions::new(store.clone());
        let mut metadata = Metadata::new();
        metadata.set("general.architecture", "llama");
        let header = Header::new(&metadata, &[]).unwrap();
        let gguf = Gguf::parse(header.bytes()).unwrap();
        let stays = store.put_bytes(header.bytes()).unwrap().blob;
        descriptions.of(&stays).unwrap();
        for number in 0..2 * FEW {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&number.to_le_bytes());
            descriptions.keep(Digest::from_bytes(digest), &gguf);
            assert!(descriptions.lock().by_digest.len() < FEW);
        }
        assert!(descriptions.known(stays.digest()).is_some());
    }
}
