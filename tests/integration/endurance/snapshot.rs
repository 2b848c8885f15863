//! What lies in a store on disk, read and checked by nothing of the program's own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use ollamake::model::Digest;
use serde_json::Value;

use crate::support::bytes::digest_of;

/// A model as its manifest tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Model {
    /// Its first layer of weights.
    pub(super) weights: Option<Digest>,
    pub(super) system: Option<Digest>,
}

/// A store that is whole.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    /// By name, with host and namespace where they are not the usual ones.
    pub(super) models: BTreeMap<String, Model>,
    pub(super) blobs: BTreeSet<Digest>,
}

impl Snapshot {
    /// Reads a store in which nothing happens at this time.
    ///
    /// # Panics
    /// If any blob is not what its name says, or a manifest is not JSON or names a blob that is not there in
    /// the length that it states.
    pub(super) fn read(root: &Path) -> Self {
        let mut snapshot = Self::default();
        for entry in fs::read_dir(root.join("blobs")).unwrap() {
            let path = entry.unwrap().path();
            let digest: Digest = path.file_name().unwrap().to_str().unwrap().parse().unwrap();
            assert_eq!(digest_of(&fs::read(&path).unwrap()), digest, "the content of a blob");
            snapshot.blobs.insert(digest);
        }
        let manifests = root.join("manifests");
        let mut directories = vec![manifests.clone()];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    directories.push(path);
                    continue;
                }
                let parts =
                    path.strip_prefix(&manifests).unwrap().to_str().unwrap().rsplit_once('/').unwrap();
                let name = format!("{}:{}", parts.0, parts.1);
                let name = name.strip_prefix("registry.ollama.ai/library/").unwrap_or(&name).to_owned();
                let manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
                let model = snapshot.model(root, &name, &manifest);
                snapshot.models.insert(name, model);
            }
        }
        snapshot
    }

    fn model(&self, root: &Path, name: &str, manifest: &Value) -> Model {
        let mut model = Model { weights: None, system: None };
        for layer in manifest["layers"].as_array().unwrap().iter().chain([&manifest["config"]]) {
            let digest: Digest = layer["digest"].as_str().unwrap().parse().unwrap();
            assert!(self.blobs.contains(&digest), "{name} has lost {digest}");
            let length = fs::metadata(root.join("blobs").join(digest.file_name())).unwrap().len();
            assert_eq!(layer["size"].as_u64(), Some(length), "{name}, {digest}");
            match layer["mediaType"].as_str().unwrap().rsplit('.').next().unwrap() {
                "model" => _ = model.weights.get_or_insert(digest),
                "system" => model.system = Some(digest),
                _ => {}
            }
        }
        model
    }
}
