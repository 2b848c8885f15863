//! Downloads that outlive their process.
//!
//! A partial download is two files: the bytes, each at its place, and a journal of the ranges that are there.
//! A range is called durable only after the bytes have been synced, so whatever a loss of power leaves, the
//! journal promises no byte that is not there. A range that was only written is promised to this run of the
//! operating system, which outlives a program that is killed. A journal that is left without its file, or
//! beside a file of another length, is not believed. The digest of the whole is computed along the way, in
//! order, from the file itself; bytes that were damaged while nobody looked are found before the blob is
//! visible.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs::{File, TryLockError};
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};

use sha2::{Digest as _, Sha256};

use super::disk::ignore_absence;
use super::disk::{read_up_to, write_all_at};
use super::prune::is_old;
use super::ranges::Ranges;
use super::temporary::TemporaryFile;
use super::writeback::Writeback;
use super::{Committed, PruneOptions, PruneReport, Shared, Store, StoreError, lease};
use crate::locked::{locked, unpoisoned};
use crate::model::Digest;

/// A journal holds a few lines for each time that something is noted; one that is longer than this is not
/// ours.
const LONGEST_JOURNAL: usize = 16 << 20;
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

/// The file that says which ranges are durable. Who works on a partial download holds its lock.
#[derive(Debug)]
struct Journal {
    file: File,
    /// Where the next line goes.
    end: Mutex<u64>,
    /// Whether the run of the operating system is known, so that what is only written can be noted.
    knows_run: bool,
}

