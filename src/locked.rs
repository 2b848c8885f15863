//! Locking, for all rooms.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex whose data are whole at every instant, so that a panic elsewhere has not harmed them.
pub(crate) fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    unpoisoned(mutex.lock())
}

/// What a lock or a condition gives, although somebody else has panicked while having it.
pub(crate) fn unpoisoned<T>(answer: Result<T, PoisonError<T>>) -> T {
    answer.unwrap_or_else(PoisonError::into_inner)
}
