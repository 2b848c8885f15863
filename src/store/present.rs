//! The blobs that are in the store at one moment.

use std::collections::HashSet;

use super::stamp::Stamp;
use crate::model::{Digest, Layer, Manifest};

/// The blobs that are in the store at one moment.
#[derive(Debug)]
pub struct Present {
    /// The state of their directory, unless it may have changed since without a trace.
    pub(super) stamp: Option<Stamp>,
    pub(super) digests: HashSet<Digest>,
}

impl Present {
    /// The state of the directory; nothing if it may change without another.
    pub fn stamp(&self) -> Option<Stamp> {
        self.stamp
    }

    /// A part of a model that is not there.
    pub fn lacking<'m>(&self, manifest: &'m Manifest) -> Option<&'m Layer> {
        manifest.blobs().find(|layer| !self.digests.contains(&layer.digest))
    }
}
