//! One fsync of a directory for everybody who waits for it.

use std::io;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::disk::Disk;
use crate::locked::locked;

/// Counts the changes of a directory's entries and knows how many of them are durable.
#[derive(Debug, Default)]
pub(super) struct DirectorySync {
    changes: AtomicU64,
    durable: Mutex<u64>,
}

impl DirectorySync {
    /// Notes that an entry has been made. To be called before anybody can rely on the entry.
    pub(super) fn changed(&self) {
        self.changes.fetch_add(1, Ordering::SeqCst);
    }

    /// Returns when every change noted so far is durable; does nothing if all are.
    pub(super) fn sync(&self, disk: &dyn Disk, directory: &Path) -> io::Result<()> {
        let wanted = self.changes.load(Ordering::SeqCst);
        let mut durable = locked(&self.durable);
        if *durable < wanted {
            let covered = self.changes.load(Ordering::SeqCst);
            disk.sync_directory(directory)?;
            *durable = covered;
        }
        Ok(())
    }
}
