//! How models were made, so that it can be told later and done again.
//!
//! `ollamake/provenance/<digest of the manifest>` holds what whoever made the model has written down, in a
//! form of its own. A copy has the manifest of its source, and so its record; where two ways lead to one
//! manifest, the last is told. Records are read by nobody but people who ask: they are hints (`hints.rs`).
//! One whose manifest no model has any more goes when the store is pruned.

use std::collections::HashSet;
use std::io;

use super::entry::Content;
use super::index::Census;
use super::{Shared, Store};
use crate::model::Digest;

/// The longest record, in bytes.
const LONGEST: usize = 4 << 20;

impl Store {
    /// Remembers how the model of a manifest was made. A failure costs nothing but the knowledge, so it is
    /// only logged.
    pub fn remember_provenance(&self, manifest: Digest, record: &[u8]) {
        if let Err(error) = self.0.write_provenance(manifest, record) {
            tracing::warn!(%error, "how a model was made is not remembered");
        }
    }

    /// How the model of a manifest was made, if that is known.
    pub fn provenance(&self, manifest: Digest) -> Option<Vec<u8>> {
        self.0.read_hint(&self.0.layout.provenance_of(manifest), LONGEST)
    }
}

impl Shared {
    fn write_provenance(&self, manifest: Digest, record: &[u8]) -> io::Result<()> {
        if record.len() > LONGEST {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the record is too long"));
        }
        self.write_hint(&self.layout.provenance_of(manifest), record)
    }

    /// Forgets what is known of models that are gone. All entries have been understood.
    pub(super) fn forget_manifests(&self, census: &Census) -> io::Result<()> {
        let digest = |content: &Content| match content {
            Content::Model(model) => Some(model.digest),
            _ => None,
        };
        let known: HashSet<Digest> =
            census.entries.iter().filter_map(|entry| digest(&entry.content)).collect();
        for directory in [self.layout.provenance(), self.layout.used()] {
            self.forget_in(directory, |manifest| known.contains(&manifest))?;
        }
        Ok(())
    }
}
