//! What lies in a store beside whole blobs and models.

use std::collections::HashSet;
use std::io;
use std::path::Path;

use super::{Shared, Store, StoreError, lease};
use crate::model::Digest;

/// A number of files and of their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// The number of files.
    pub files: usize,
    /// The bytes of all of them.
    pub bytes: u64,
}

/// What is under way in a store, and what could be done without. None of it is wrong.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Account {
    /// Blobs that a job or a transfer holds a lease on, in any process.
    pub leased: Tally,
    /// Blobs that no manifest names. Pruning removes those that are not leased and not young.
    pub unnamed: Tally,
    /// Temporary files that a process is writing.
    pub under_way: Tally,
    /// Temporary files of processes that are no more. They go at the next start, or with the next pruning.
    pub left_over: Tally,
    /// Downloads that have not been finished, but for their journals. Pruning removes those that are not
    /// young.
    pub partial_downloads: Tally,
    /// Uploads that are not whole yet. Pruning removes those that have expired.
    pub uploads: Tally,
    /// Documents of images and artifacts that are no models, and the bytes of their blobs.
    pub guests: Tally,
    /// Damaged blobs that were taken out of the store.
    pub quarantined: Tally,
    /// Parts of downloads that Ollama has not finished. Pruning removes those that are not young.
    pub foreign_downloads: Tally,
    /// Blobs with names that old versions of Ollama gave them. They get new ones when a server starts.
    pub old_names: Tally,
}

impl Tally {
    pub(super) fn add(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }
}

impl Store {
    /// Counts what lies in the store beside whole blobs and models.
    ///
    /// # Errors
    /// What the operating system says about the directories.
    pub fn account(&self) -> Result<Account, StoreError> {
        let store = &self.0;
        let mut account = Account::default();
        let named = store.named()?;
        for digest in store.list_blobs()? {
            let Ok(file) = store.disk.open(&store.layout.blob(digest)) else { continue };
            let length = file.metadata()?.len();
            // Given back at once, when the file is closed.
            if !lease::claim(&*store.disk, &file) && lease::is_linked(&file)? {
                account.leased.add(length);
            }
            if !named.contains(&digest) {
                account.unnamed.add(length);
            }
        }
        for name in store.list_or_nothing(store.layout.temporary())? {
            let Ok(file) = store.disk.open(&store.layout.temporary().join(name)) else { continue };
            let length = file.metadata()?.len();
            match lease::claim(&*store.disk, &file) {
                true => account.left_over.add(length),
                false => account.under_way.add(length),
            }
        }
        // Their journals are not touched: whoever holds the lock of one keeps the download from its owner.
        account.partial_downloads = store.tally(store.layout.partial())?;
        account.uploads = store.tally_uploads()?;
        account.guests = store.tally_guests()?;
        account.quarantined = store.tally(store.layout.quarantine())?;
        let others = store.ollamas_files()?;
        (account.foreign_downloads, account.old_names) = (others.partial, others.old_names);
        Ok(account)
    }
}

impl Shared {
    /// Every digest that is named somewhere.
    fn named(&self) -> io::Result<HashSet<Digest>> {
        let mut named = HashSet::new();
        self.reach(&self.census(), &mut |digest| {
            named.insert(digest);
        })?;
        Ok(named)
    }

    /// The files in a directory that are called like blobs.
    fn tally(&self, directory: &Path) -> io::Result<Tally> {
        let mut tally = Tally::default();
        for name in self.list_or_nothing(directory)? {
            if name.parse::<Digest>().is_ok()
                && let Ok(metadata) = self.disk.metadata(&directory.join(name))
            {
                tally.add(metadata.len());
            }
        }
        Ok(tally)
    }
}
