//! The descriptions of the GGUF blobs that have been asked for: a header is read once.

use std::sync::Arc;

use super::description::Description;
use super::error::LibraryError;
use crate::gguf::Gguf;
use crate::model::Digest;
use crate::store::{Blob, PerBlob, Store};

/// A cache of descriptions by digest. A blob never changes, so an entry never goes stale.
#[derive(Debug)]
pub struct Descriptions {
    store: Store,
    known: PerBlob<Arc<Description>>,
}

impl Descriptions {
    /// Nothing is known yet of the blobs of `store`.
    pub fn new(store: Store) -> Self {
        Self { store, known: PerBlob::default() }
    }

    /// The description of a blob that is known already.
    pub fn known(&self, digest: Digest) -> Option<Arc<Description>> {
        self.known.get(digest)
    }

    /// The description of a blob.
    ///
    /// # Errors
    /// The blob cannot be read, or is not a valid GGUF file.
    pub fn of(&self, blob: &Blob) -> Result<Arc<Description>, LibraryError> {
        match self.known(blob.digest()) {
            Some(known) => Ok(known),
            None => Ok(self.keep(blob, &Gguf::parse(blob.bytes()?)?)),
        }
    }

    /// Describes a file that was read anyway. What may be damaged is not remembered.
    pub fn keep(&self, blob: &Blob, gguf: &Gguf<'_>) -> Arc<Description> {
        let description = Arc::new(Description::of(gguf));
        if self.store.is_surely_whole(blob) {
            let is_there = |other| self.store.contains(other).unwrap_or(true);
            self.known.insert(blob.digest(), Arc::clone(&description), is_there);
        }
        description
    }
}
