//! Hashing a file from its beginning, beside its writing.
//!
//! Bytes that come in order are handed on in memory. Those that came in another order, or before this process
//! began, are read from the file when their turn has come. So whatever way a file grows, its digest is known
//! a moment after its last byte.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use bytes::Bytes;

use super::disk::{Disk, read_full_at};
use super::hashed::{Hashed, UNIT};
use super::ranges::Ranges;
use crate::locked::{locked, unpoisoned};
use crate::model::Digest;

/// What is there of a file, shared by those who write it and the one who hashes it.
#[derive(Debug)]
pub(super) struct Progress {
    state: Mutex<State>,
    /// There is something to hash, or nothing will come any more.
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// Ranges that somebody writes or has written.
    taken: Ranges,
    /// Ranges that are in the file.
    received: Ranges,
    /// Pieces in memory that come next.
    handed: VecDeque<Bytes>,
    /// Who wants to know the digest of so many bytes.
    marks: VecDeque<(u64, Sender<Digest>)>,
    /// Where the next piece has to begin to be handed on: behind what was hashed, is being hashed, or was
    /// handed on.
    reach: u64,
    ending: Ending,
    /// Whether nobody hashes any more.
    has_ended: bool,
}

impl State {
    /// Whether there is nothing to do, and more may come. Bytes that are in the file only wait until they
    /// fill a unit.
    fn is_idle(&self) -> bool {
        self.ending == Ending::Open
            && self.handed.is_empty()
            && self.marks.is_empty()
            && self.received.prefix() < self.reach + UNIT as u64
    }
}

/// What the hashing waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// More bytes will come.
    Open,
    /// All bytes are there, and the digest is wanted.
    Complete,
    /// Nobody waits for what is left.
    Early,
}

