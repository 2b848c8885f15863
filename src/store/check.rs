//! Looking whether the store is whole.

use std::sync::Arc;

use super::{Store, StoreError, StoredManifest};
use crate::model::{Digest, Name};

/// What is wrong with a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// The number of blobs looked at.
    pub blobs: usize,
    /// The number of manifests looked at.
    pub manifests: usize,
    /// Blobs whose content is not what their name says, or cannot be read.
    pub damaged_blobs: Vec<Digest>,
    /// Manifests that cannot be read, and why.
    pub damaged_manifests: Vec<(Name, String)>,
    /// Blobs that a manifest names and that are not there, or not in the length that it states.
    pub missing_blobs: Vec<(Name, Digest)>,
}

impl CheckReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.damaged_blobs.is_empty() && self.damaged_manifests.is_empty() && self.missing_blobs.is_empty()
    }
}

impl Store {
    /// Looks whether every manifest can be read and all its blobs are there, and, if `contents` is set,
    /// whether the content of every blob is what its name says. `progress` is called after each blob.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn check(&self, contents: bool, mut progress: impl FnMut(Digest)) -> Result<CheckReport, StoreError> {
        let mut report = CheckReport::default();
        let census = self.0.census()?;
        report.manifests = census.manifests.len() + census.damaged.len();
        for model in &census.manifests {
            for layer in model.manifest.blobs() {
                if self.size(layer.digest)? != Some(layer.size) {
                    report.missing_blobs.push((model.name.clone(), layer.digest));
                }
            }
        }
        if !report.missing_blobs.is_empty() {
            // A model that was removed or replaced meanwhile has taken its blobs with it.
            let now = self.0.census()?.manifests;
            let stays = |name: &Name| {
                let of_name = |models: &[Arc<StoredManifest>]| {
                    models.iter().find(|model| model.name == *name).map(|model| model.digest)
                };
                of_name(&now) == of_name(&census.manifests)
            };
            report.missing_blobs.retain(|(name, _)| stays(name));
        }
        let damaged = census.damaged.into_iter();
        report.damaged_manifests = damaged.map(|(name, damage)| (name, damage.problem)).collect();
        for digest in self.0.list_blobs()? {
            report.blobs += 1;
            if contents {
                match self.verify(digest) {
                    // A blob that was removed in between is not missed.
                    Ok(()) | Err(StoreError::BlobNotFound { .. }) => {}
                    // What cannot be read is no better than what reads wrongly.
                    Err(StoreError::DamagedBlob { .. } | StoreError::Io { .. }) => {
                        report.damaged_blobs.push(digest);
                    }
                    Err(error) => return Err(error),
                }
            }
            progress(digest);
        }
        Ok(report)
    }

    /// Takes a damaged blob out of the store, into a directory where nothing looks for it, so that it can be
    /// uploaded or pulled again.
    ///
    /// # Errors
    /// [`StoreError::BlobNotFound`], or what the operating system says.
    pub fn quarantine(&self, digest: Digest) -> Result<(), StoreError> {
        let blob = self.blob(digest)?;
        let target = self.0.layout.quarantine().join(digest.file_name());
        self.0.disk.rename(&self.0.layout.blob(digest), &target)?;
        drop(blob);
        Ok(())
    }
}