/// What a journal says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Noted {
    received: Ranges,
    /// The end of its last whole line.
    end: u64,
    /// Whether its last lines are of the run of the operating system that was asked for.
    is_of_this_run: bool,
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
        let text = read_up_to(&*store.disk, &journal, LONGEST_JOURNAL)?;
        let there = file.metadata()?.len();
        let run = store.disk.run_of_system();
        let fits = |noted: &Noted| (noted.received.reach()..=length).contains(&there);
        let mut noted = match parse_journal(&text, length, run.as_deref()).filter(fits) {
            Some(known) => known,
            None => {
                let header = format!("length {length}\n");
                journal.set_len(0)?;
                write_all_at(&*store.disk, &journal, header.as_bytes(), 0)?;
                // Before there are bytes that the old one would promise.
                store.disk.sync(&journal)?;
                file.set_len(0)?;
                Noted { end: header.len() as u64, ..Noted::default() }
            }
        };
        if let Some(run) = run.as_ref().filter(|_| !noted.is_of_this_run) {
            // Not known to be durable: if a loss of power takes it, what is noted under it is not believed
            // either.
            let line = format!("{RUN}{run}\n");
            write_all_at(&*store.disk, &journal, line.as_bytes(), noted.end)?;
            noted.end += line.len() as u64;
        }
        let Noted { received, end, .. } = noted;
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
            journal: Arc::new(Journal { file: journal, end: Mutex::new(end), knows_run: run.is_some() }),
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
        if !self.journal.knows_run {
            return Ok(());
        }
        let mut noted = locked(&self.noted);
        let received = locked(&self.progress.state).received.clone();
        if received.total() < *noted + LEAST_NOTED.max(self.length / MOST_NOTES) {
            return Ok(());
        }
        *noted = received.total();
        self.journal.append(&self.store, WRITTEN, &received)
    }

    /// What makes the bytes received so far count after a loss of power.
    fn checkpoint(&self) -> impl FnOnce() -> io::Result<()> + Send + 'static {
        let (store, file, journal) = (self.store.clone(), self.file.clone(), self.journal.clone());
        let received = locked(&self.progress.state).received.clone();
        move || {
            store.disk.sync(&file)?;
            journal.append(&store, "", &received)
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

impl Journal {
    fn append(&self, store: &Shared, kind: &str, ranges: &Ranges) -> io::Result<()> {
        let mut lines = String::new();
        for range in ranges.iter() {
            let _ = writeln!(lines, "{kind}{} {}", range.start, range.end);
        }
        let mut end = locked(&self.end);
        write_all_at(&*store.disk, &self.file, lines.as_bytes(), *end)?;
        *end += lines.len() as u64;
        Ok(())
    }
}

impl Shared {
    fn partial_paths(&self, digest: Digest) -> (PathBuf, PathBuf) {
        let directory = self.layout.partial();
        (directory.join(digest.file_name()), directory.join(format!("{}.journal", digest.file_name())))
    }

    /// Removes partial downloads that nobody has worked on for a while.
    pub(super) fn prune_partial(&self, options: PruneOptions, report: &mut PruneReport) -> io::Result<()> {
        let directory = self.layout.partial();
        let names = self.list_or_nothing(directory)?;
        let digests = names.iter().map(|name| name.strip_suffix(".journal").unwrap_or(name).parse());
        for digest in digests.flatten().collect::<HashSet<_>>() {
            let (path, journal_path) = self.partial_paths(digest);
            let lock = self.disk.open(&journal_path).or_else(|_| self.disk.open(&path));
            let metadata = self.disk.metadata(&path).or_else(|_| self.disk.metadata(&journal_path));
            let (Ok(lock), Ok(metadata)) = (lock, metadata) else { continue };
            if !metadata.is_file() || !is_old(&metadata, options.grace) || !lease::claim(&*self.disk, &lock) {
                continue;
            }
            if !options.dry_run {
                ignore_absence(self.disk.remove(&path))?;
                ignore_absence(self.disk.remove(&journal_path))?;
            }
            report.partial_downloads += 1;
            report.freed += metadata.len();
        }
        Ok(())
    }
}

/// What a line begins with that names the run of the operating system that the following ones are of.
const RUN: &str = "run ";
/// What a line begins with whose range is only written. Those without are durable.
const WRITTEN: &str = "written ";

/// What a journal promises in this run of the operating system; nothing if it is not the journal of a blob of
/// this length.
fn parse_journal(text: &[u8], length: u64, run: Option<&str>) -> Option<Noted> {
    let end = text.iter().rposition(|byte| *byte == b'\n')? + 1;
    let mut lines = std::str::from_utf8(&text[..end]).ok()?.lines();
    if lines.next()?.strip_prefix("length ")? != length.to_string() {
        return None;
    }
    let mut noted = Noted { end: end as u64, ..Noted::default() };
    for line in lines {
        if let Some(name) = line.strip_prefix(RUN) {
            noted.is_of_this_run = run == Some(name);
            continue;
        }
        let (is_promised, range) = match line.strip_prefix(WRITTEN) {
            Some(range) => (noted.is_of_this_run, range),
            None => (true, line),
        };
        let (start, end) = range.split_once(' ')?;
        let range = start.parse().ok()?..end.parse().ok()?;
        if range.start > range.end || range.end > length {
            return None;
        }
        if is_promised {
            noted.received.insert(range);
        }
    }
    Some(noted)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_journal_promises_no_more_than_its_whole_lines() {
        let mut received = Ranges::default();
        received.insert(0..50);
        let noted = Noted { received, end: 16, is_of_this_run: false };
        assert_eq!(parse_journal(b"length 100\n0 50\n60 9", 100, None), Some(noted));
        for foreign in [
            &b""[..],
            b"length 100",
            b"length 99\n",
            b"0 50\n",
            b"length 100\n0 101\n",
            b"length 100\nwritten 0 101\n",
            b"length 100\n\0\0\n",
        ] {
            assert_eq!(parse_journal(foreign, 100, None), None, "{foreign:?}");
        }
    }

    #[test]
    fn what_was_only_written_counts_in_the_same_run_of_the_system() {
        let text = b"length 100\n0 10\nrun one\nwritten 10 30\nrun two\nwritten 40 60\n";
        let total = |run| parse_journal(text, 100, run).unwrap().received.total();
        assert_eq!(total(None), 10);
        assert_eq!(total(Some("one")), 30);
        assert_eq!(total(Some("two")), 30);
        assert_eq!(total(Some("three")), 10);
        assert!(parse_journal(text, 100, Some("two")).unwrap().is_of_this_run);
        assert!(!parse_journal(text, 100, Some("one")).unwrap().is_of_this_run);
    }
}
