//! Removing what nobody needs.
//!
//! A blob goes only if no manifest names it and nobody holds a lease on it. Both can change at any time, in
//! another process too, so the order matters: first the blob is claimed, which keeps new leases waiting, and
//! only then is looked at what is named. Whoever makes a manifest holds leases until it is in place, so a
//! blob that could be claimed is either named by a manifest that can be seen, or by none to come.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::disk::ignore_absence;
use super::index::Census;
use super::placing::is_temporary_link;
use super::{Shared, Store, StoreError, Tally, Unread, lease};
use crate::model::{Digest, Name};

/// So many blobs are claimed at a time; each claim is an open file.
const BATCH: usize = 64;

/// Ollama removes an entry before it puts another in its place. After so long the other is there.
const REPLACEMENT: Duration = Duration::from_millis(20);

/// No process takes longer to give a link its place.
const LINKING: Duration = Duration::from_secs(60);

/// What to prune.
#[derive(Debug, Clone, Copy)]
pub struct PruneOptions {
    /// Unneeded blobs and partial downloads younger than this stay: their model may be on its way. Uploads
    /// stay until they expire.
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
    /// Temporary files of processes that are no more, and outputs that no job is to go on with.
    pub leftovers: Tally,
    /// The number of partial downloads.
    pub partial_downloads: usize,
    /// The number of uploads that have expired.
    pub uploads: usize,
    /// The number of bytes freed.
    pub freed: u64,
    /// Models whose manifests cannot be read.
    pub damaged: Vec<Name>,
    /// Everything that cannot be read or understood, those manifests included. As long as there is anything,
    /// no blob is pruned, since it may be named there.
    pub unread: Vec<Unread>,
}

/// A blob that nobody else can lease, and its length.
pub(super) struct Claimed {
    digest: Digest,
    file: File,
    length: u64,
}

impl Claimed {
    /// Its length in bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }
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
        store.prune_uploads(options, &mut report)?;
        let outputs = store.prune_outputs(options)?;
        report.leftovers.files += outputs.files;
        report.leftovers.bytes += outputs.bytes;
        report.freed += outputs.bytes;
        store.prune_ollamas_downloads(options, &mut report)?;
        let census = store.whole_census()?;
        report.unread = store.reach(&census, &mut |_| ())?;
        if !report.unread.is_empty() {
            report.damaged = census.damaged().filter_map(|(entry, _)| entry.name.clone()).collect();
            return Ok(report);
        }
        if !options.dry_run {
            store.clear_links(&census, options.grace)?;
            store.forget_manifests(&census)?;
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
            store.forget_gone()?;
            store.forget_measured()?;
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

    /// Removes the links that a process began to make and did not finish.
    fn clear_links(&self, census: &Census, grace: Duration) -> io::Result<()> {
        let age = grace.max(LINKING);
        for entry in &census.entries {
            let is_ours = entry.place.rsplit('/').next().is_some_and(is_temporary_link);
            let path = self.layout.root().join(&entry.place);
            if is_ours && self.disk.metadata_of_link(&path).is_ok_and(|metadata| is_old(&metadata, age)) {
                ignore_absence(self.disk.remove(&path))?;
            }
        }
        Ok(())
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

    /// The names in a directory that may have none. Names that are not UTF-8 are not ours.
    pub(super) fn list_or_nothing(&self, directory: &Path) -> io::Result<Vec<String>> {
        match self.disk.list(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            names => Ok(names?.into_iter().filter_map(|name| name.into_string().ok()).collect()),
        }
    }

    /// Claims a blob for removal, unless it is leased or not there.
    pub(super) fn claim(&self, digest: Digest) -> io::Result<Option<Claimed>> {
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

    /// Those of the claimed blobs that no manifest names: none as long as there may be a manifest of which
    /// nobody knows what it names.
    pub(super) fn unnamed(&self, claimed: Vec<Claimed>) -> io::Result<Vec<Claimed>> {
        let mut unnamed: HashMap<_, _> =
            claimed.into_iter().map(|claimed| (claimed.digest, claimed)).collect();
        if unnamed.is_empty() {
            return Ok(Vec::new());
        }
        let census = self.census();
        let is_restless = census.is_restless;
        if !self.keep_named(&census, &mut unnamed)? {
            return Ok(Vec::new());
        }
        if is_restless && !unnamed.is_empty() {
            thread::sleep(REPLACEMENT);
            if !self.keep_named(&self.census(), &mut unnamed)? {
                return Ok(Vec::new());
            }
        }
        Ok(unnamed.into_values().collect())
    }

    /// Lets go of what is named; `false` if nobody knows all that is.
    fn keep_named(&self, census: &Census, unnamed: &mut HashMap<Digest, Claimed>) -> io::Result<bool> {
        if !census.lost.is_empty() {
            return Ok(false);
        }
        let unread = self.reach(census, &mut |digest| drop(unnamed.remove(&digest)))?;
        if let Some(Unread { place, problem, .. }) = unread.first() {
            tracing::warn!(place, problem, "no blob is removed as long as this cannot be read or understood");
        }
        Ok(unread.is_empty())
    }

    /// Removes a claimed blob; `false` if another program was faster.
    pub(super) fn remove_claimed(&self, claimed: &Claimed) -> io::Result<bool> {
        self.forget_whole(claimed.digest);
        self.durable.remove(claimed.digest);
        ignore_absence(self.disk.remove(&self.layout.blob(claimed.digest)))
    }
}

fn is_older(file: &File, grace: Duration) -> bool {
    file.metadata().is_ok_and(|metadata| is_old(&metadata, grace))
}

/// A time in the future, from a clock that was wrong, makes a file young.
pub(super) fn is_old(metadata: &std::fs::Metadata, grace: Duration) -> bool {
    metadata.modified().is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age >= grace))
}
