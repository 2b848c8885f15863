//! Unfinished downloads: partial files that outlive their process under the digest of what is pulled.

use std::collections::HashSet;
use std::io;
use std::os::unix::fs::MetadataExt;

use super::disk::ignore_absence;
use super::hashed::Hashed;
use super::journal::Purpose;
use super::length::Length;
use super::partial::Partial;
use super::partial_paths::PartialPaths;
use super::prune::is_old;
use super::{PruneOptions, PruneReport, Shared, Store, StoreError, lease};
use crate::model::Digest;

impl Store {
    /// How many bytes an unfinished download takes on the disk.
    pub fn partial_length(&self, digest: Digest) -> u64 {
        /// The unit in which the system counts, whatever the file system's own is (stat(2)).
        const BLOCK: u64 = 512;
        let path = self.0.download_paths(digest).file;
        self.0.disk.metadata(&path).map_or(0, |metadata| metadata.blocks() * BLOCK)
    }

    /// Begins the download of a blob, or goes on with one that was begun before.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if it is under way, here or in another process; what the operating system says.
    pub fn partial(&self, digest: Digest, length: u64) -> Result<Partial, StoreError> {
        let store = &self.0;
        let paths = store.download_paths(digest);
        let journal = store.with_directories(|| store.disk.update(&paths.journal))?;
        let purpose = Purpose { length: Length::Exactly(length), terms: None };
        let partial = match lease::lock_alone(&*store.disk, &journal)? {
            true => store.go_on(paths, journal, &purpose, Hashed::default())?,
            false => None,
        };
        let mut partial = partial.ok_or(StoreError::Busy { digest })?;
        partial.digest = Some(digest);
        Ok(partial)
    }
}

impl Shared {
    fn download_paths(&self, digest: Digest) -> PartialPaths {
        PartialPaths::new(self.layout.partial(), &digest.file_name())
    }

    /// Removes partial downloads that nobody has worked on for a while and no job is to go on with.
    pub(super) fn prune_partial(&self, options: PruneOptions, report: &mut PruneReport) -> io::Result<()> {
        let names = self.list_or_nothing(self.layout.partial())?;
        let digests = names.iter().map(|name| PartialPaths::name_of(name).parse());
        let mut claimed = Vec::new();
        for digest in digests.flatten().collect::<HashSet<_>>() {
            let PartialPaths { file, journal } = self.download_paths(digest);
            let lock = self.disk.open(&journal).or_else(|_| self.disk.open(&file));
            let metadata = self.disk.metadata(&file).or_else(|_| self.disk.metadata(&journal));
            let (Ok(lock), Ok(metadata)) = (lock, metadata) else { continue };
            if metadata.is_file() && is_old(&metadata, options.grace) && lease::claim(&*self.disk, &lock) {
                claimed.push((digest, lock, metadata.len()));
            }
        }
        // Only now, as with blobs: whoever would go on with one has it already, or its job has a record.
        let Some(needed) = self.needed_by_jobs()?.filter(|_| !claimed.is_empty()) else { return Ok(()) };
        for (digest, _lock, length) in claimed.into_iter().filter(|(digest, ..)| !needed.contains(digest)) {
            let PartialPaths { file, journal } = self.download_paths(digest);
            if !options.dry_run {
                ignore_absence(self.disk.remove(&file))?;
                ignore_absence(self.disk.remove(&journal))?;
            }
            report.partial_downloads += 1;
            report.freed += length;
        }
        Ok(())
    }
}
