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
    /// Directories that cannot be looked into, by their places below the root, such as links to a disk that is not there.
    pub(super) lost: Vec<String>,
}

impl Census {
    fn extend(&mut self, other: Self) {
        self.manifests.extend(other.manifests);
        self.damaged.extend(other.damaged);
        self.lost.extend(other.lost);
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
    pub(super) fn census(&mut self, disk: &dyn Disk) -> Census {
        let mut walk = Walk { disk, root: &self.root, census: Census::default(), place: String::new() };
        self.tree.refresh(&mut walk, 0, None);
        walk.census
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
        match self.place.as_str() {
            // A slash at the end would lead through a link.
            "" => self.root.to_owned(),
            place => self.root.join(place),
        }
    }

    /// The state of what is at the place. The open directory may have been removed and made again since: what is not
    /// in it is looked for by its whole path.
    fn stamp(&self, base: Base<'_>) -> io::Result<Option<Stamp>> {
        let path = self.place[base.length..].trim_start_matches('/');
        let stamp = match self.disk.stamp_at(base.directory, if path.is_empty() { "." } else { path }) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.disk.metadata(&self.path()).map(|metadata| Stamp::from(&metadata))
            }
            answer => answer,
        };
        self.found(stamp)
    }

    /// Nothing where nothing is: other programs remove files at any time. A link that leads nowhere is something.
    fn found<T>(&self, answer: io::Result<T>) -> io::Result<Option<T>> {
        match answer {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.disk.is_listed(&self.path()) => {
                Ok(None)
            }
            // A file is in the way of what was a directory; it is none of ours. The root has to be one.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory && !self.place.is_empty() => Ok(None),
            answer => answer.map(Some),
        }
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
    ) -> Vec<String> {
        let mut gone = Vec::new();
        let length = self.place.len();
        for (part, node) in nodes {
            if depth > 0 {
                self.place.push('/');
            }
            self.place.push_str(part);
            let is_there = match node {
                Node::Manifest(file) => file.refresh(self, base),
                Node::Directory(directory) => directory.refresh(self, depth + 1, Some(base)),
            };
            self.place.truncate(length);
            if !is_there {
                gone.push(part.clone());
            }
        }
        gone
    }
}

impl Directory {
    /// Brings the tree up to date; `false` if there is no such directory. One that cannot be looked into is lost.
    fn refresh(&mut self, walk: &mut Walk<'_>, depth: usize, base: Option<Base<'_>>) -> bool {
        let length = walk.place.len();
        persistently(|| self.look(walk, depth, base)).unwrap_or_else(|error| {
            walk.place.truncate(length);
            tracing::warn!(place = walk.place, %error, "a directory of manifests cannot be looked into");
            walk.census.lost.push(walk.place.clone());
            true
        })
    }

    /// Every directory that holds many is opened, and the others are looked at from there.
    fn look(&mut self, walk: &mut Walk<'_>, depth: usize, base: Option<Base<'_>>) -> io::Result<bool> {
        let opened = match base {
            Some(_) if depth == DEPTH => None,
            _ => match walk.found(walk.disk.open_directory(&walk.path()))? {
                None => return Ok(false),
                opened => opened,
            },
        };
        let base = opened.as_ref().map(|directory| Base { directory, length: walk.place.len() }).or(base);
        let Some(base) = base else { return Ok(false) };
        match walk.stamp(base)? {
            Some(stamp) if stamp.is_directory() => {
                if self.stamp != Some(stamp) {
                    let Some(names) = walk.found(walk.disk.list(&walk.path()))? else { return Ok(false) };
                    self.adopt(names, &walk.place, depth);
                    self.stamp = stamp.is_settled().then_some(stamp);
                }
            }
            _ => return Ok(false),
        }
        let gone = match self.children.len() / SHARE {
            0 => walk.refresh(self.children.iter_mut(), depth, base),
            helpers => self.refresh_together(helpers, walk, depth, base),
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
    ) -> Vec<String> {
        let threads = thread::available_parallelism().map_or(1, NonZero::get).min(1 + helpers);
        let mut nodes: Vec<_> = self.children.iter_mut().collect();
        let share = nodes.len().div_ceil(threads);
        let mut shares = nodes.chunks_mut(share).map(|share| {
            let mut walk = walk.branch();
            let nodes = share.iter_mut().map(|(part, node)| (*part, &mut **node));
            move || {
                let gone = walk.refresh(nodes, depth, base);
                (walk.census, gone)
            }
        });
        let own = shares.next();
        let answers: Vec<_> = thread::scope(|scope| {
            let others: Vec<_> = shares.map(|share| scope.spawn(share)).collect();
            let own = own.map(|share| share());
            let others =
                others.into_iter().map(|other| other.join().unwrap_or_else(|panic| resume_unwind(panic)));
            own.into_iter().chain(others).collect()
        });
        let mut gone = Vec::new();
        for (census, gone_of_share) in answers {
            walk.census.extend(census);
            gone.extend(gone_of_share);
        }
        gone
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

    /// Brings it up to date; `false` if there is no such file.
    fn refresh(&mut self, walk: &mut Walk<'_>, base: Base<'_>) -> bool {
        let is_there = persistently(|| self.look(walk, base)).unwrap_or_else(|error| {
            self.stamp = None;
            self.content = Err(Damage { problem: error.kind().to_string(), digests: Vec::new() });
            true
        });
        match &self.content {
            _ if !is_there => {}
            Ok(manifest) => walk.census.manifests.push(manifest.clone()),
            Err(damage) => walk.census.damaged.push((self.name.clone(), damage.clone())),
        }
        is_there
    }

    fn look(&mut self, walk: &Walk<'_>, base: Base<'_>) -> io::Result<bool> {
        let Some(stamp) = walk.stamp(base)?.filter(|stamp| !stamp.is_directory()) else { return Ok(false) };
        if self.stamp != Some(stamp) {
            let read = StoredManifest::read(walk.disk, &walk.path(), &self.name);
            let Some((stamp, content)) = walk.found(read)? else { return Ok(false) };
            self.stamp = stamp.is_settled().then_some(stamp);
            self.content = content.map(|manifest| self.keep_known(manifest));
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

/// Looks again where something is listed and is not there: it may have come back in between. A link that leads nowhere
/// does so at every look.
fn persistently<T>(mut look: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    const LOOKS: usize = 4;
    for _ in 1..LOOKS {
        match look() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            answer => return answer,
        }
    }
    look()
}
