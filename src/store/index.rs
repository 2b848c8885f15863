//! What is known about all entries of the directories of manifests, kept up to date at the price of one
//! `stat` each.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use super::disk::{Disk, is_loop};
use super::document::Damage;
use super::entry::{Chosen, Content, Entry, blob_named_by};
use super::layout::Layout;
use super::stamp::Stamp;
use super::tree::name_of_directories;
use crate::model::Name;

/// Host, namespace, model: the levels of directories between a tree's root and a manifest.
const DEPTH: usize = 3;

/// Deeper levels are not looked into.
const DEEPEST: usize = 16;

/// A thread more looks at a directory for every so many entries.
const SHARE: usize = 1000;

/// The trees of manifests: `manifests`, `manifests-v2`, and whatever else is called so. It is a cache: every
/// answer is checked against the file system, which other programs may have changed, but nothing is read
/// again that has not changed. The stamps of directories do not spare the look at the files in them, since
/// Ollama writes manifests in place.
#[derive(Debug, Default)]
pub(super) struct Index {
    trees: BTreeMap<String, Directory>,
}

#[derive(Debug, Default)]
struct Directory {
    /// The state in which its entries were listed, unless it may have changed since without a trace.
    stamp: Option<Stamp>,
    /// Whether it is a link, and so may lead anywhere.
    is_link: bool,
    /// Entries whose names are not UTF-8.
    nameless: usize,
    children: BTreeMap<String, Node>,
}

#[derive(Debug)]
enum Node {
    /// Nobody has looked yet.
    Unknown,
    Directory(Directory),
    Entry(Known),
}

/// An entry, and the state in which it was read.
#[derive(Debug)]
struct Known {
    /// Nothing where it may have changed since without a trace.
    stamp: Option<Stamp>,
    entry: Arc<Entry>,
}

/// All entries of a store at one moment.
#[derive(Debug, Default)]
pub(super) struct Census {
    /// In the order of their directories.
    pub(super) entries: Vec<Arc<Entry>>,
    /// Directories that cannot be looked into, by their places in the store, such as links to a disk that is
    /// not there.
    pub(super) lost: Vec<String>,
    /// Whether a directory that Ollama writes to has changed just now. It removes an entry before it puts
    /// another in its place.
    pub(super) is_restless: bool,
}

impl Census {
    fn extend(&mut self, other: Self) {
        self.entries.extend(other.entries);
        self.lost.extend(other.lost);
        self.is_restless |= other.is_restless;
    }

    /// The entries that cannot be understood, and why.
    pub(super) fn damaged(&self) -> impl Iterator<Item = (&Entry, &Damage)> {
        self.entries.iter().filter_map(|entry| match &entry.content {
            Content::Damaged(damage) => Some((&**entry, damage)),
            _ => None,
        })
    }
}

/// A way through the trees.
struct Walk<'w> {
    disk: &'w dyn Disk,
    layout: &'w Layout,
    census: Census,
    /// Where it is, below the directory of the store.
    place: String,
    /// Whether a link was followed to get there. No second one is: with links, a few directories make endless
    /// ways.
    is_beyond_link: bool,
}

impl Index {
    /// All entries as they are now.
    pub(super) fn census(&mut self, disk: &dyn Disk, layout: &Layout) -> Census {
        let mut walk =
            Walk { disk, layout, census: Census::default(), place: String::new(), is_beyond_link: false };
        let listed = match disk.list(layout.root()) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(_) => {
                walk.census.lost.push(".".to_owned());
                return walk.census;
            }
        };
        let trees: Vec<String> = listed.into_iter().filter_map(|name| tree(disk, layout, &name)).collect();
        self.trees.retain(|name, _| trees.contains(name));
        for name in trees {
            self.trees.entry(name).or_default();
        }
        // In this order: Ollama makes the entry in `manifests-v2` before it removes that in `manifests`.
        for (name, directory) in &mut self.trees {
            walk.place.clone_from(name);
            directory.refresh(&mut walk, 0, None);
        }
        walk.census
    }
}

/// The name of a tree. A plain file that happens to be called so is not a tree; in the place of the tree
/// itself it is in the way.
fn tree(disk: &dyn Disk, layout: &Layout, name: &OsString) -> Option<String> {
    let text = name.to_str().filter(|name| name.to_ascii_lowercase().starts_with("manifests"))?;
    let path = layout.root().join(name);
    let is_other_file = layout.trees().iter().all(|tree| **tree != path)
        && disk.metadata(&path).is_ok_and(|metadata| metadata.is_file());
    (!is_other_file).then(|| text.to_owned())
}

