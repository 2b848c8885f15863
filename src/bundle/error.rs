//! What can go wrong with a bundle.

use std::io;

use crate::model::{Digest, Name};
use crate::store::StoreError;

/// A bundle that cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of a variant says what its fields are")]
pub enum BundleError {
    /// The stream that is written.
    #[error("the bundle cannot be written: {0}")]
    Write(#[source] io::Error),
    /// The stream that is read.
    #[error("the bundle cannot be read: {0}; it should be a tar file of an OCI image layout, not compressed")]
    Read(#[source] io::Error),
    /// The stream ended, and no index had come.
    #[error("the bundle has no index.json: it is not an OCI image layout, or it was cut off")]
    NoIndex,
    /// An entry of the tar stream that a layout does not have.
    #[error("the bundle has an entry {path:?} that {problem}; nothing is loaded")]
    Entry { path: String, problem: &'static str },
    /// The layout or its index cannot be understood.
    #[error("{file} of the bundle cannot be used: {problem}")]
    Index { file: &'static str, problem: String },
    /// The bytes of a blob are not those that its name says.
    #[error("blob {expected} of the bundle is damaged: its content is {got}; copy the bundle again")]
    Blob { expected: Digest, got: Digest },
    /// A blob that the bundle should have.
    #[error("the bundle has no blob {digest}, which model '{}' needs", name.short())]
    Missing { digest: Digest, name: Box<Name> },
    /// A manifest that Ollama could not use.
    #[error("{name:?} is not a model: {problem}")]
    NoModel { name: String, problem: String },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}
