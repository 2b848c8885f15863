//! A file of the store that something is made from, leased.

use super::beginning::{BEGINNING, Impostor};
use super::{CreateError, FileName};
use crate::gguf::{Gguf, GgufError};
use crate::model::Digest;
use crate::plan::SourceDescription;
use crate::store::{Blob, Store, StoreError};

/// An uploaded file, or a layer of a model, that cannot be removed while this lives.
#[derive(Debug, Clone)]
pub(super) struct Input {
    /// What the client calls it, or what it is to its model.
    pub(super) file: String,
    pub(super) blob: Blob,
}

impl Input {
    /// An uploaded file.
    pub(super) fn open(store: &Store, name: &FileName, digest: Digest) -> Result<Self, CreateError> {
        let blob = store.blob(digest).map_err(|error| match error {
            StoreError::BlobNotFound { digest } => {
                CreateError::MissingBlob { file: name.to_string(), digest }
            }
            other => other.into(),
        })?;
        let input = Self { file: name.to_string(), blob };
        input.check_beginning()?;
        Ok(input)
    }

    /// Refuses what stands in the place of a file where it was not downloaded itself.
    fn check_beginning(&self) -> Result<(), CreateError> {
        match Impostor::of(&self.beginning()?, &self.file) {
            None => Ok(()),
            Some(Impostor::LargeFilePointer) => {
                Err(CreateError::LargeFilePointer { file: self.file.clone() })
            }
            Some(Impostor::WebPage) => Err(CreateError::WebPage { file: self.file.clone() }),
        }
    }

    /// Whether its first bytes are these, which are few.
    pub(super) fn begins_with(&self, bytes: &[u8]) -> Result<bool, CreateError> {
        Ok(self.beginning()?.starts_with(bytes))
    }

    fn beginning(&self) -> Result<Vec<u8>, CreateError> {
        let mut beginning = vec![0; BEGINNING];
        let count = self.blob.read_at(&mut beginning, 0).map_err(StoreError::from)?;
        beginning.truncate(count);
        Ok(beginning)
    }

    /// Its header, if it is a GGUF file.
    pub(super) fn parse(&self) -> Result<Gguf<'_>, CreateError> {
        let file = || self.file.clone();
        Gguf::parse(self.blob.bytes()?).map_err(|source| match source {
            GgufError::Magic { .. } => CreateError::NotGguf { file: file() },
            source => CreateError::Gguf { file: file(), source: Box::new(source) },
        })
    }

    /// As a source of a plan.
    pub(super) fn source(&self) -> SourceDescription {
        SourceDescription { label: self.file.clone(), length: self.blob.length() }
    }
}
