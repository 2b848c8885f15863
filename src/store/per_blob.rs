//! What is remembered of blobs by digest. Blobs never change, but they go, also by other processes.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use crate::locked::locked;
use crate::model::Digest;

/// So much is kept without asking whether the blobs are still there.
const FEW: usize = 256;

/// A value for each of some blobs. Those of blobs that are no more are forgotten when they may be about half.
#[derive(Debug)]
pub struct PerBlob<T>(Mutex<Entries<T>>);

#[derive(Debug)]
struct Entries<T> {
    by_digest: HashMap<Digest, T>,
    /// With how many it is time to look which blobs are still there.
    full: usize,
}

impl<T> Default for PerBlob<T> {
    fn default() -> Self {
        Self(Mutex::new(Entries { by_digest: HashMap::new(), full: FEW }))
    }
}

impl<T: Clone> PerBlob<T> {
    /// What is remembered of a blob.
    pub fn get(&self, digest: Digest) -> Option<T> {
        self.lock().by_digest.get(&digest).cloned()
    }

    /// Remembers `value`; `is_there` says of any blob whether it is to be remembered still.
    pub fn insert(&self, digest: Digest, value: T, is_there: impl Fn(Digest) -> bool) {
        let mut entries = self.lock();
        entries.by_digest.insert(digest, value);
        if entries.by_digest.len() >= entries.full {
            entries.by_digest.retain(|digest, _| is_there(*digest));
            entries.full = FEW.max(2 * entries.by_digest.len());
        }
    }

    /// Forgets a blob.
    pub(super) fn remove(&self, digest: Digest) {
        self.lock().by_digest.remove(&digest);
    }

    fn lock(&self) -> MutexGuard<'_, Entries<T>> {
        locked(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blobs_that_are_no_more_are_forgotten() {
        let digest = |number: usize| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_le_bytes());
            Digest::from_bytes(bytes)
        };
        let known = PerBlob::default();
        for number in 0..8 * FEW {
            // The last ones are always there, and the first.
            known.insert(digest(number), number, |other| {
                other == digest(0) || (number.saturating_sub(FEW)..=number).any(|near| other == digest(near))
            });
            assert!(known.lock().by_digest.len() < 3 * FEW);
        }
        assert_eq!(known.get(digest(0)), Some(0));
        assert_eq!(known.get(digest(8 * FEW - 1)), Some(8 * FEW - 1));
        assert_eq!(known.get(digest(1)), None);
        known.remove(digest(0));
        assert_eq!(known.get(digest(0)), None);
    }
}