impl Progress {
    /// The progress of a file that has these ranges, and whose beginning is hashed as far as `hashed`.
    pub(super) fn new(received: Ranges, hashed: &Hashed) -> Arc<Self> {
        let state = State {
            taken: received.clone(),
            received,
            handed: VecDeque::new(),
            marks: VecDeque::new(),
            reach: hashed.position(),
            ending: Ending::Open,
            has_ended: false,
        };
        Arc::new(Self { state: Mutex::new(state), changed: Condvar::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    /// The ranges that are in the file.
    pub(super) fn received(&self) -> Ranges {
        self.state().received.clone()
    }

    /// How many bytes are in the file.
    pub(super) fn total(&self) -> u64 {
        self.state().received.total()
    }

    /// Claims a range for writing; what nobody had claimed before.
    pub(super) fn take(&self, range: std::ops::Range<u64>) -> Vec<std::ops::Range<u64>> {
        let mut state = self.state();
        let gaps = state.taken.gaps(range.clone());
        state.taken.insert(range);
        gaps
    }

    /// Notes that a range is in the file.
    pub(super) fn note_received(&self, range: std::ops::Range<u64>) {
        let mut state = self.state();
        state.received.insert(range);
        // Waking a thread for nothing costs as much as hashing some kilobytes.
        let is_idle = state.is_idle();
        drop(state);
        if !is_idle {
            self.changed.notify_one();
        }
    }

    /// Hands a piece on that begins at `offset`, if it comes next. Whether it was taken: otherwise it will be
    /// read from the file.
    pub(super) fn hand_on(&self, offset: u64, piece: &Bytes) -> bool {
        let mut state = self.state();
        let is_next = state.reach == offset && !state.has_ended;
        if is_next {
            state.reach += piece.len() as u64;
            state.handed.push_back(piece.clone());
            drop(state);
            self.changed.notify_one();
        }
        is_next
    }
}

impl Progress {
    /// What gets the digest of the bytes up to `position`, where a piece ends that is in the file, some time;
    /// nothing if nobody hashes any more.
    pub(super) fn mark(&self, position: u64) -> Receiver<Digest> {
        let (asker, answer) = channel();
        let mut state = self.state();
        if !state.has_ended {
            state.marks.push_back((position, asker));
            self.changed.notify_one();
        }
        answer
    }
}

/// The thread that hashes a file.
#[derive(Debug)]
pub(super) struct Hashing {
    progress: Arc<Progress>,
    thread: JoinHandle<io::Result<Hashed>>,
}

impl Hashing {
    /// Goes on where `hashed` ends.
    pub(super) fn start(
        disk: Arc<dyn Disk>,
        file: Arc<File>,
        progress: &Arc<Progress>,
        hashed: Hashed,
    ) -> io::Result<Self> {
        let ended = Ended(progress.clone());
        let thread = thread::Builder::new().name("hashing".into()).stack_size(64 << 10);
        let thread = thread.spawn(move || hash(&*disk, &file, &ended.0, hashed))?;
        Ok(Self { progress: progress.clone(), thread })
    }

    /// Ends the hashing: when all that was received has been hashed, or early.
    pub(super) fn finish(self, ending: Ending) -> io::Result<Hashed> {
        self.progress.state().ending = ending;
        self.progress.changed.notify_one();
        match self.thread.join() {
            Ok(answer) => answer,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// Lets go of what will not be hashed, whatever way the hashing ends: somebody may wait for the memory.
struct Ended(Arc<Progress>);

impl Drop for Ended {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.has_ended = true;
        state.marks.clear();
        let left = std::mem::take(&mut state.handed);
        drop(state);
        drop(left);
    }
}

/// What is to be hashed next.
enum Next {
    /// Somebody wants to know the digest of what was hashed.
    Mark(Sender<Digest>),
    Piece(Bytes),
    /// So many bytes of the file.
    Read(usize),
    Nothing,
}

fn hash(disk: &dyn Disk, file: &File, progress: &Progress, mut hashed: Hashed) -> io::Result<Hashed> {
    let mut buffer = Vec::new();
    loop {
        match next(progress, hashed.position()) {
            Next::Nothing => return Ok(hashed),
            Next::Mark(asker) => {
                // Who asked may not wait any more.
                let _ = asker.send(hashed.clone().digest());
            }
            Next::Piece(piece) => hashed.update(&piece),
            Next::Read(count) => {
                buffer.resize(UNIT, 0);
                if read_full_at(disk, file, &mut buffer[..count], hashed.position())? < count {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                hashed.update(&buffer[..count]);
            }
        }
    }
}

fn next(progress: &Progress, position: u64) -> Next {
    let mut state = unpoisoned(progress.changed.wait_while(progress.state(), |state| state.is_idle()));
    if state.ending == Ending::Early {
        return Next::Nothing;
    }
    let mark = state.marks.front().map(|(position, _)| *position);
    if mark.is_some_and(|mark| mark <= position)
        && let Some((_, asker)) = state.marks.pop_front()
    {
        return Next::Mark(asker);
    }
    if let Some(piece) = state.handed.pop_front() {
        return Next::Piece(piece);
    }
    let end = state.received.prefix().min(mark.unwrap_or(u64::MAX));
    let count = end.saturating_sub(position).min(UNIT as u64);
    if count == 0 {
        return Next::Nothing;
    }
    state.reach = position + count;
    Next::Read(count as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::LocalDisk;

    fn file_of(bytes: &[u8]) -> Arc<File> {
        use std::os::unix::fs::FileExt as _;
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(bytes, 0).unwrap();
        Arc::new(file)
    }

    #[test]
    fn the_digest_is_the_same_whatever_way_the_bytes_come() {
        let bytes: Vec<u8> = (0..3 * UNIT as u32 + 17).map(|index| (index % 251) as u8).collect();
        let (length, digest) = (bytes.len() as u64, Digest::of(&bytes));
        for (from_file, in_memory) in [(0, bytes.len()), (bytes.len(), 0), (UNIT + 1, UNIT), (5, 7)] {
            let file = file_of(&bytes);
            let mut received = Ranges::default();
            received.insert(0..from_file as u64);
            let progress = Progress::new(received, &Hashed::default());
            let hashing =
                Hashing::start(Arc::new(LocalDisk), file.clone(), &progress, Hashed::default()).unwrap();
            let mut offset = from_file;
            for piece in bytes[from_file..from_file + in_memory].chunks(1000) {
                let range = offset as u64..(offset + piece.len()) as u64;
                progress.hand_on(range.start, &Bytes::copy_from_slice(piece));
                progress.note_received(range);
                offset += piece.len();
            }
            // The rest comes from its end.
            let middle = (offset + bytes.len()) / 2;
            progress.note_received(middle as u64..length);
            progress.note_received(offset as u64..middle as u64);
            let hashed = hashing.finish(Ending::Complete).unwrap();
            assert_eq!((hashed.position(), hashed.digest()), (length, digest), "{from_file} {in_memory}");
        }
    }

    #[test]
    fn what_was_hashed_once_is_not_hashed_again() {
        let bytes = vec![7; UNIT];
        let mut hashed = Hashed::default();
        hashed.update(&bytes);
        // The file itself has other bytes there.
        let file = file_of(&[vec![0; UNIT], b"more".to_vec()].concat());
        let mut received = Ranges::default();
        received.insert(0..UNIT as u64 + 4);
        let progress = Progress::new(received, &hashed);
        let hashing = Hashing::start(Arc::new(LocalDisk), file, &progress, hashed).unwrap();
        let digest = hashing.finish(Ending::Complete).unwrap().digest();
        assert_eq!(digest, Digest::of(&[bytes, b"more".to_vec()].concat()));
    }

    #[test]
    fn pieces_are_let_go_when_the_file_cannot_be_read() {
        let mut received = Ranges::default();
        received.insert(0..UNIT as u64);
        let progress = Progress::new(received, &Hashed::default());
        let (length, pieces) = (UNIT as u64, [Bytes::from(vec![1; 10]), Bytes::from(vec![2; 10])]);
        let hashing =
            Hashing::start(Arc::new(LocalDisk), file_of(b"short"), &progress, Hashed::default()).unwrap();
        let [first, second] = pieces;
        progress.hand_on(length, &first);
        assert!(hashing.finish(Ending::Complete).is_err());
        assert!(!progress.hand_on(length + 10, &second));
        assert!(first.is_unique() && second.is_unique());
    }
}
