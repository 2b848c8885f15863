//! The files of an OCI image layout, as far as bundles use them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{Digest, OCI_INDEX, OCI_MANIFEST};

/// The file that says that this is a layout.
pub(super) const MARKER: &str = "oci-layout";
/// The file that says which manifests there are.
pub(super) const INDEX: &str = "index.json";
/// Where the blobs are, each in a file that is named by the digits of its digest.
pub(super) const BLOBS: &str = "blobs/sha256/";

const VERSION: &str = "1.0.0";
/// What a manifest is called (OCI image specification, predefined annotation keys).
const NAME: &str = "org.opencontainers.image.ref.name";
/// Which blob is the document of the store.
const DOCUMENT: &str = "dev.ollamake.manifest";

/// The content of [`MARKER`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Marker {
    image_layout_version: String,
}

impl Marker {
    pub(super) fn new() -> Self {
        Self { image_layout_version: VERSION.to_owned() }
    }

    /// Whether layouts of this version are understood; all of a major version are alike.
    pub(super) fn is_understood(&self) -> bool {
        self.image_layout_version.split('.').next() == VERSION.split('.').next()
    }

    pub(super) fn version(&self) -> &str {
        &self.image_layout_version
    }
}

/// The content of [`INDEX`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Index {
    schema_version: u32,
    #[serde(default)]
    media_type: String,
    pub(super) manifests: Vec<Element>,
}

/// What the index says of one manifest.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Element {
    media_type: String,
    pub(super) digest: Digest,
    size: u64,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

impl Index {
    pub(super) fn new(manifests: Vec<Element>) -> Self {
        Self { schema_version: 2, media_type: OCI_INDEX.to_owned(), manifests }
    }
}

impl Element {
    /// Of a model's OCI manifest; `document` is what the store has.
    pub(super) fn new(manifest: &[u8], name: String, document: Digest) -> Self {
        Self {
            media_type: OCI_MANIFEST.to_owned(),
            digest: Digest::of(manifest),
            size: manifest.len() as u64,
            annotations: [(NAME.to_owned(), name), (DOCUMENT.to_owned(), document.to_string())].into(),
        }
    }

    /// What the manifest is called.
    pub(super) fn name(&self) -> Option<&str> {
        self.annotations.get(NAME).map(String::as_str)
    }

    /// The document that the store is to have: what the annotation names, or the manifest itself, as other
    /// programs leave it when they copy one model out of a bundle.
    pub(super) fn document(&self) -> Result<Digest, crate::model::InvalidDigest> {
        self.annotations.get(DOCUMENT).map_or(Ok(self.digest), |text| text.parse())
    }
}

/// The path of a blob in the layout.
pub(super) fn path_of(digest: Digest) -> String {
    format!("{BLOBS}{}", digest.hex())
}
