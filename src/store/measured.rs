//! What was measured of blobs while they were made, so that it can be told later.
//!
//! `ollamake/measured/<name of the blob>` holds what whoever made it has measured, in a form of its own.
//! These files are hints (`hints.rs`).

use std::io;

use super::{Shared, Store};
use crate::model::Digest;

/// More than the errors of a hundred thousand tensors take, in bytes.
const LONGEST: usize = 16 << 20;

impl Store {
    /// Remembers what was measured of a blob. A failure costs nothing but the knowledge, so it is only
    /// logged.
    pub fn remember_measured(&self, blob: Digest, measured: &[u8]) {
        if let Err(error) = self.0.write_measured(blob, measured) {
            tracing::debug!(%error, "what was measured is not remembered");
        }
    }

    /// What was measured of a blob, if that is known.
    pub fn measured(&self, blob: Digest) -> Option<Vec<u8>> {
        self.0.read_hint(&self.0.layout.measured_of(blob), LONGEST)
    }
}

impl Shared {
    fn write_measured(&self, blob: Digest, measured: &[u8]) -> io::Result<()> {
        self.make_directory(self.layout.measured())?;
        self.write_hint(&self.layout.measured_of(blob), measured)
    }

    /// Forgets what was measured of blobs that are gone.
    pub(super) fn forget_measured(&self) -> io::Result<()> {
        self.forget_gone_in(self.layout.measured())
    }
}
