//! Which blobs are known to be on the disk.
//!
//! What we place is synced first. Other programs on the same store do not sync what they write, and a blob of
//! theirs that is a few seconds old may be torn by a loss of power. So it is synced before a manifest of ours
//! names it, once.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;

use super::{Blob, Shared};
use crate::model::Digest;

impl Shared {
    /// Notes that a blob's file is synced, and its entry will be with the next sync of the directory.
    pub(super) fn note_durable(&self, digest: Digest, file: &File) {
        // What cannot be asked is not known.
        if let Ok(metadata) = file.metadata() {
            let is_there = |other| !matches!(self.length_of(other), Ok(None));
            self.durable.insert(digest, metadata.ino(), is_there);
        }
    }

    /// Makes sure that these blobs outlive a loss of power.
    pub(super) fn ensure_durable(&self, blobs: &[Blob]) -> io::Result<()> {
        for blob in blobs {
            if self.durable.get(blob.digest()) != Some(blob.file().metadata()?.ino()) {
                self.disk.sync(blob.file())?;
                self.blobs_directory.changed();
                self.note_durable(blob.digest(), blob.file());
            }
        }
        self.sync_blobs()
    }
}
