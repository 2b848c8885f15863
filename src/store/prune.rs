//! Removing what nobody needs.
//!
//! A blob goes only if no manifest names it and nobody holds a lease on it. Both can change at any time, in
//! another process too, so the order matters: first the blob is claimed, which keeps new leases waiting, and
//! only then are the manifests looked at. Whoever makes a manifest holds leases until it is in place, so a
//! blob that could be claimed is either named by a manifest that can be seen, or by none to come.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::disk::read_up_to;
use super::hashing::digest_of;
use super::stored_manifest::{LONGEST_MANIFEST, digests_in};
use super::{Shared, Store, StoreError, Tally, lease};
use crate::model::{Digest, Name};

/// So many blobs are claimed at a time; each claim is an open file.
const BATCH: usize = 64;

/// Levels of directories that are followed in a layout of manifests that is not ours.
const FOREIGN_DEPTH: usize = 6;

/// What to prune.
#[derive(Debug, Clone, Copy)]
pub struct PruneOptions {
    /// Unneeded blobs and partial downloads younger than this stay: their model may be on its way.
    pub grace: Duration,
    /// Only tell what would be removed.
    pub dry_run: bool,
}

impl Default for PruneOptions {
    /// One hour, as Ollama.
    fn default() -> Self {
        Self { grace: Duration::from_secs(3600), dry_run: false }
    }
}

/// What was pruned, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PruneReport {
    /// The blobs, each with its length in bytes.
    pub blobs: Vec<(Digest, u64)>,
    /// Temporary files of processes that are no more.
    pub leftovers: Tally,
    /// The number of partial downloads.
    pub partial_downloads: usize,
    /// The number of bytes freed.
    pub freed: u64,
    /// Models whose manifests cannot be read. As long as there are any, no blob is pruned, since it may be
    /// theirs.
    pub damaged: Vec<Name>,
}

/// A blob that nobody else can lease, and its length.
struct Claimed {
    digest: Digest,
    file: File,
    length: u64,
}

impl Store {
    /// Removes the blobs that no manifest names and nobody holds a lease on, and old partial downloads.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn prune(&self, options: PruneOptions) -> Result<PruneReport, StoreError> {
        let store = &self.0;
        let leftovers = store.leftovers(options.dry_run)?;
        let mut report = PruneReport { leftovers, freed: leftovers.bytes, ..PruneReport::default() };
        store.prune_partial(options, &mut report)?;
        let census = store.whole_census()?;
        if !census.damaged.is_empty() {
            report.damaged = census.damaged.into_iter().map(|(name, _)| name).collect();
            return Ok(report);
        }
        drop(census);
        let candidates = store.blobs_older_than(options.grace)?;
        for batch in candidates.chunks(BATCH) {
            let claimed = batch.iter().filter_map(|digest| store.claim(*digest).transpose());
            let mut claimed = claimed.collect::<io::Result<Vec<_>>>()?;
            // A blob that was used again since it was listed is young again.
            claimed.retain(|claimed| is_older(&claimed.file, options.grace));
            for unused in store.unnamed(claimed)? {
                if options.dry_run || store.remove_claimed(&unused)? {
                    report.blobs.push((unused.digest, unused.length));
                    report.freed += unused.length;
                }
            }
        }
        if !options.dry_run {
            store.forget_lost()?;
        }
        Ok(report)
    }

    /// Removes those of the blobs that no manifest names and nobody holds a lease on, whatever their age.
    /// This is for the blobs of a model that was removed or replaced. Answers with those it removed.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn remove_unused(&self, digests: &[Digest]) -> Result<Vec<Digest>, StoreError> {
        let digests: Vec<_> = digests.iter().collect::<HashSet<_>>().into_iter().collect();
        let mut removed = Vec::new();
        for batch in digests.chunks(BATCH) {
            let claimed = batch.iter().filter_map(|digest| self.0.claim(**digest).transpose());
            for unused in self.0.unnamed(claimed.collect::<io::Result<_>>()?)? {
                if self.0.remove_claimed(&unused)? {
                    removed.push(unused.digest);
                }
            }
        }
        Ok(removed)
    }
}

impl Shared {
    /// Removes the temporary files of processes that are no more.
    pub(super) fn clear_leftovers(&self) -> io::Result<()> {
        self.leftovers(false).map(drop)
    }

    /// As [`clear_leftovers`](Self::clear_leftovers), or only a count of what it would remove.
    fn leftovers(&self, dry_run: bool) -> io::Result<Tally> {
        let directory = self.layout.temporary();
        let mut tally = Tally::default();
        for name in self.list_or_nothing(directory)? {
            let path = directory.join(name);
            if let Ok(file) = self.disk.open(&path)
                && lease::claim(&*self.disk, &file)
            {
                let length = file.metadata()?.len();
                if dry_run || ignore_absence(self.disk.remove(&path))? {
                    tally.add(length);
                }
            }
        }
        Ok(tally)
    }

