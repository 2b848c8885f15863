//! Downloads that outlive their process.
//!
//! A partial download is two files: the bytes, each at its place, and a journal of the ranges that are there
//! (`journal.rs`). The digest of the whole is computed along the way, in order, from the file
//! itself; bytes that were damaged while nobody looked are found before the blob is visible.

use std::collections::HashSet;
use std::fs::{File, TryLockError};
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};

use sha2::{Digest as _, Sha256};

use super::disk::{ignore_absence, write_all_at};
use super::journal::Journal;
use super::prune::is_old;
use super::ranges::Ranges;
use super::temporary::TemporaryFile;
use super::writeback::Writeback;
use super::{Committed, PruneOptions, PruneReport, Shared, Store, StoreError, lease};
use crate::locked::{locked, unpoisoned};
use crate::model::Digest;

/// What was written is noted when it is so much more than was noted before,
const LEAST_NOTED: u64 = 256 << 10;
/// and not more often than so many times for the whole.
const MOST_NOTES: u64 = 4096;
/// The unit in which the file is read for its digest.
const HASHING_UNIT: usize = 256 << 10;

/// A blob that is being downloaded, in any order, by any number of threads. Dropping it keeps what has been
/// received for the next attempt, also in another process; pruning removes it when it gets old.
pub struct Partial {
    store: Arc<Shared>,
    digest: Digest,
    length: u64,
    /// The bytes. Dropping it does not remove them.
    file: Arc<File>,
    journal: Arc<Journal>,
    progress: Arc<Progress>,
    writeback: Mutex<Writeback>,
    /// How many bytes had been received when that was noted last.
    noted: Mutex<u64>,
    hashing: Option<JoinHandle<io::Result<Option<Digest>>>>,
}

/// What has been received, and who waits for it.
#[derive(Debug, Default)]
struct Progress {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Ranges that somebody writes or has written.
    taken: Ranges,
    /// Ranges that are in the file.
    received: Ranges,
    ending: Ending,
}

/// What the hashing waits for.
#[derive(Debug, Default, PartialEq, Eq)]
enum Ending {
    /// More bytes will come.
    #[default]
    Open,
    /// All bytes are there, and the digest is wanted.
    Complete,
    /// Nobody wants the digest.
    Abandoned,
}

impl Store {
    /// How many bytes an unfinished download takes on the disk.
    pub fn partial_length(&self, digest: Digest) -> u64 {
        /// The unit in which the system counts, whatever the file system's own is (stat(2)).
        const BLOCK: u64 = 512;
        let (path, _) = self.0.partial_paths(digest);
        self.0.disk.metadata(&path).map_or(0, |metadata| metadata.blocks() * BLOCK)
    }

    /// Begins the download of a blob, or goes on with one that was begun before.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if it is under way, here or in another process; what the operating system says.
    pub fn partial(&self, digest: Digest, length: u64) -> Result<Partial, StoreError> {
        let store = self.0.clone();
        let (path, journal_path) = store.partial_paths(digest);
        let journal = store.with_directories(|| store.disk.update(&journal_path))?;
        match store.disk.try_lock(&journal) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Busy { digest }),
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let file = Arc::new(store.disk.update(&path)?);
        if !lease::hold(&*store.disk, &file)? || !lease::is_linked(&journal)? {
            // Pruned, or finished by somebody else, since it was opened.
            return Err(StoreError::Busy { digest });
        }
        let (journal, received) = Journal::open(&*store.disk, journal, file.metadata()?.len(), length)?;
        if received.total() == 0 {
            file.set_len(0)?;
        }
        let before = received.total();
        let state = State { taken: received.clone(), received, ending: Ending::Open };
        let progress = Arc::new(Progress { state: Mutex::new(state), changed: Condvar::new() });
        let hashing = {
            let (store, file, progress) = (store.clone(), file.clone(), progress.clone());
            let hashing = move || hash_in_order(&store, &file, &progress);
            thread::Builder::new().name("hashing".into()).spawn(hashing)?
        };
        Ok(Partial {
            store,
            digest,
            length,
            file,
            journal: Arc::new(journal),
            progress,
            writeback: Mutex::default(),
            noted: Mutex::new(before),
            hashing: Some(hashing),
        })
    }
}

