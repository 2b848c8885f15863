//! What lies in a store on disk, read and checked by nothing of the program's own.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use ollamake::model::Digest;
use serde_json::Value;

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
            assert_eq!(Digest::of(&fs::read(&path).unwrap()), digest, "the content of a blob");
            snapshot.blobs.insert(digest);
        }
        for (name, path) in names(root) {
            let model = snapshot.model_in(root, &name, &path);
            snapshot.models.insert(name, model);
        }
        snapshot
    }

    fn model_in(&self, root: &Path, name: &str, path: &Path) -> Model {
        self.model(root, name, &serde_json::from_slice(&fs::read(path).unwrap()).unwrap())
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

/// The entry of each model, by its name without the usual host and namespace. One of newer versions wins.
pub(super) fn names(root: &Path) -> BTreeMap<String, PathBuf> {
    let mut names = BTreeMap::new();
    for (tree, usual) in
        [("manifests", "registry.ollama.ai/library/"), ("manifests-v2", "ollama.com/library/")]
    {
        for (place, path) in entries(&root.join(tree)) {
            let (model, tag) = place.rsplit_once('/').unwrap();
            let name = format!("{model}:{tag}").replace("%3A", ":");
            names.insert(name.strip_prefix(usual).unwrap_or(&name).to_owned(), path);
        }
    }
    names
}

/// The entries of a tree of manifests by their places in it, but for those that a process began to make.
fn entries(tree: &Path) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    let mut directories = vec![tree.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten() {
            let path = entry.unwrap().path();
            let place = path.strip_prefix(tree).unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                directories.push(path);
            } else if !place.contains("/.manifest-") {
                found.insert(place, path);
            }
        }
    }
    found
}

/// Gives some models an entry as newer versions of Ollama do, while nobody works on the store: the manifest
/// becomes a blob, and a link leads to it.
pub(super) fn adopt(root: &Path, mut is_chosen: impl FnMut() -> bool) {
    for (place, path) in entries(&root.join("manifests")) {
        let place = place.replace("registry.ollama.ai/", "ollama.com/").replace(':', "%3A");
        let link = root.join("manifests-v2").join(place);
        if !is_chosen() || link.exists() {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let blob = Digest::of(&bytes).file_name();
        fs::write(root.join("blobs").join(&blob), bytes).unwrap();
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(Path::new("../../../../blobs").join(blob), link).unwrap();
    }
}
