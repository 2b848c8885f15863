//! What can go wrong in a store.
//!
//! A [`StoreError`] tells outcomes that a caller can act on and a person can read; it names digests and
//! models, never a path. What the operating system said is kept as the source, for the log.

use std::io;

use super::UploadId;
use crate::model::{Digest, Layer, Name};

/// Why an operation on the store failed.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of a variant says what its fields are")]
pub enum StoreError {
    /// No blob has this digest.
    #[error("blob {digest} not found; upload it first")]
    BlobNotFound { digest: Digest },
    /// No model has this name.
    #[error("model '{}' not found", .name.short())]
    ModelNotFound { name: Box<Name> },
    /// There is no store in a directory that should have one.
    #[error(
        "there is no model store in this directory; set OLLAMA_MODELS to the directory that holds blobs/ and \
         manifests/"
    )]
    NoStore,
    /// A directory of manifests cannot be looked into. Nobody knows what blobs the models in it need.
    #[error(
        "the manifests in \"{place}\" of the store cannot be looked into: it leads nowhere, or cannot be \
         read; mend or remove it"
    )]
    LostManifests { place: String },
    /// The bytes are not those that the digest promised. Nothing of them was kept.
    #[error("digest mismatch, expected \"{expected}\", got \"{got}\"")]
    DigestMismatch {
        expected: Digest,
        /// The digest of the bytes.
        got: Digest,
    },
    /// The length is not the one that was promised. Nothing of the bytes was kept.
    #[error("blob {digest} should have {expected} bytes, got {got}")]
    LengthMismatch { digest: Digest, expected: u64, got: u64 },
    /// A manifest cannot be read as one.
    #[error(
        "the manifest of model '{}' is damaged ({problem}); delete the model or make it again",
        .name.short()
    )]
    DamagedManifest { name: Box<Name>, problem: String },
    /// A part of a model is not in the store.
    #[error(
        "model '{}' is damaged: its {noun} (blob {digest}) is not in the store; pull or create the model \
         again",
        .name.short()
    )]
    LacksBlob { name: Box<Name>, noun: &'static str, digest: Digest },
    /// A blob does not hold what it should.
    #[error(
        "blob {digest} is damaged ({problem}); upload its file or pull its model again, or take it out with \
         \"ollamake fsck --repair\""
    )]
    DamagedBlob { digest: Digest, problem: String },
    /// Bytes that were offered as a manifest are not one.
    #[error("invalid manifest: {problem}")]
    InvalidManifest { problem: String },
    /// Another job holds what this one needs for itself alone.
    #[error("blob {digest} is being downloaded by another process; try again when it is done")]
    Busy { digest: Digest },
    /// No upload is called so.
    #[error("there is no upload {id}, or it ended long ago; begin another")]
    UploadNotFound { id: UploadId },
    /// Its time is over.
    #[error("upload {id} has expired; begin another")]
    UploadExpired { id: UploadId },
    /// Somebody else is at it.
    #[error(
        "upload {id} is being written by another request; ask for its offset and try again when that has \
         ended"
    )]
    UploadInUse { id: UploadId },
    /// More bytes than there should be.
    #[error("the upload was begun with a length of {length} bytes, and more were sent; begin another")]
    UploadTooLong { length: u64 },
    /// The bytes of an attempt are not those that the client meant to send.
    #[error("checksum mismatch: nothing of this request was kept; send it again")]
    ChecksumMismatch,
    /// So many uploads are known already.
    #[error("{most} uploads have been begun already; finish or terminate some, or wait until they expire")]
    TooManyUploads { most: usize },
    /// The disk is full, known beforehand.
    #[error(
        "not enough space in the model store: {needed} bytes needed, {available} available; free some space \
         or prune the store"
    )]
    NotEnoughSpace {
        /// The number of bytes that the job would write.
        needed: u64,
        /// The number of bytes that are left.
        available: u64,
    },
    /// The disk is full.
    #[error("no space left in the model store; free some space or prune the store")]
    NoSpace { source: io::Error },
    /// The store cannot be written to, or a part of it not be read.
    #[error("the model store is read-only or denies access; check its permissions")]
    ReadOnly { source: io::Error },
    /// A file outside of the store was written to while it was read.
    #[error("the file was changed while it was read; wait until nothing writes to it, and try again")]
    FileChanged,
    /// Anything else that the operating system refused.
    #[error("the model store failed: {}", reason(.source))]
    Io { source: io::Error },
}

impl StoreError {
    /// The blob of a layer has another length than the manifest states.
    pub(super) fn of_length(layer: &Layer, got: u64) -> Self {
        let problem = format!("it has {got} bytes of {}", layer.size);
        Self::DamagedBlob { digest: layer.digest, problem }
    }
}

/// What the operating system says never names a path; what others say might.
fn reason(source: &io::Error) -> String {
    match source.raw_os_error() {
        Some(_) => source.to_string(),
        None => source.kind().to_string(),
    }
}

impl From<io::Error> for StoreError {
    fn from(source: io::Error) -> Self {
        use io::ErrorKind as Kind;
        match source.kind() {
            Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => Self::NoSpace { source },
            Kind::ReadOnlyFilesystem | Kind::PermissionDenied => Self::ReadOnly { source },
            _ => Self::Io { source },
        }
    }
}