impl Partial {
    /// The digest that the blob should have.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The length that the blob should have, in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The number of bytes that are there.
    pub fn received(&self) -> u64 {
        locked(&self.progress.state).received.total()
    }

    /// The ranges that are not there yet, in order.
    pub fn missing(&self) -> Vec<Range<u64>> {
        locked(&self.progress.state).received.gaps(0..self.length)
    }

    /// Takes in bytes from `offset` on. Bytes that are there already are not written again.
    ///
    /// # Errors
    /// [`StoreError::LengthMismatch`] if they reach beyond the end; what the operating system says. After
    /// an error the download cannot be finished, only dropped and begun again.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let end = offset.saturating_add(bytes.len() as u64);
        if end > self.length {
            return Err(StoreError::LengthMismatch { digest: self.digest, expected: self.length, got: end });
        }
        let gaps = {
            let mut state = locked(&self.progress.state);
            let gaps = state.taken.gaps(offset..end);
            state.taken.insert(offset..end);
            gaps
        };
        for gap in gaps {
            let piece = &bytes[(gap.start - offset) as usize..(gap.end - offset) as usize];
            write_all_at(&*self.store.disk, &self.file, piece, gap.start)?;
            locked(&self.progress.state).received.insert(gap);
            self.progress.changed.notify_one();
        }
        self.note_written()?;
        let mut writeback = locked(&self.writeback);
        let received = self.received();
        if writeback.is_due(received) {
            writeback.start(received, self.checkpoint())?;
        }
        Ok(())
    }

    /// Makes the blob visible: complete, verified and durable.
    ///
    /// # Errors
    /// [`StoreError::LengthMismatch`] if bytes are missing, which keeps the others;
    /// [`StoreError::DigestMismatch`], which keeps nothing; what the operating system says, which keeps all.
    pub fn commit(mut self) -> Result<Committed, StoreError> {
        let received = self.received();
        if received < self.length {
            return Err(StoreError::LengthMismatch {
                digest: self.digest,
                expected: self.length,
                got: received,
            });
        }
        let got =
            self.finish_hashing(Ending::Complete)?.ok_or(io::Error::from(io::ErrorKind::UnexpectedEof))?;
        if got != self.digest {
            let expected = self.digest;
            self.discard()?;
            return Err(StoreError::DigestMismatch { expected, got });
        }
        locked(&self.writeback).finish()?;
        let (path, journal_path) = self.store.partial_paths(self.digest);
        let store = self.store.clone();
        let placed = store.place(self.digest, self.length, || {
            store.disk.sync(&self.file)?;
            Ok(TemporaryFile::adopt(store.disk.clone(), path.clone(), self.file.clone()))
        });
        if placed.is_err() {
            // What cannot be kept is downloaded again.
            let _ = self.checkpoint()();
        }
        let committed = placed?;
        store.sync_blobs()?;
        if committed.existed {
            ignore_absence(store.disk.remove(&path))?;
        }
        ignore_absence(store.disk.remove(&journal_path))?;
        Ok(committed)
    }

    /// Removes what has been received.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn discard(mut self) -> Result<(), StoreError> {
        // Whatever the disk says now does not matter any more.
        let _ = self.finish_hashing(Ending::Abandoned);
        let _ = locked(&self.writeback).finish();
        let (path, journal_path) = self.store.partial_paths(self.digest);
        ignore_absence(self.store.disk.remove(&path))?;
        ignore_absence(self.store.disk.remove(&journal_path))?;
        Ok(())
    }

    /// Has the bytes received so far count if this process is killed, but not more often than is worth it.
    fn note_written(&self) -> io::Result<()> {
        if !self.journal.knows_run() {
            return Ok(());
        }
        let mut noted = locked(&self.noted);
        let received = locked(&self.progress.state).received.clone();
        if received.total() < *noted + LEAST_NOTED.max(self.length / MOST_NOTES) {
            return Ok(());
        }
        *noted = received.total();
        self.journal.note_written(&*self.store.disk, &received)
    }

    /// What makes the bytes received so far count after a loss of power.
    fn checkpoint(&self) -> impl FnOnce() -> io::Result<()> + Send + 'static {
        let (store, file, journal) = (self.store.clone(), self.file.clone(), self.journal.clone());
        let received = locked(&self.progress.state).received.clone();
        move || {
            store.disk.sync(&file)?;
            journal.note_durable(&*store.disk, &received)
        }
    }

    /// Ends the hashing; the digest if it was wanted and the file was there to its end.
    fn finish_hashing(&mut self, ending: Ending) -> io::Result<Option<Digest>> {
        locked(&self.progress.state).ending = ending;
        self.progress.changed.notify_one();
        match self.hashing.take().map(JoinHandle::join) {
            None => Ok(None),
            Some(Ok(answer)) => answer,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
        }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if self.hashing.is_some() {
            // What cannot be kept is downloaded again.
            let _ = self.finish_hashing(Ending::Abandoned);
            let _ = locked(&self.writeback).finish();
            let _ = self.checkpoint()();
        }
    }
}

