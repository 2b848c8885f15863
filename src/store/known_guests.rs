//! What is remembered of guests that were read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::names::Names;
use super::stamp::Stamp;
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

/// Guests by directory and file, with the state that the file had.
type ByFile = HashMap<(String, String), (Stamp, Arc<KnownGuest>)>;

/// All guests that this process has read.
#[derive(Debug, Default)]
pub(super) struct KnownGuests(pub(super) Mutex<ByFile>);
