//! The files that a model's weights are in, open.

use super::error::LibraryError;
use super::parts::Parts;
use crate::gguf::Gguf;
use crate::plan::{Plan, Shard, SourceDescription};
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

    /// The plan that copies all of their tensors. Its sources are the files in their order.
    ///
    /// # Errors
    /// One is no GGUF file, or they are not the shards of one model.
    pub(crate) fn plan(&self) -> Result<Plan, LibraryError> {
        let described = |blob: &Blob| SourceDescription {
            label: format!("blob {}", blob.digest()),
            length: blob.length(),
        };
        let files = self.0.iter().zip(self.parse()?);
        let shards: Vec<_> = files.map(|(blob, file)| Shard { description: described(blob), file }).collect();
        Ok(match shards.as_slice() {
            [only] if !Plan::is_shard(&only.file) => Plan::copying(&only.file, only.description.clone()),
            shards => Plan::joining(shards),
        }
        .map_err(Box::new)?)
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
