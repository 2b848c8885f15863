//! What happens in a pull or a push, as values. The words for it are the business of whoever tells clients.

use std::time::Duration;

use super::come_back::ComeBack;
use crate::model::Digest;

/// Something that happens in a pull or a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The manifest is asked for.
    PullingManifest,
    /// The files of a repository of the Hub are listed.
    Listing(String),
    /// So many of its files are wanted, at this commit.
    Choosing {
        /// The repository.
        repository: String,
        /// The commit.
        commit: String,
        /// How many files.
        files: usize,
        /// Their bytes together.
        bytes: u64,
    },
    /// A blob is on its way here.
    Pulling(Transfer),
    /// All blobs are here and their digests right.
    VerifyingDigest,
    /// The manifest is stored: the model appears.
    WritingManifest,
    /// The manifest is read from the store.
    RetrievingManifest,
    /// The store has no such model; the error follows.
    NoManifest,
    /// A blob is on its way to the registry.
    Pushing(Transfer),
    /// The manifest is on its way: the model appears there.
    PushingManifest,
    /// Something has to come from elsewhere before it goes on.
    Waiting(Wait),
}

/// How far a blob has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer {
    /// Which blob.
    pub digest: Digest,
    /// Its size in bytes.
    pub total: u64,
    /// The bytes that have arrived.
    pub completed: u64,
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// What has to come.
    pub awaited: Awaited,
    /// How long it has been waited for.
    pub lasting: Duration,
}

/// Something that a transfer waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Awaited {
    /// Any sign of life of this registry.
    Registry(String),
    /// The time at which somebody asks to come back.
    ComeBack(Party, ComeBack),
    /// Another program, which fetches the same blob into the same store.
    OtherProgram(Digest),
    /// Another pull of this program, which fetches the same blob.
    OtherPull(Digest),
    /// The blobs that are here already are hashed.
    CheckBeforePull,
    /// The blobs that are to be sent are hashed.
    CheckBeforePush,
}

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Party {
    /// The registry of this address.
    Registry(String),
    /// The storage that a registry leads to: scheme and host.
    Storage(String),
}

impl Event {
    /// How far the blob of this step has come, if it is about one.
    pub fn transfer(&self) -> Option<&Transfer> {
        match self {
            Self::Pulling(transfer) | Self::Pushing(transfer) => Some(transfer),
            _ => None,
        }
    }
}