impl std::fmt::Debug for Partial {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Partial({}, {} of {} bytes)", self.digest, self.received(), self.length)
    }
}

impl Shared {
    fn partial_paths(&self, digest: Digest) -> (PathBuf, PathBuf) {
        let directory = self.layout.partial();
        (directory.join(digest.file_name()), directory.join(format!("{}.journal", digest.file_name())))
    }

    /// Removes partial downloads that nobody has worked on for a while and no job is to go on with.
    pub(super) fn prune_partial(&self, options: PruneOptions, report: &mut PruneReport) -> io::Result<()> {
        let directory = self.layout.partial();
        let names = self.list_or_nothing(directory)?;
        let digests = names.iter().map(|name| name.strip_suffix(".journal").unwrap_or(name).parse());
        let mut claimed = Vec::new();
        for digest in digests.flatten().collect::<HashSet<_>>() {
            let (path, journal_path) = self.partial_paths(digest);
            let lock = self.disk.open(&journal_path).or_else(|_| self.disk.open(&path));
            let metadata = self.disk.metadata(&path).or_else(|_| self.disk.metadata(&journal_path));
            let (Ok(lock), Ok(metadata)) = (lock, metadata) else { continue };
            if metadata.is_file() && is_old(&metadata, options.grace) && lease::claim(&*self.disk, &lock) {
                claimed.push((digest, lock, metadata.len()));
            }
        }
        // Only now, as with blobs: whoever would go on with one has it already, or its job has a record.
        let Some(needed) = self.needed_by_jobs()?.filter(|_| !claimed.is_empty()) else { return Ok(()) };
        for (digest, _lock, length) in claimed.into_iter().filter(|(digest, ..)| !needed.contains(digest)) {
            let (path, journal_path) = self.partial_paths(digest);
            if !options.dry_run {
                ignore_absence(self.disk.remove(&path))?;
                ignore_absence(self.disk.remove(&journal_path))?;
            }
            report.partial_downloads += 1;
            report.freed += length;
        }
        Ok(())
    }
}

/// Hashes the file from its beginning as far as it has been received; the digest if that was all.
fn hash_in_order(store: &Shared, file: &File, progress: &Progress) -> io::Result<Option<Digest>> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; HASHING_UNIT];
    let mut position = 0;
    loop {
        let available = {
            let state = locked(&progress.state);
            let idle = |state: &mut State| {
                state.ending == Ending::Open && state.received.prefix() < position + HASHING_UNIT as u64
            };
            let state = unpoisoned(progress.changed.wait_while(state, idle));
            match state.ending {
                Ending::Abandoned => return Ok(None),
                Ending::Complete if state.received.prefix() == position => {
                    return Ok(Some(Digest::from_bytes(hasher.finalize().into())));
                }
                _ => state.received.prefix(),
            }
        };
        let wanted = (available - position).min(HASHING_UNIT as u64) as usize;
        match store.disk.read_at(file, &mut buffer[..wanted], position) {
            Ok(0) => return Ok(None),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                position += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
