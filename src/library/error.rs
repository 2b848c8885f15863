//! Why it cannot be told what a model is.

use crate::gguf::GgufError;
use crate::model::Name;
use crate::plan::ShardError;
use crate::store::StoreError;

/// Why it cannot be told what a model is.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of a variant says what its fields are")]
pub enum LibraryError {
    /// A blob cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A blob is not a valid GGUF file.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// Layers that are not the whole of one split model.
    #[error("{0}")]
    Shards(#[from] Box<ShardError>),
    /// Shards with other layers between them, or too few of them.
    #[error("it is split into {count} shards, and they do not follow each other")]
    Scattered { count: u64 },
    /// A model whose parts contradict each other.
    #[error("model '{}' is damaged: {problem}; pull or create the model again", .name.short())]
    Damaged { name: Box<Name>, problem: String },
}
