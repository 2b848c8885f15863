//! Buffers that are filled, hashed, written and filled again.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use bytes::Bytes;

use crate::locked::{locked, unpoisoned};

/// The length of a buffer, and the unit of hashing and writing.
pub(super) const BUFFER_SIZE: usize = 64 << 10;
/// Buffers that a writer always has: one being filled or written, and one being hashed.
const BUFFERS: usize = 2;
/// Spare buffers of all writers together.
const SPARE: usize = 192;
/// Spare buffers that one writer takes at most.
const SHARE: usize = 48;

/// How many buffers may still be made. With some to spare, writing and hashing need not wait for each other
/// at every step, which matters most where other programs keep the processors busy; with a bound for all
/// writers together, many of them need no more memory than a few.
#[derive(Debug)]
pub(super) struct SpareBuffers(AtomicUsize);

impl Default for SpareBuffers {
    fn default() -> Self {
        Self(AtomicUsize::new(SPARE))
    }
}

impl SpareBuffers {
    fn take(&self) -> bool {
        let take = |left: usize| left.checked_sub(1);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }
}

/// The buffers of one writer.
#[derive(Debug)]
pub(super) struct Buffers(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    spare: Arc<SpareBuffers>,
    state: Mutex<State>,
    returned: Condvar,
}

#[derive(Debug, Default)]
struct State {
    free: Vec<Vec<u8>>,
    /// How many there are, in use or free.
    made: usize,
}

/// A full buffer, which comes back when nobody needs it any more.
struct Lent {
    bytes: Vec<u8>,
    pool: Arc<Pool>,
}

impl Buffers {
    pub(super) fn of(spare: &Arc<SpareBuffers>) -> Self {
        let pool = Pool { spare: spare.clone(), state: Mutex::default(), returned: Condvar::new() };
        Self(Arc::new(pool))
    }

    /// An empty buffer. Waits for one if no more may be made.
    pub(super) fn take(&self) -> Vec<u8> {
        let Pool { spare, state, returned } = &*self.0;
        let mut state = locked(state);
        loop {
            if let Some(buffer) = state.free.pop() {
                return buffer;
            }
            if state.made < BUFFERS || state.made < BUFFERS + SHARE && spare.take() {
                state.made += 1;
                return Vec::with_capacity(BUFFER_SIZE);
            }
            state = unpoisoned(returned.wait(state));
        }
    }

    /// A buffer as what can be shared; it comes back by itself.
    pub(super) fn lend(&self, buffer: Vec<u8>) -> Bytes {
        Bytes::from_owner(Lent { bytes: buffer, pool: self.0.clone() })
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let mut buffer = std::mem::take(&mut self.bytes);
        buffer.clear();
        locked(&self.pool.state).free.push(buffer);
        self.pool.returned.notify_one();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let taken = locked(&self.state).made.saturating_sub(BUFFERS);
        self.spare.0.fetch_add(taken, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes buffers until it would have to wait.
    fn exhaust(buffers: &Buffers) -> Vec<Bytes> {
        let left = |buffers: &Buffers| {
            let made = locked(&buffers.0.state).made;
            made < BUFFERS || made < BUFFERS + SHARE && buffers.0.spare.0.load(Ordering::Relaxed) > 0
        };
        std::iter::from_fn(|| left(buffers).then(|| buffers.lend(buffers.take()))).collect()
    }

    #[test]
    fn all_writers_together_get_no_more_than_there_is() {
        let spare = Arc::new(SpareBuffers::default());
        let writers: Vec<_> = (0..10).map(|_| Buffers::of(&spare)).collect();
        let lent: Vec<_> = writers.iter().map(exhaust).collect();
        assert_eq!(lent[0].len(), BUFFERS + SHARE);
        assert_eq!(lent.iter().map(Vec::len).sum::<usize>(), 10 * BUFFERS + SPARE);
        drop(writers);
        // Some of theirs are still in use.
        assert_eq!(exhaust(&Buffers::of(&spare)).len(), BUFFERS);
        drop(lent);
        assert_eq!(exhaust(&Buffers::of(&spare)).len(), BUFFERS + SHARE);
    }

    #[test]
    fn a_buffer_comes_back_when_its_last_user_is_done() {
        let buffers = Buffers::of(&Arc::default());
        let mut lent = exhaust(&buffers);
        let other = lent[0].clone();
        let waiting = std::thread::scope(|scope| {
            let waiting = scope.spawn(|| buffers.take());
            drop(lent.swap_remove(0));
            drop(other);
            waiting.join().unwrap()
        });
        assert!(waiting.is_empty() && waiting.capacity() == BUFFER_SIZE);
    }
}
