//! Giving a blob its place, where everybody sees it.

use std::io;
use std::sync::{Arc, MutexGuard};
use std::time::{Duration, SystemTime};

use super::temporary::TemporaryFile;
use super::{Blob, Committed, Shared, Store, StoreError};
use crate::locked::locked;
use crate::model::Digest;

/// The age of a blob that is younger need not count from now on.
const YOUNG: Duration = Duration::from_secs(60);

/// What lies where a blob is to be put.
enum Existing {
    Nothing,
    /// What a crash has left of a program that does not sync, or a file of which nobody knows whether it is
    /// damaged. It is replaced, and until then leased, lest somebody take away what replaces it.
    Torn(Blob),
    Whole(Blob),
}

impl Shared {
    /// Stores bytes whose digest is known.
    pub(super) fn place_bytes(&self, digest: Digest, bytes: &[u8]) -> Result<Committed, StoreError> {
        self.place(digest, bytes.len() as u64, || self.write_temporary(bytes))
    }

    /// Makes a blob visible. `complete` finishes its file and syncs it; it is not called when the store has
    /// the blob. The directory is not synced yet.
    pub(super) fn place(
        &self,
        digest: Digest,
        length: u64,
        complete: impl FnOnce() -> io::Result<TemporaryFile>,
    ) -> Result<Committed, StoreError> {
        if let Existing::Whole(blob) = self.existing(&locked(&self.placing), digest, length)? {
            return Ok(Committed { blob, existed: true });
        }
        let mut temporary = complete()?;
        let placing = locked(&self.placing);
        let path = self.layout.blob(digest);
        loop {
            let placed = match self.existing(&placing, digest, length)? {
                Existing::Whole(blob) => return Ok(Committed { blob, existed: true }),
                Existing::Torn(_lease) => temporary.replace(&path),
                Existing::Nothing => temporary.place(&path),
            };
            match placed {
                Ok(()) => break,
                // Another process was faster.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.blobs_directory.changed();
        self.note_durable(digest, temporary.file());
        self.note_whole(digest, temporary.file());
        let blob = Blob::leased(self.disk.clone(), digest, temporary.file().clone(), length);
        Ok(Committed { blob, existed: false })
    }

    /// What the store has under the name of a blob of this length.
    fn existing(&self, _placing: &MutexGuard<'_, ()>, digest: Digest, length: u64) -> io::Result<Existing> {
        let Some(blob) = self.find_blob(digest)? else { return Ok(Existing::Nothing) };
        if blob.length() != length || !self.is_surely_whole(&blob) {
            return Ok(Existing::Torn(blob));
        }
        self.renew(&blob);
        Ok(Existing::Whole(blob))
    }

    /// Has a blob's age count from now on, for Ollama's pruning too.
    pub(super) fn renew(&self, blob: &Blob) {
        let modified = blob.file().metadata().and_then(|metadata| metadata.modified());
        if modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age < YOUNG)) {
            return;
        }
        let was_verified = self.is_known_whole(blob.digest(), blob.file());
        // Who may not set it does not own it.
        if blob.touch(SystemTime::now()).is_ok() && was_verified {
            self.note_whole(blob.digest(), blob.file());
        }
    }

    /// Makes a blob durable that was placed. One of which that cannot be said is taken back.
    pub(super) fn make_durable(self: &Arc<Self>, committed: Committed) -> Result<Committed, StoreError> {
        if let Err(error) = self.sync_blobs() {
            let Committed { blob, existed } = committed;
            let digest = blob.digest();
            drop(blob);
            if !existed && let Err(error) = Store(self.clone()).remove_unused(&[digest]) {
                tracing::warn!(%error, "a blob that is not durable stays until the store is pruned");
            }
            return Err(error.into());
        }
        Ok(committed)
    }

    pub(super) fn sync_blobs(&self) -> io::Result<()> {
        self.blobs_directory.sync(&*self.disk, self.layout.blobs())
    }
}