/// An open directory, and the length of the part of a walk's place that leads to it.
#[derive(Clone, Copy)]
struct Base<'b> {
    directory: &'b File,
    length: usize,
}

impl Walk<'_> {
    fn path(&self) -> PathBuf {
        self.layout.root().join(&self.place)
    }

    /// The state of what is at the place. The open directory may have been removed and made again since: what
    /// is not in it is looked for by its whole path.
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

    /// Nothing where nothing is: other programs remove files at any time. A link that leads nowhere is
    /// something.
    fn found<T>(&self, answer: io::Result<T>) -> io::Result<Option<T>> {
        match answer {
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.disk.is_listed(&self.path()) => {
                Ok(None)
            }
            // A file is in the way of what was a directory. The root of a tree has to be one.
            Err(error) if error.kind() == io::ErrorKind::NotADirectory && self.place.contains('/') => {
                Ok(None)
            }
            answer => answer.map(Some),
        }
    }

    /// The same way, to be gone on by another thread.
    fn branch(&self) -> Self {
        let Self { disk, layout, place, is_beyond_link, .. } = self;
        Self {
            disk: *disk,
            layout,
            census: Census::default(),
            place: place.clone(),
            is_beyond_link: *is_beyond_link,
        }
    }

    /// Counts an entry that has no content of its own to be kept.
    fn note(&mut self, content: Content) {
        let (place, name) = (self.place.clone(), self.name());
        let entry = Entry { place, name, content, chosen: Chosen::default() };
        self.census.entries.push(Arc::new(entry));
    }

    /// Whether it is in a tree that only newer versions of Ollama write, which remove an entry before they
    /// replace it.
    fn is_in_new_tree(&self) -> bool {
        self.place.split('/').next() != Some("manifests")
    }

    fn note_lost(&mut self, error: &io::Error) {
        tracing::warn!(place = self.place, %error, "a directory of manifests cannot be looked into");
        self.census.lost.push(self.place.clone());
    }

    /// The model whose place this is.
    fn name(&self) -> Option<Name> {
        let parts: Vec<_> = self.place.split('/').collect();
        match parts[..] {
            ["manifests" | "manifests-v2", host, namespace, model, tag] => {
                name_of_directories([host, namespace, model, tag])
            }
            _ => None,
        }
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
            self.place.push('/');
            self.place.push_str(part);
            let is_there = node.refresh(self, depth + 1, base);
            self.place.truncate(length);
            if !is_there {
                gone.push(part.clone());
            }
        }
        gone
    }
}

impl Node {
    /// Brings it up to date; `false` if it is gone. What it was does not tell what it is.
    fn refresh(&mut self, walk: &mut Walk<'_>, depth: usize, base: Base<'_>) -> bool {
        match persistently(|| walk.stamp(base)) {
            Ok(None) => false,
            Ok(Some(stamp)) if stamp.is_directory() => {
                if !matches!(self, Self::Directory(_)) {
                    *self = Self::Directory(Directory::default());
                }
                let Self::Directory(directory) = self else { return false };
                directory.refresh(walk, depth, Some((base, stamp)))
            }
            Ok(Some(stamp)) => self.read(walk, Some(stamp)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let target = walk.disk.link(&walk.path()).ok().flatten();
                // Between a model and its directories only the link's text tells what it was meant to be.
                if depth > DEPTH || target.is_some_and(|target| blob_named_by(&target).is_some()) {
                    walk.note(Content::dangling(walk.disk, &walk.path()));
                } else {
                    walk.note_lost(&error);
                }
                true
            }
            Err(error) if depth > DEPTH || is_loop(&error) => self.read(walk, None),
            Err(error) => {
                walk.note_lost(&error);
                true
            }
        }
    }

    /// Takes in an entry, which is in this state as far as that is known; `false` if it is gone.
    fn read(&mut self, walk: &mut Walk<'_>, stamp: Option<Stamp>) -> bool {
        if let Self::Entry(known) = self
            && known.stamp.is_some()
            && known.stamp == stamp
        {
            walk.census.entries.push(known.entry.clone());
            return true;
        }
        let (path, name) = (walk.path(), walk.name());
        let read = persistently(|| walk.found(Content::read(walk.disk, walk.layout, &path, name.as_ref())));
        let (stamp, content) = match read {
            Ok(None) => return false,
            Ok(Some(read)) => read,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                (None, Content::dangling(walk.disk, &path))
            }
            Err(error) if is_loop(&error) => {
                (None, Content::Damaged(Damage::unreadable("it is a link that leads back to itself")))
            }
            Err(error) => (None, Content::Damaged(Damage::unreadable(error.kind().to_string()))),
        };
        let entry = match self {
            Self::Entry(known) if known.entry.says(&content) => known.entry.clone(),
            _ => Arc::new(Entry { place: walk.place.clone(), name, content, chosen: Chosen::default() }),
        };
        walk.census.entries.push(entry.clone());
        *self = Self::Entry(Known { stamp, entry });
        true
    }
}

