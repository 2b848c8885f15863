//! When models were used last, so that the store knows which can be spared first where it is a cache.
//!
//! `ollamake/used/<digest of the manifest>` is an empty file whose time says when. These files are hints
//! (`hints.rs`). What Ollama uses it does not tell; the time at which weights were read, which file systems
//! keep to the day, counts as well.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::stored_manifest::StoredManifest;
use super::{Shared, Store, StoreError};
use crate::model::{Digest, Layer};

/// A use so soon after another is not noted.
const SOON: Duration = Duration::from_secs(10);

impl Store {
    /// Notes that a model is used now. A failure costs nothing but order, so it is only logged.
    pub fn note_used(&self, model: &StoredManifest) {
        if let Err(error) = self.0.write_used(model.digest) {
            tracing::debug!(%error, "that a model was used is not noted");
        }
    }

    /// The bytes of all blobs, and if these are more than `limit` all models, the one first that was used
    /// longest ago.
    ///
    /// # Errors
    /// What the operating system says about the directories.
    pub fn by_last_use(&self, limit: u64) -> Result<(u64, Vec<Arc<StoredManifest>>), StoreError> {
        let mut bytes = 0_u64;
        for digest in self.0.list_blobs()? {
            bytes = bytes.saturating_add(self.0.length_of(digest)?.unwrap_or(0));
        }
        if bytes <= limit {
            return Ok((bytes, Vec::new()));
        }
        let mut models = self.list()?;
        models.sort_by_cached_key(|model| self.0.last_used(model));
        Ok((bytes, models))
    }
}

impl Shared {
    fn write_used(&self, manifest: Digest) -> io::Result<()> {
        let note = self.layout.used_of(manifest);
        let noted = self.disk.metadata(&note).and_then(|metadata| metadata.modified());
        if noted.is_ok_and(|noted| noted.elapsed().is_ok_and(|since| since < SOON)) {
            return Ok(());
        }
        self.make_directory(self.layout.used())?;
        self.write_hint(&note, b"")
    }

    fn last_used(&self, model: &StoredManifest) -> SystemTime {
        let note = self.disk.metadata(&self.layout.used_of(model.digest));
        let noted = note.and_then(|metadata| metadata.modified()).ok();
        let weights = model.manifest.layers.iter().max_by_key(|layer| layer.size);
        let read = |layer: &Layer| self.disk.metadata(&self.layout.blob(layer.digest)).ok()?.accessed().ok();
        let times = [Some(model.modified), noted, weights.and_then(read)];
        times.into_iter().flatten().max().unwrap_or(SystemTime::UNIX_EPOCH)
    }
}
