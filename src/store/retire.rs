//! Removing what a replaced model leaves behind, a little later.
//!
//! To know that nobody needs a blob, every manifest has to be looked at. That takes a time which grows with
//! the number of models, so whoever replaces a model does not wait for it, and many replacements share one
//! look.

use std::mem;
use std::thread;
use std::time::Duration;

use super::Store;
use super::retirement::{Retirement, State};
use crate::locked::{locked, unpoisoned};
use crate::model::Digest;

/// How long digests are gathered before they are looked at. Meanwhile the jobs that replaced the models end
/// and give their leases back.
const DELAY: Duration = Duration::from_millis(100);

impl Store {
    /// As [`remove_unused`](Self::remove_unused), but soon and without waiting. What cannot be removed then
    /// is left to pruning.
    pub fn retire(&self, digests: impl IntoIterator<Item = Digest>) {
        let mut state = locked(&self.0.retirement.state);
        state.pending.extend(digests);
        if !state.attended && !state.pending.is_empty() {
            let store = self.clone();
            let thread = thread::Builder::new().name("retirement".into());
            state.attended = thread.spawn(move || store.attend_retirement()).is_ok();
        }
    }

    /// Waits until everything that was retired has been looked at, which is done at once.
    pub fn settle(&self) {
        let Retirement { state, changed } = &self.0.retirement;
        let mut state = locked(state);
        state.awaited = state.attended;
        changed.notify_all();
        let wait = changed.wait_while(state, |state| state.attended);
        drop(unpoisoned(wait));
    }

    fn attend_retirement(&self) {
        let Retirement { state, changed } = &self.0.retirement;
        loop {
            let pending = {
                let wait = changed.wait_timeout_while(locked(state), DELAY, |state| !state.awaited);
                let (mut state, _) = unpoisoned(wait);
                if state.pending.is_empty() {
                    *state = State::default();
                    changed.notify_all();
                    return;
                }
                mem::take(&mut state.pending)
            };
            let digests: Vec<_> = pending.into_iter().collect();
            if let Err(error) = self.remove_unused(&digests) {
                tracing::warn!(%error, "blobs of a replaced model stay until the store is pruned");
            }
        }
    }
}