impl Directory {
    /// Brings the tree up to date; `false` if there is no such directory. One that cannot be looked into is
    /// lost. `seen` is where it was found, in which state, unless it is the root of a tree.
    fn refresh(&mut self, walk: &mut Walk<'_>, depth: usize, seen: Option<(Base<'_>, Stamp)>) -> bool {
        let (length, was_beyond_link) = (walk.place.len(), walk.is_beyond_link);
        let is_there = persistently(|| self.look(walk, depth, seen)).unwrap_or_else(|error| {
            walk.place.truncate(length);
            walk.note_lost(&error);
            true
        });
        walk.is_beyond_link = was_beyond_link;
        is_there
    }

    /// Every directory that holds many is opened, and the others are looked at from there.
    fn look(
        &mut self,
        walk: &mut Walk<'_>,
        depth: usize,
        seen: Option<(Base<'_>, Stamp)>,
    ) -> io::Result<bool> {
        let opened = match seen {
            Some(_) if depth >= DEPTH => None,
            _ => match walk.found(walk.disk.open_directory(&walk.path()))? {
                None => return Ok(false),
                opened => opened,
            },
        };
        let (base, stamp) = match (&opened, seen) {
            (Some(directory), _) => {
                let base = Base { directory, length: walk.place.len() };
                match walk.stamp(base)? {
                    Some(stamp) if stamp.is_directory() => (base, stamp),
                    _ => return Ok(false),
                }
            }
            (None, Some(seen)) => seen,
            (None, None) => return Ok(false),
        };
        if self.stamp != Some(stamp) {
            // The root of a tree may be anywhere.
            if depth > 0 {
                // It may have gone since its state was asked for.
                let Some(target) = walk.found(walk.disk.link(&walk.path()))? else { return Ok(false) };
                self.is_link = target.is_some();
            }
            if let Some(problem) = self.problem(walk, depth) {
                walk.note(Content::Damaged(Damage::unreadable(problem)));
                return Ok(true);
            }
            let Some(names) = walk.found(walk.disk.list(&walk.path()))? else { return Ok(false) };
            self.adopt(names);
            self.stamp = stamp.is_settled().then_some(stamp);
            walk.census.is_restless |= self.stamp.is_none() && walk.is_in_new_tree();
        }
        walk.is_beyond_link |= self.is_link;
        if self.nameless > 0 {
            let problem = format!("{} names in it are not UTF-8", self.nameless);
            walk.note(Content::Damaged(Damage::unreadable(problem)));
        }
        let gone = match self.children.len() / SHARE {
            0 => walk.refresh(self.children.iter_mut(), depth, base),
            helpers => self.refresh_together(helpers, walk, depth, base),
        };
        walk.census.is_restless |= !gone.is_empty() && walk.is_in_new_tree();
        for part in gone {
            // It may come back, in which case the directory changes or has not settled.
            self.children.remove(&part);
        }
        Ok(true)
    }

    /// Why it is not looked into.
    fn problem(&self, walk: &Walk<'_>, depth: usize) -> Option<&'static str> {
        if depth > DEEPEST {
            return Some("it is a directory, deeper than any manifest is looked for");
        }
        if !self.is_link {
            return None;
        }
        let tree = walk.place.split('/').next().unwrap_or_default();
        let tree = walk.disk.resolve(&walk.layout.root().join(tree));
        match (tree, walk.disk.resolve(&walk.path())) {
            _ if depth > DEPTH || walk.is_beyond_link => Some("it is a link to a directory"),
            (Ok(tree), Ok(target)) if target.starts_with(&tree) => None,
            _ => Some("it is a link to a directory that lies elsewhere"),
        }
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

    /// Keeps the children that are still listed and takes in the new ones. Entries are read again: a link may
    /// have been replaced by a later one to the same blob, which no stamp of the blob tells.
    fn adopt(&mut self, names: Vec<OsString>) {
        let mut before = std::mem::take(&mut self.children);
        self.nameless = 0;
        for name in names {
            match name.into_string() {
                Ok(part) => {
                    let mut node = before.remove(&part).unwrap_or(Node::Unknown);
                    if let Node::Entry(known) = &mut node {
                        known.stamp = None;
                    }
                    self.children.insert(part, node);
                }
                Err(_) => self.nameless += 1,
            }
        }
    }
}

/// Looks again where something is listed and is not there: it may have come back in between. A link that
/// leads nowhere does so at every look.
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
