//! Locking.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks a mutex whose data are whole at every instant, so that a panic elsewhere has not harmed them.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
