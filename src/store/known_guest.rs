//! What is remembered of a guest that was read.

use super::names::Names;
use crate::model::{Descriptor, Digest};

/// A guest that was read.
#[derive(Debug)]
pub(super) struct KnownGuest {
    pub(super) digest: Digest,
    /// The length of its document in bytes.
    pub(super) size: u64,
    pub(super) subject: Option<Digest>,
    pub(super) names: Names,
    /// The blobs that it consists of.
    pub(super) parts: Vec<Descriptor>,
}