    fn blobs_older_than(&self, grace: Duration) -> io::Result<Vec<Digest>> {
        let mut digests = Vec::new();
        for digest in self.list_blobs()? {
            let metadata = self.disk.metadata(&self.layout.blob(digest));
            if metadata.is_ok_and(|metadata| metadata.is_file() && is_old(&metadata, grace)) {
                digests.push(digest);
            }
        }
        Ok(digests)
    }

    /// Every blob that the store has. Files of other names are not ours.
    pub(super) fn list_blobs(&self) -> io::Result<Vec<Digest>> {
        let names = self.list_or_nothing(self.layout.blobs())?;
        let digest_of_name =
            |name: &String| name.parse().ok().filter(|digest: &Digest| digest.file_name() == *name);
        Ok(names.iter().filter_map(digest_of_name).collect())
    }

    pub(super) fn list_or_nothing(&self, directory: &Path) -> io::Result<Vec<String>> {
        match self.disk.list(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            answer => answer,
        }
    }

    /// Claims a blob for removal, unless it is leased or not there.
    fn claim(&self, digest: Digest) -> io::Result<Option<Claimed>> {
        let path = self.layout.blob(digest);
        match self.disk.open(&path) {
            Ok(file) if lease::claim(&*self.disk, &file) && lease::leads_to(&*self.disk, &path, &file)? => {
                let length = file.metadata()?.len();
                Ok(Some(Claimed { digest, file, length }))
            }
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Those of the claimed blobs that no manifest names: none as long as there may be a manifest of which nobody knows
    /// what it names.
    fn unnamed(&self, claimed: Vec<Claimed>) -> io::Result<Vec<Claimed>> {
        let mut unnamed: HashMap<_, _> =
            claimed.into_iter().map(|claimed| (claimed.digest, claimed)).collect();
        if unnamed.is_empty() {
            return Ok(Vec::new());
        }
        let census = self.census();
        if !census.lost.is_empty() {
            return Ok(Vec::new());
        }
        if let Some((name, damage)) = census.damaged.first() {
            let problem = &damage.problem;
            tracing::warn!(model = %name, %problem, "no blob is removed as long as this manifest cannot be read");
            return Ok(Vec::new());
        }
        for manifest in &census.manifests {
            unnamed.remove(&manifest.digest);
            for layer in manifest.manifest.blobs() {
                unnamed.remove(&layer.digest);
            }
        }
        for digest in self.foreign_references()? {
            unnamed.remove(&digest);
        }
        Ok(unnamed.into_values().collect())
    }

    /// Removes a claimed blob; `false` if another program was faster.
    fn remove_claimed(&self, claimed: &Claimed) -> io::Result<bool> {
        self.verified.remove(claimed.digest);
        self.durable.remove(claimed.digest);
        ignore_absence(self.disk.remove(&self.layout.blob(claimed.digest)))
    }

    /// Digests named by manifests in a layout that we do not write: some builds of Ollama keep manifests as
    /// blobs, with names for them in a directory `manifests-v2`.
    pub(super) fn foreign_references(&self) -> io::Result<HashSet<Digest>> {
        let mut digests = HashSet::new();
        let mut pending = Vec::new();
        for name in self.list_or_nothing(self.layout.root())? {
            let path = self.layout.root().join(&name);
            if name.starts_with("manifests") && path != self.layout.manifests() {
                pending.push((path, FOREIGN_DEPTH));
            }
        }
        while let Some((path, depth)) = pending.pop() {
            let metadata = match self.disk.metadata(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                answer => answer?,
            };
            if !metadata.is_dir() {
                let file = match self.disk.open(&path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    answer => answer?,
                };
                let bytes = read_up_to(&*self.disk, &file, LONGEST_MANIFEST)?;
                digests.insert(digest_of(&bytes));
                digests.extend(digests_in(&bytes));
            } else if depth > 0 {
                let names = self.list_or_nothing(&path)?;
                pending.extend(names.into_iter().map(|name| (path.join(name), depth - 1)));
            }
        }
        Ok(digests)
    }
}

fn is_older(file: &File, grace: Duration) -> bool {
    file.metadata().is_ok_and(|metadata| is_old(&metadata, grace))
}

/// A time in the future, from a clock that was wrong, makes a file young.
pub(super) fn is_old(metadata: &std::fs::Metadata, grace: Duration) -> bool {
    metadata.modified().is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age >= grace))
}

/// Whether something was removed, where its absence is as good.
pub(super) fn ignore_absence(removal: io::Result<()>) -> io::Result<bool> {
    match removal {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
