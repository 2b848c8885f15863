//! Blobs on their way into the store.
//!
//! Whoever brings the bytes of a blob, they grow into a partial file: the bytes, each at its place, and their
//! hash, which is computed along the way and in order (`hashing.rs`). One that outlives its process has a
//! journal beside it, which says what is there (`journal.rs`). Only a partial file that is complete, hashed
//! and synced becomes a blob. It has several faces:
//!
//! | face | takes | bytes come | outlives its process |
//! |---|---|---|---|
//! | `writer.rs` | what is made here, or uploaded at once | in order | by its recipe (`output.rs`), or not |
//! | `download.rs` | what is pulled | in any order, by any number of threads | by its digest |
//! | `upload.rs` | what is uploaded in several attempts | in order | by an identifier |

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;

use super::disk::{ignore_absence, write_all_at};
use super::hashed::Hashed;
use super::hashing::{Ending, Hashing, Progress};
use super::journal::{Journal, Purpose};
use super::output::{BegunOutput, Checkpoints};
use super::partial_paths::PartialPaths;
use super::ranges::Ranges;
use super::stamp::Stamp;
use super::temporary::TemporaryFile;
use super::writeback::Writeback;
use super::{Committed, Shared, StoreError, lease};
use crate::locked::{locked, unpoisoned};
use crate::model::Digest;

/// What was written is noted when it is so much more than was noted before,
const LEAST_NOTED: u64 = 256 << 10;
/// and not more often than so many times for the whole.
const MOST_NOTES: u64 = 4096;

/// A blob on its way into the store. Dropping it keeps what has been received if there is a journal, for the
/// next attempt, also in another process, until pruning removes it; without a journal nothing is left.
pub struct Partial {
    store: Arc<Shared>,
    /// The digest that it should have, if one is known.
    pub(super) digest: Option<Digest>,
    /// The length that it should have, if one is known.
    length: Option<u64>,
    file: Arc<File>,
    /// Where the file is, as long as it is no blob.
    place: Option<TemporaryFile>,
    journal: Option<Arc<Journal>>,
    progress: Arc<Progress>,
    writeback: Mutex<Writeback>,
    /// How many bytes had been received when that was noted last.
    noted: Mutex<u64>,
    hashing: Option<Hashing>,
    /// When it is noted how far it has come, if a recipe makes it.
    output: Option<Mutex<Checkpoints>>,
}

/// How often it is looked whether what is there is wanted still.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

impl Shared {
    /// A partial file that goes with its process.
    pub(super) fn begin_partial(self: &Arc<Self>) -> io::Result<Partial> {
        Partial::new(self, self.new_temporary()?, None, Ranges::default(), Hashed::default())
    }

    /// A partial file of what a recipe makes.
    pub(super) fn begin_output(self: &Arc<Self>, recipe: Digest, interval: u64) -> io::Result<Partial> {
        let mut place = self.new_temporary()?;
        place.move_to(&self.output_paths(recipe).0)?;
        let mut partial = Partial::new(self, place, None, Ranges::default(), Hashed::default())?;
        partial.output = Some(Mutex::new(Checkpoints::new(recipe, interval, 0)));
        Ok(partial)
    }

    /// The same of one that was begun before; what is there is hashed again, to know whether it is what it
    /// was. Nothing is answered when `goes_on` says no.
    pub(super) fn go_on_with_output(
        self: &Arc<Self>,
        recipe: Digest,
        interval: u64,
        begun: BegunOutput,
        goes_on: impl Fn() -> bool,
    ) -> io::Result<Option<(Partial, bool)>> {
        let BegunOutput { file, length, digest } = begun;
        let mut received = Ranges::default();
        received.insert(0..length);
        let mut partial = Partial::new(self, file, None, received, Hashed::default())?;
        let answer = partial.progress.mark(length);
        let got = loop {
            match answer.recv_timeout(LOOK_AGAIN) {
                Ok(got) => break Some(got),
                Err(RecvTimeoutError::Timeout) if goes_on() => {}
                // It stays where it is.
                Err(RecvTimeoutError::Timeout) => return Ok(None),
                // It cannot be read.
                Err(RecvTimeoutError::Disconnected) => break None,
            }
        };
        if let Some(place) = &mut partial.place {
            place.abandon();
        }
        partial.output = Some(Mutex::new(Checkpoints::new(recipe, interval, length)));
        Ok(Some((partial, got == Some(digest))))
    }

