//! What is known about all manifests, kept up to date at the price of one `stat` each.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use super::disk::Disk;
use super::stamp::Stamp;
use super::stored_manifest::{Damage, StoredManifest};
use crate::model::Name;

/// Host, namespace, model: the levels of directories between the root and a manifest.
const DEPTH: usize = 3;

/// A thread more looks at a directory for every so many entries.
const SHARE: usize = 1000;

/// The tree of manifests. It is a cache: every answer is checked against the file system, which other
/// programs may have changed, but nothing is read again that has not changed. The stamps of directories do
/// not spare the look at the files in them, since Ollama writes manifests in place.
#[derive(Debug)]
pub(super) struct Index {
    root: PathBuf,
    tree: Directory,
}

#[derive(Debug, Default)]
struct Directory {
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

impl Census {
    fn extend(&mut self, other: Self) {
        self.manifests.extend(other.manifests);
        self.damaged.extend(other.damaged);
    }
}

/// A way through the tree.
struct Walk<'w> {
    disk: &'w dyn Disk,
    root: &'w Path,
    census: Census,
    /// Where it is, below the root.
    place: String,
}

impl Index {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), tree: Directory::default() }
    }

    /// All manifests as they are now.
    pub(super) fn census(&mut self, disk: &dyn Disk) -> io::Result<Census> {
        let mut walk = Walk { disk, root: &self.root, census: Census::default(), place: String::new() };
        self.tree.refresh(&mut walk, 0, None)?;
        Ok(walk.census)
    }
}

/// An open directory, and the length of the part of a walk's place that leads to it.
#[derive(Clone, Copy)]
struct Base<'b> {
    directory: &'b File,
    length: usize,
}

impl Walk<'_> {
    fn path(&self) -> PathBuf {
        self.root.join(&self.place)
    }

    /// The state of what is at the place.
    fn stamp(&self, base: Base<'_>) -> io::Result<Option<Stamp>> {
        let path = self.place[base.length..].trim_start_matches('/');
        found(self.disk.stamp_at(base.directory, if path.is_empty() { "." } else { path }))
    }

    /// The same way, to be gone on by another thread.
    fn branch(&self) -> Self {
        let Self { disk, root, place, .. } = self;
        Self { disk: *disk, root, census: Census::default(), place: place.clone() }
    }

    /// Brings nodes at the place up to date; answers with those that are gone.
    fn refresh<'n>(
        &mut self,
        nodes: impl Iterator<Item = (&'n String, &'n mut Node)>,
        depth: usize,
        base: Base<'_>,
    ) -> io::Result<Vec<String>> {
        let mut gone = Vec::new();
        let length = self.place.len();
        for (part, node) in nodes {
            if depth > 0 {
                self.place.push('/');
            }
            self.place.push_str(part);
            let is_there = match node {
                Node::Manifest(file) => file.refresh(self, base)?,
                Node::Directory(directory) => directory.refresh(self, depth + 1, Some(base))?,
            };
            self.place.truncate(length);
            if !is_there {
                gone.push(part.clone());
            }
        }
        Ok(gone)
    }
}

impl Directory {
    /// Brings the tree up to date; `false` if there is no such directory. Every directory that holds many is
    /// opened, and the others are looked at from there.
    fn refresh(&mut self, walk: &mut Walk<'_>, depth: usize, base: Option<Base<'_>>) -> io::Result<bool> {
        let opened = match base {
            Some(_) if depth == DEPTH => None,
            _ => match found(walk.disk.open_directory(&walk.path()))? {
                None => return Ok(false),
                opened => opened,
            },
        };
        let base = opened.as_ref().map(|directory| Base { directory, length: walk.place.len() }).or(base);
        let Some(base) = base else { return Ok(false) };
        match walk.stamp(base)? {
            Some(stamp) if stamp.is_directory() => {
                if self.stamp != Some(stamp) {
                    let Some(names) = found(walk.disk.list(&walk.path()))? else { return Ok(false) };
                    self.adopt(names, &walk.place, depth);
                    self.stamp = stamp.is_settled().then_some(stamp);
                }
            }
            _ => return Ok(false),
        }
        let gone = match self.children.len() / SHARE {
            0 => walk.refresh(self.children.iter_mut(), depth, base)?,
            helpers => self.refresh_together(helpers, walk, depth, base)?,
        };
        for part in gone {
            // It may come back, in which case the directory changes or has not settled.
            self.children.remove(&part);
        }
        Ok(true)
    }

    /// Brings the children up to date with so many other threads; answers with those that are gone.
    fn refresh_together(
        &mut self,
        helpers: usize,
        walk: &mut Walk<'_>,
        depth: usize,
        base: Base<'_>,
    ) -> io::Result<Vec<String>> {
        let threads = thread::available_parallelism().map_or(1, NonZero::get).min(1 + helpers);
        let mut nodes: Vec<_> = self.children.iter_mut().collect();
        let share = nodes.len().div_ceil(threads);
        let mut shares = nodes.chunks_mut(share).map(|share| {
            let mut walk = walk.branch();
            let nodes = share.iter_mut().map(|(part, node)| (*part, &mut **node));
            move || walk.refresh(nodes, depth, base).map(|gone| (walk.census, gone))
        });
        let own = shares.next();
        let answers = thread::scope(|scope| {
            let others: Vec<_> = shares.map(|share| scope.spawn(share)).collect();
            let own = own.map(|share| share());
            let others =
                others.into_iter().map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic)));
            own.into_iter().chain(others).collect::<io::Result<Vec<_>>>()
        })?;
        let mut gone = Vec::new();
        for (census, gone_of_share) in answers {
            walk.census.extend(census);
            gone.extend(gone_of_share);
        }
        Ok(gone)
    }

    /// Keeps the children that are still listed and takes in the new ones.
    fn adopt(&mut self, names: Vec<String>, place: &str, depth: usize) {
        let mut before = std::mem::take(&mut self.children);
        let parts: Vec<_> = place.split('/').collect();
        for part in names {
            let node = before.remove(&part).or_else(|| match parts[..] {
                [host, namespace, model] if depth == DEPTH => Some(Node::Manifest(ManifestFile::new(
                    Name::from_parts(host, namespace, model, &part).ok()?,
                ))),
                _ => Some(Node::Directory(Directory::default())),
            });
            if let Some(node) = node {
                self.children.insert(part, node);
            }
        }
    }
}

impl ManifestFile {
    fn new(name: Name) -> Self {
        let content = Err(Damage { problem: "it has not been read".into(), digests: Vec::new() });
        Self { name, stamp: None, content }
    }

    fn refresh(&mut self, walk: &mut Walk<'_>, base: Base<'_>) -> io::Result<bool> {
        let Some(stamp) = walk.stamp(base)? else { return Ok(false) };
        if stamp.is_directory() {
            return Ok(false);
        }
        if self.stamp != Some(stamp) {
            self.content = match found(StoredManifest::read(walk.disk, &walk.path(), &self.name)) {
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
            Ok(manifest) => walk.census.manifests.push(manifest.clone()),
            Err(damage) => walk.census.damaged.push((self.name.clone(), damage.clone())),
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
