//! The files that a model's weights are in, open.

use super::parts::Parts;
use crate::gguf::Gguf;
use crate::store::{Blob, Store, StoreError};

/// The files that a model's weights are in: one, or several that it was split into.
#[derive(Debug)]
pub(crate) struct Weights(Vec<Blob>);

impl Weights {
    /// Opens them; a model that runs elsewhere has none.
    ///
    /// # Errors
    /// What the store says about a blob.
    pub(crate) fn open(store: &Store, parts: &Parts) -> Result<Self, StoreError> {
        let files = if parts.config.remote_host.is_empty() { parts.files.as_slice() } else { &[] };
        files.iter().map(|digest| store.blob(*digest)).collect::<Result<_, _>>().map(Self)
    }

    /// The files in their order.
    pub(crate) fn files(&self) -> &[Blob] {
        &self.0
    }

    /// Their headers. The first has the metadata of all.
    ///
    /// # Errors
    /// [`StoreError::DamagedBlob`] if one is no GGUF file.
    pub(crate) fn parse(&self) -> Result<Vec<Gguf<'_>>, StoreError> {
        self.0.iter().map(parse_gguf).collect()
    }
}

/// The header of a GGUF file of the store.
///
/// # Errors
/// [`StoreError::DamagedBlob`] if it is none.
pub(crate) fn parse_gguf(blob: &Blob) -> Result<Gguf<'_>, StoreError> {
    let damaged = |problem: String| StoreError::DamagedBlob { digest: blob.digest(), problem };
    Gguf::parse(blob.bytes()?).map_err(|error| damaged(error.to_string()))
}