    /// A partial file that has a journal, which is locked; nothing if it was removed in between.
    pub(super) fn go_on(
        self: &Arc<Self>,
        paths: PartialPaths,
        journal: File,
        purpose: &Purpose,
        hashed: Hashed,
    ) -> Result<Option<Partial>, StoreError> {
        let file = Arc::new(self.disk.update(&paths.file)?);
        if !lease::hold(&*self.disk, &file)? || !lease::is_linked(&journal)? {
            // Pruned, or finished by somebody else, since it was opened.
            return Ok(None);
        }
        let there = file.metadata()?.len();
        let (journal, received) = Journal::open(&*self.disk, journal, paths.journal, there, purpose)?;
        if received.total() == 0 {
            file.set_len(0)?;
        }
        let hashed = if hashed.position() <= received.prefix() { hashed } else { Hashed::default() };
        let place = TemporaryFile::adopt(self.disk.clone(), paths.file, file);
        let mut partial = Partial::new(self, place, Some(journal), received, hashed)?;
        partial.length = purpose.length.exact();
        Ok(Some(partial))
    }
}

impl Partial {
    fn new(
        store: &Arc<Shared>,
        place: TemporaryFile,
        journal: Option<Journal>,
        received: Ranges,
        hashed: Hashed,
    ) -> io::Result<Self> {
        let file = place.file().clone();
        let noted = received.total();
        let progress = Progress::new(received, &hashed);
        let hashing = Hashing::start(store.disk.clone(), file.clone(), &progress, hashed)?;
        Ok(Self {
            store: store.clone(),
            digest: None,
            length: None,
            file,
            place: Some(place),
            journal: journal.map(Arc::new),
            progress,
            writeback: Mutex::default(),
            noted: Mutex::new(noted),
            hashing: Some(hashing),
            output: None,
        })
    }

    /// The number of bytes that are there.
    pub fn received(&self) -> u64 {
        self.progress.total()
    }

    /// The ranges that are not there yet, in order.
    pub fn missing(&self) -> Vec<Range<u64>> {
        let received = self.progress.received();
        received.gaps(0..self.length.unwrap_or(received.reach()))
    }

