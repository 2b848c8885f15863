//! A manifest as it lies in the store.

use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use super::document::{Damage, Document, DocumentContent};
use super::names::Names;
use crate::model::{Digest, Manifest, ModelConfig, Name};

/// A model of the store: its name as the store spells it, and its manifest.
#[derive(Debug)]
pub struct StoredManifest {
    /// The name, in the letter case of the store.
    pub name: Name,
    /// The file, byte for byte: a manifest, or a list of manifests.
    pub bytes: Vec<u8>,
    /// The digest of the file.
    pub digest: Digest,
    /// What the model consists of: what the file says, or the manifest of the list that is used here, without
    /// the documents that are named only to be kept.
    pub manifest: Manifest,
    /// When the name was made.
    pub modified: SystemTime,
    /// The sum of the sizes of its blobs; of a list, of those of all its manifests that are in the store.
    pub size: u64,
    /// The manifest for registries, where it is not the file.
    published: Option<Vec<u8>>,
    /// What the file names.
    pub(super) names: Names,
    /// The configuration, once somebody asked for it.
    pub(super) config: OnceLock<Arc<ModelConfig>>,
}

impl StoredManifest {
    /// A manifest that was parsed.
    pub(super) fn of(document: Document, name: Name, modified: SystemTime) -> Result<Self, Damage> {
        match document.content {
            DocumentContent::Manifest(written) => {
                let manifest = written.without_documents();
                let published = (manifest != written).then(|| manifest.to_bytes());
                let (size, config) = (manifest.size(), OnceLock::new());
                let Document { digest, bytes, names, .. } = document;
                Ok(Self { name, bytes, digest, manifest, modified, size, published, names, config })
            }
            DocumentContent::List(_) => {
                let problem = "it is a list of manifests".to_owned();
                Err(Damage { problem, digest: Some(document.digest), names: document.names })
            }
        }
    }

    /// A list, of which this manifest is used.
    pub(super) fn of_list(
        list: &Document,
        (manifest, bytes): (Manifest, Vec<u8>),
        size: u64,
        name: Name,
        modified: SystemTime,
    ) -> Self {
        Self {
            name,
            bytes: list.bytes.clone(),
            digest: list.digest,
            manifest: manifest.without_documents(),
            modified,
            size,
            published: Some(bytes),
            names: list.names.clone(),
            config: OnceLock::new(),
        }
    }

    /// The manifest for registries, byte for byte.
    pub fn published(&self) -> &[u8] {
        self.published.as_deref().unwrap_or(&self.bytes)
    }
}
