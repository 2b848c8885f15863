//! Stores as newer versions of Ollama leave them, built file by file.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use ollamake::model::Digest;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::contract::scratch_directory;

pub(super) const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(super) const LIST: &str = "application/vnd.ollama.manifest.list.v2+json";
pub(super) const CONFIG: &str = "application/vnd.docker.container.image.v1+json";
pub(super) const MODEL: &str = "application/vnd.ollama.image.model";

/// How an entry leads to its document.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Means {
    Link,
    HardLink,
    Copy,
}

pub(super) const ALL_MEANS: [Means; 3] = [Means::Link, Means::HardLink, Means::Copy];

/// A directory that becomes a store.
pub(super) struct Built(TempDir);

/// A manifest and the blobs that it names.
#[derive(Debug, Clone)]
pub(super) struct Made {
    pub(super) manifest: Value,
    pub(super) blobs: Vec<Digest>,
}

impl Made {
    pub(super) fn bytes(&self) -> Vec<u8> {
        line(&self.manifest)
    }
}

/// A document as writers leave a single manifest: with a newline.
pub(super) fn line(document: &Value) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(document).unwrap();
    bytes.push(b'\n');
    bytes
}

impl Built {
    pub(super) fn new() -> Self {
        let built = Self(scratch_directory());
        for directory in ["blobs", "manifests", "manifests-v2"] {
            fs::create_dir(built.root().join(directory)).unwrap();
        }
        built
    }

    pub(super) fn root(&self) -> &Path {
        self.0.path()
    }

    pub(super) fn blob_path(&self, digest: Digest) -> PathBuf {
        self.root().join("blobs").join(digest.file_name())
    }

    pub(super) fn blob(&self, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        fs::write(self.blob_path(digest), bytes).unwrap();
        digest
    }

    pub(super) fn has(&self, digest: Digest) -> bool {
        self.blob_path(digest).exists()
    }

    /// A layer whose blob has these bytes.
    pub(super) fn layer(&self, media_type: &str, bytes: &[u8]) -> Value {
        json!({"mediaType": media_type, "digest": self.blob(bytes).to_string(), "size": bytes.len()})
    }

    /// A manifest with a configuration and weights of its own.
    pub(super) fn make(&self, what: &str) -> Made {
        let config = json!({"model_format": "gguf", "model_family": what, "os": "linux"}).to_string();
        let config = self.layer(CONFIG, config.as_bytes());
        let weights = self.layer(MODEL, format!("weights of {what}").as_bytes());
        let digest = |layer: &Value| layer["digest"].as_str().unwrap().parse().unwrap();
        let blobs = vec![digest(&config), digest(&weights)];
        let manifest =
            json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [weights]});
        Made { manifest, blobs }
    }

    /// Puts a document in its place below the store, as a blob too if it is a link.
    pub(super) fn place(&self, place: &str, document: &[u8], means: Means) -> Digest {
        let path = self.prepare(place);
        let digest = Digest::of(document);
        match means {
            Means::Copy => fs::write(path, document).unwrap(),
            Means::HardLink => fs::hard_link(self.blob_path(self.blob(document)), path).unwrap(),
            Means::Link => {
                let up = "../".repeat(place.split('/').count() - 1);
                let blob = self.blob(document).file_name();
                symlink(format!("{up}blobs/{blob}"), path).unwrap();
            }
        }
        digest
    }

    /// The path of a place, the directories to it made, with nothing there.
    pub(super) fn prepare(&self, place: &str) -> PathBuf {
        let path = self.root().join(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&path);
        path
    }
}

/// Where a model of the public registry is named by newer versions.
pub(super) fn v2(model: &str) -> String {
    format!("manifests-v2/ollama.com/library/{model}/latest")
}

/// Where it is named by older ones.
pub(super) fn legacy(model: &str) -> String {
    format!("manifests/registry.ollama.ai/library/{model}/latest")
}

/// A list of documents by reference, each with a runner.
pub(super) fn list_of(children: &[(Digest, &str)]) -> Value {
    let elements: Vec<_> = children
        .iter()
        .map(|(digest, runner)| {
            json!({"mediaType": MANIFEST, "digest": digest.to_string(), "runner": runner, "format": "gguf"})
        })
        .collect();
    json!({"schemaVersion": 2, "mediaType": LIST, "manifests": elements})
}

/// What keeps the blobs of a list in older versions: one child's manifest, and the documents as layers.
pub(super) fn anchor(child: &Made, documents: &[(&str, Digest)]) -> Value {
    let mut anchor = child.manifest.clone();
    for (media_type, digest) in documents {
        let layer = json!({"mediaType": media_type, "digest": digest.to_string(), "size": 1});
        anchor["layers"].as_array_mut().unwrap().push(layer);
    }
    anchor
}
