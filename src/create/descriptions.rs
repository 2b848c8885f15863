//! The descriptions of the GGUF blobs that have been asked for: a header is read once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Description;
use crate::gguf::{Gguf, GgufError};
use crate::model::Digest;
use crate::store::{Blob, StoreError};

/// More than any store has; reached only by a store that changes for ever.
const MOST: usize = 100_000;

/// A cache of descriptions by digest. A blob never changes, so an entry never goes stale.
#[derive(Debug, Default)]
pub struct Descriptions(Mutex<HashMap<Digest, Arc<Description>>>);

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
    /// The description of a blob that is known already.
    pub fn known(&self, digest: Digest) -> Option<Arc<Description>> {
        self.lock().get(&digest).cloned()
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
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(digest, Arc::clone(&description));
        description
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Arc<Description>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