    /// Takes in bytes from `offset` on. Bytes that are there already are not written again.
    ///
    /// # Errors
    /// [`StoreError::LengthMismatch`] if they reach beyond the end; what the operating system says. After
    /// an error it cannot be finished, only dropped and begun again.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let end = offset.saturating_add(bytes.len() as u64);
        if let (Some(digest), Some(expected)) = (self.digest, self.length)
            && end > expected
        {
            return Err(StoreError::LengthMismatch { digest, expected, got: end });
        }
        for gap in self.progress.take(offset..end) {
            let piece = &bytes[(gap.start - offset) as usize..(gap.end - offset) as usize];
            write_all_at(&*self.store.disk, &self.file, piece, gap.start)?;
            self.progress.note_received(gap);
        }
        Ok(self.keep_up()?)
    }

    /// Takes in the next bytes, which are hashed in memory unless the hashing is behind.
    pub(super) fn write_next(&self, offset: u64, piece: &Bytes) -> io::Result<()> {
        self.progress.hand_on(offset, piece);
        self.write_uncounted(offset, piece)?;
        self.count(offset..offset + piece.len() as u64)
    }

    /// Writes bytes that do not count until [`count`](Self::count) says so.
    pub(super) fn write_uncounted(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        write_all_at(&*self.store.disk, &self.file, bytes, offset)
    }

    /// A range that was written counts from now on.
    pub(super) fn count(&self, range: Range<u64>) -> io::Result<()> {
        self.progress.take(range.clone());
        self.progress.note_received(range);
        self.keep_up()
    }

    /// Makes the blob visible: complete, verified and durable.
    ///
    /// # Errors
    /// [`StoreError::LengthMismatch`] if bytes are missing, which keeps the others;
    /// [`StoreError::DigestMismatch`], which keeps nothing; what the operating system says, which keeps all.
    pub fn commit(mut self) -> Result<Committed, StoreError> {
        let received = self.received();
        if let (Some(digest), Some(expected)) = (self.digest, self.length)
            && received < expected
        {
            return Err(StoreError::LengthMismatch { digest, expected, got: received });
        }
        let got = self.finish_hashing(Ending::Complete)?.digest();
        if let Some(expected) = self.digest.filter(|digest| *digest != got) {
            self.discard()?;
            return Err(StoreError::DigestMismatch { expected, got });
        }
        let journal = self.journal.clone();
        let store = self.store.clone();
        let noted = self.output.take().map(|output| unpoisoned(output.into_inner()));
        let noted = noted.filter(|output| output.is_noted).map(|output| output.recipe);
        if let Some(recipe) = noted {
            // Just when the blob is there the process may end, and its output is gone by then.
            store.write_made(recipe, got, true)?;
        }
        let committed = self.become_blob(got)?;
        if let Some(recipe) = noted {
            store.remove_output(recipe)?;
        }
        if let Some(journal) = journal {
            ignore_absence(store.disk.remove(journal.path()))?;
        }
        Ok(committed)
    }

    /// As [`commit`](Self::commit) if the blob has this digest, whatever was known before.
    pub(super) fn commit_as(mut self, expected: Option<Digest>) -> Result<Committed, StoreError> {
        self.digest = expected;
        self.commit()
    }

    /// Waits until the disk has what was received.
    pub(super) fn sync(&self) -> io::Result<()> {
        locked(&self.writeback).finish()?;
        self.checkpoint()()
    }

    /// The digest of all its bytes, and the journal says that it becomes that blob.
    ///
    /// # Errors
    /// [`StoreError::DigestMismatch`] if another one is expected, and what the operating system says.
    pub(super) fn conclude(&mut self, expected: Option<Digest>) -> Result<Digest, StoreError> {
        let digest = self.finish_hashing(Ending::Complete)?.digest();
        if let Some(expected) = expected.filter(|expected| *expected != digest) {
            return Err(StoreError::DigestMismatch { expected, got: digest });
        }
        if let Some(journal) = &self.journal {
            journal.note_digest(&*self.store.disk, digest)?;
        }
        Ok(digest)
    }

    /// Gives the file, which has been hashed, its place among the blobs. The journal stays.
    pub(super) fn become_blob(mut self, digest: Digest) -> Result<Committed, StoreError> {
        let (store, length) = (self.store.clone(), self.received());
        let mut place = self.place.take();
        let placed = store.place(digest, length, || {
            locked(&self.writeback).finish()?;
            store.disk.sync(&self.file)?;
            place.take().ok_or(io::ErrorKind::NotFound.into())
        });
        if placed.is_err() && self.journal.is_some() {
            // What cannot be kept is sent again.
            let _ = self.checkpoint()();
        }
        let committed = store.make_durable(placed?)?;
        if let Some(place) = &mut place {
            // The store had it already.
            place.abandon();
        }
        // It may have waited for long.
        store.renew(&committed.blob);
        Ok(committed)
    }

    /// Removes what has been received.
    ///
    /// # Errors
    /// What the operating system says.
    pub fn discard(mut self) -> Result<(), StoreError> {
        // Whatever the disk says now does not matter any more.
        let _ = self.finish_hashing(Ending::Early);
        let _ = locked(&self.writeback).finish();
        if let Some(journal) = self.journal.take() {
            if let Some(place) = self.place.take() {
                ignore_absence(self.store.disk.remove(place.path()))?;
            }
            ignore_absence(self.store.disk.remove(journal.path()))?;
        }
        Ok(())
    }

    /// Ends the attempt; what was received counts, also after a loss of power. How far it has been hashed,
    /// and the state of the journal as long as nobody goes on.
    pub(super) fn pause(mut self) -> io::Result<(Hashed, Option<Stamp>)> {
        let hashed = self.finish_hashing(Ending::Early);
        self.sync()?;
        let Some(journal) = &self.journal else { return Ok((hashed?, None)) };
        journal.sync(&*self.store.disk)?;
        Ok((hashed?, Some(journal.stamp()?)))
    }

    /// Has the bytes received so far count if this process is killed, and the disk work on them, but neither
    /// more often than is worth it.
    fn keep_up(&self) -> io::Result<()> {
        self.note_written()?;
        let mut writeback = locked(&self.writeback);
        let received = self.received();
        if let Some(output) = &self.output {
            let mut output = locked(output);
            if output.is_due(received) {
                output.begin(received);
                let (store, file, recipe) = (self.store.clone(), self.file.clone(), output.recipe);
                let digest = self.progress.mark(received);
                return writeback.start(received, move || {
                    let digest = digest.recv().map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
                    store.checkpoint(recipe, &file, received, digest)
                });
            }
        }
        if writeback.is_due(received) {
            writeback.start(received, self.checkpoint())?;
        }
        Ok(())
    }

    /// Has what a recipe makes stay as far as it has come, if a job is to go on with it.
    fn keep_output(&mut self, hashing: Hashing) {
        let Some(output) = self.output.take() else { return };
        let Checkpoints { recipe, .. } = unpoisoned(output.into_inner());
        if !self.store.is_output_needed(recipe) {
            let _ = hashing.finish(Ending::Early);
            let _ = locked(&self.writeback).finish();
            self.place = None;
            // What cannot be removed now is left to pruning.
            let _ = self.store.remove_output(recipe);
            return;
        }
        let hashed = hashing.finish(Ending::Complete);
        let noted = locked(&self.writeback).finish().and(hashed).and_then(|hashed| {
            let length = hashed.position();
            self.store.checkpoint(recipe, &self.file, length, hashed.digest())
        });
        if let (Ok(()), Some(place)) = (noted, &mut self.place) {
            place.keep();
        }
    }

    fn note_written(&self) -> io::Result<()> {
        let Some(journal) = self.journal.as_ref().filter(|journal| journal.knows_run()) else {
            return Ok(());
        };
        let mut noted = locked(&self.noted);
        let received = self.progress.received();
        // Of a length that nobody knows it is so many times for each time that it has grown to more than
        // twice.
        let whole = self.length.unwrap_or(received.total());
        if received.total() < *noted + LEAST_NOTED.max(whole / MOST_NOTES) {
            return Ok(());
        }
        *noted = received.total();
        journal.note_written(&*self.store.disk, &received)
    }

    /// What makes the bytes received so far count after a loss of power.
    fn checkpoint(&self) -> impl FnOnce() -> io::Result<()> + Send + 'static {
        let (store, file, journal) = (self.store.clone(), self.file.clone(), self.journal.clone());
        let received = self.progress.received();
        move || {
            store.disk.sync(&file)?;
            match journal {
                Some(journal) => journal.note_durable(&*store.disk, &received),
                None => Ok(()),
            }
        }
    }

    fn finish_hashing(&mut self, ending: Ending) -> io::Result<Hashed> {
        let hashing = self.hashing.take().ok_or(io::ErrorKind::UnexpectedEof)?;
        hashing.finish(ending)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if let Some(hashing) = self.hashing.take() {
            if self.output.is_some() {
                return self.keep_output(hashing);
            }
            let _ = hashing.finish(Ending::Early);
            let _ = locked(&self.writeback).finish();
            if self.journal.is_some() {
                // What cannot be kept is sent again.
                let _ = self.checkpoint()();
            }
        }
    }
}

impl std::fmt::Debug for Partial {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Partial({:?}, {} of {:?} bytes)", self.digest, self.received(), self.length)
    }
}
