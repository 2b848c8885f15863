//! What is known about all manifests, kept up to date at the price of one `stat` each.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::Disk;
use super::stored_manifest::{Damage, Stamp, StoredManifest};
use crate::model::Name;

/// Host, namespace, model: the levels of directories between the root and a manifest.
const DEPTH: usize = 3;

/// The tree of manifests. It is a cache: every answer is checked against the file system, which other
/// programs may have changed, but nothing is read again that has not changed.
#[derive(Debug)]
pub(super) struct Index(Directory);

#[derive(Debug)]
struct Directory {
    path: PathBuf,
    /// The state in which its entries were listed, unless it may have changed since without a trace.
    stamp: Option<Stamp>,
    children: BTreeMap<String, Node>,
}

#[derive(Debug)]
enum Node {
    Directory(Directory),
    Manifest(ManifestFile),
}

#[derive(Debug)]
struct ManifestFile {
    path: PathBuf,
    name: Name,
    stamp: Option<Stamp>,
    content: Result<Arc<StoredManifest>, Damage>,
}

/// All manifests of a store at one moment.
#[derive(Debug, Default)]
pub(super) struct Census {
    /// Those that can be read, in the order of their directories.
    pub(super) manifests: Vec<Arc<StoredManifest>>,
    /// Those that cannot.
    pub(super) damaged: Vec<(Name, Damage)>,
}

impl Index {
    pub(super) fn new(root: &Path) -> Self {
        Self(Directory::new(root.to_owned()))
    }

    /// All manifests as they are now.
    pub(super) fn census(&mut self, disk: &dyn Disk) -> io::Result<Census> {
        let mut census = Census::default();
        self.0.refresh(disk, &mut Vec::new(), &mut census)?;
        Ok(census)
    }
}

impl Directory {
    fn new(path: PathBuf) -> Self {
        Self { path, stamp: None, children: BTreeMap::new() }
    }

    /// Brings the tree up to date; `false` if there is no such directory.
    fn refresh(&mut self, disk: &dyn Disk, parts: &mut Vec<String>, census: &mut Census) -> io::Result<bool> {
        let Some(metadata) = found(disk.metadata(&self.path))? else { return Ok(false) };
        if !metadata.is_dir() {
            return Ok(false);
        }
        let stamp = Stamp::of(&metadata);
        if self.stamp != Some(stamp) {
            let Some(names) = found(disk.list(&self.path))? else { return Ok(false) };
            self.adopt(names, parts);
            self.stamp = stamp.is_settled().then_some(stamp);
        }
        let mut gone = Vec::new();
        for (part, node) in &mut self.children {
            let is_there = match node {
                Node::Manifest(file) => file.refresh(disk, census)?,
                Node::Directory(directory) => {
                    parts.push(part.clone());
                    let is_there = directory.refresh(disk, parts, census)?;
                    parts.pop();
                    is_there
                }
            };
            if !is_there {
                gone.push(part.clone());
            }
        }
        for part in gone {
            // It may come back, in which case the directory changes or has not settled.
            self.children.remove(&part);
        }
        Ok(true)
    }

    /// Keeps the children that are still listed and takes in the new ones.
    fn adopt(&mut self, names: Vec<String>, parts: &[String]) {
        let mut before = std::mem::take(&mut self.children);
        for part in names {
            let node = before.remove(&part).or_else(|| {
                let path = self.path.join(&part);
                match parts {
                    [host, namespace, model] => {
                        let name = Name::from_parts(host, namespace, model, &part).ok()?;
                        Some(Node::Manifest(ManifestFile::new(path, name)))
                    }
                    _ => Some(Node::Directory(Directory::new(path))),
                }
            });
            if let Some(node) = node {
                self.children.insert(part, node);
            }
        }
        debug_assert!(parts.len() <= DEPTH);
    }
}

impl ManifestFile {
    fn new(path: PathBuf, name: Name) -> Self {
        let content = Err(Damage { problem: "it has not been read".into(), digests: Vec::new() });
        Self { path, name, stamp: None, content }
    }

    fn refresh(&mut self, disk: &dyn Disk, census: &mut Census) -> io::Result<bool> {
        let Some(metadata) = found(disk.metadata(&self.path))? else { return Ok(false) };
        if metadata.is_dir() {
            return Ok(false);
        }
        if self.stamp != Some(Stamp::of(&metadata)) {
            self.content = match found(StoredManifest::read(disk, &self.path, &self.name)) {
                Ok(None) => return Ok(false),
                Ok(Some((stamp, content))) => {
                    self.stamp = stamp.is_settled().then_some(stamp);
                    content.map(|manifest| self.keep_known(manifest))
                }
                Err(error) => {
                    self.stamp = None;
                    Err(Damage { problem: error.kind().to_string(), digests: Vec::new() })
                }
            };
        }
        match &self.content {
            Ok(manifest) => census.manifests.push(manifest.clone()),
            Err(damage) => census.damaged.push((self.name.clone(), damage.clone())),
        }
        Ok(true)
    }

    /// A manifest that was read again and says the same keeps the configuration that was read for it.
    fn keep_known(&self, read: StoredManifest) -> Arc<StoredManifest> {
        match &self.content {
            Ok(known) if known.digest == read.digest && known.modified == read.modified => known.clone(),
            _ => Arc::new(read),
        }
    }
}

/// Nothing where there is nothing: other programs remove files at any time.
fn found<T>(answer: io::Result<T>) -> io::Result<Option<T>> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
