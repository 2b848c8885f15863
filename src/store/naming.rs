//! Where a name is: in which tree of manifests, under which spelling.
//!
//! Ollama from 0.35 on keeps names in `manifests-v2` and reads those of older versions in `manifests`. Both
//! have the public registry under two names, and a port behind `:` or `%3A`. All of these are one name, and
//! in whatever letter case they were made first, they are found.

use std::io;
use std::path::PathBuf;

use super::Shared;
use super::tree::{Tree, name_of_directories};
use crate::model::Name;

/// A place where a name is, or would be.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) tree: Tree,
    /// Host, namespace, model and tag as the directories spell them.
    parts: [String; 4],
    /// The directories of the model, outermost first.
    pub(super) directories: [PathBuf; 3],
    /// The entry.
    pub(super) path: PathBuf,
    /// Whether there is an entry, be it a link that leads nowhere.
    pub(super) is_taken: bool,
}

/// All places of a name.
#[derive(Debug)]
pub(super) struct Places {
    /// In `manifests-v2`, the one that is written first.
    pub(super) new: Vec<Place>,
    /// In `manifests`, likewise.
    pub(super) legacy: Vec<Place>,
}

impl Place {
    /// The name as it is spelled here.
    pub(super) fn name(&self) -> Option<Name> {
        name_of_directories(self.parts.each_ref().map(String::as_str))
    }
}

impl Places {
    /// Where the name is, in the order in which it is looked for.
    pub(super) fn taken(&self) -> impl Iterator<Item = &Place> {
        self.new.iter().chain(&self.legacy).filter(|place| place.is_taken)
    }

    /// The place in `manifests-v2` that has an entry.
    pub(super) fn taken_new(&self) -> Option<&Place> {
        self.new.iter().find(|place| place.is_taken)
    }

    /// The place in a tree that is to be written to: one that has an entry, or the first.
    pub(super) fn target(&self, tree: Tree) -> Option<&Place> {
        let places = if tree == Tree::New { &self.new } else { &self.legacy };
        places.iter().find(|place| place.is_taken).or(places.first())
    }
}

impl Shared {
    /// All places of a name.
    pub(super) fn places(&self, name: &Name) -> io::Result<Places> {
        let in_tree = |tree: Tree| -> io::Result<Vec<Place>> {
            tree.hosts(name.host()).into_iter().map(|host| self.place_in(tree, &host, name)).collect()
        };
        Ok(Places { new: in_tree(Tree::New)?, legacy: in_tree(Tree::Legacy)? })
    }

    /// The name as the store spells it.
    pub(super) fn resolve(&self, name: &Name) -> io::Result<Name> {
        let places = self.places(name)?;
        let place = places.taken().next().or(places.target(Tree::Legacy));
        // Another letter case of a valid name is a valid name.
        Ok(place.and_then(Place::name).unwrap_or_else(|| name.clone()))
    }

    /// Only the directories that the name goes through are looked into, and those only where the name as it
    /// is written does not exist.
    fn place_in(&self, tree: Tree, host: &str, name: &Name) -> io::Result<Place> {
        let root = self.layout.tree(tree);
        let mut path = root.to_owned();
        let [_, namespace, model, tag] = name.parts();
        let mut parts = [host, namespace, model, tag].map(str::to_owned);
        for part in &mut parts {
            if self.disk.metadata(&path.join(&part)).is_err() && !self.disk.is_listed(&path.join(&part)) {
                match self.spellings.find(&*self.disk, &path, part) {
                    Ok(Some(existing)) => *part = existing,
                    Ok(None) => break,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                    Err(error) if error.kind() == io::ErrorKind::NotADirectory => break,
                    Err(error) => return Err(error),
                }
            }
            path.push(&part);
        }
        let [host, namespace, model, tag] = &parts;
        let host = root.join(host);
        let namespace = host.join(namespace);
        let model = namespace.join(model);
        let path = model.join(tag);
        let is_taken = self.is_entry(&path);
        Ok(Place { tree, parts, directories: [host, namespace, model], path, is_taken })
    }

    /// Whether something is there that is not a directory.
    fn is_entry(&self, path: &std::path::Path) -> bool {
        match self.disk.metadata_of_link(path) {
            Ok(metadata) => !metadata.is_dir(),
            Err(_) => false,
        }
    }
}
