//! Buffers beyond those that a writer always has.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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

/// The spare buffers of one writer, given back when it is dropped.
#[derive(Debug)]
pub(super) struct Share {
    spare: Arc<SpareBuffers>,
    taken: usize,
}

impl Share {
    pub(super) fn of(spare: &Arc<SpareBuffers>) -> Self {
        Self { spare: spare.clone(), taken: 0 }
    }

    /// Whether one more buffer may be made.
    pub(super) fn take(&mut self) -> bool {
        let take = |left: usize| left.checked_sub(1);
        let taken = self.taken < SHARE
            && self.spare.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok();
        self.taken += usize::from(taken);
        taken
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.spare.0.fetch_add(self.taken, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_writers_together_get_no_more_than_there_is() {
        let spare = Arc::new(SpareBuffers::default());
        let mut shares: Vec<_> = (0..10).map(|_| Share::of(&spare)).collect();
        let taken = |shares: &mut [Share]| -> usize {
            shares.iter_mut().map(|share| (0..1000).filter(|_| share.take()).count()).sum()
        };
        assert_eq!(taken(&mut shares[..1]), SHARE);
        assert_eq!(taken(&mut shares), SPARE - SHARE);
        drop(shares);
        assert_eq!(taken(&mut [Share::of(&spare)]), SHARE);
    }
}
