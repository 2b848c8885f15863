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
    /// The file, byte for byte.
    pub bytes: Vec<u8>,
    /// The digest of the file.
    pub digest: Digest,
    /// What the file says.
    pub manifest: Manifest,
    /// When the file was written.
    pub modified: SystemTime,
    /// What the file names.
    pub(super) names: Names,
    /// The configuration, once somebody asked for it.
    pub(super) config: OnceLock<Arc<ModelConfig>>,
}

impl StoredManifest {
    /// A manifest from the bytes of its file.
    pub(super) fn parse(name: Name, bytes: Vec<u8>, modified: SystemTime) -> Result<Self, Damage> {
        Self::of(Document::parse(bytes)?, name, modified)
    }

    /// A manifest that was parsed.
    pub(super) fn of(document: Document, name: Name, modified: SystemTime) -> Result<Self, Damage> {
        match document.content {
            DocumentContent::Manifest(manifest) => {
                let Document { digest, bytes, names, .. } = document;
                Ok(Self { name, bytes, digest, manifest, modified, names, config: OnceLock::new() })
            }
            DocumentContent::List(_) => {
                Err(Damage { problem: "it is a list of manifests".to_owned(), names: document.names })
            }
        }
    }
}
