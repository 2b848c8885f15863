//! What waits to be looked at when models were replaced.

use std::collections::HashSet;
use std::sync::{Condvar, Mutex};

use crate::model::Digest;

/// Digests that may be unneeded now.
#[derive(Debug, Default)]
pub(super) struct Retirement {
    pub(super) state: Mutex<State>,
    /// Told when nothing is left to be looked at, or when somebody waits for that.
    pub(super) changed: Condvar,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) pending: HashSet<Digest>,
    /// Whether a thread is looking after them.
    pub(super) attended: bool,
    /// Whether somebody waits for them.
    pub(super) awaited: bool,
}
