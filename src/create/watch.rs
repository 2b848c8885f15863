//! What is watched while a file is made: how far it has come, and the time that writing takes.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::{Action, Event, Monitor};
use crate::plan::{Observer, SquaredError, SquaredErrors};

/// How far files that are made together have come, in bytes of their sources, which is what clients know the
/// size of.
pub(super) struct Progress<'w> {
    pub(super) action: Action,
    /// Bytes of the results.
    pub(super) size: u64,
    /// Bytes of the sources.
    pub(super) total: u64,
    pub(super) monitor: Monitor<'w>,
    /// Bytes of the results that are there.
    pub(super) made: AtomicU64,
}

impl Progress<'_> {
    /// How many bytes of the sources so many bytes of the results stand for.
    pub(super) fn completed(&self, made: u64) -> u64 {
        let completed = u128::from(made) * u128::from(self.total) / u128::from(self.size.max(1));
        u64::try_from(completed).unwrap_or(self.total)
    }
}

/// Watches one of the files.
pub(super) struct Watcher<'w> {
    pub(super) progress: &'w Progress<'w>,
    /// Bytes of it that are there.
    pub(super) made: AtomicU64,
    /// Of each tensor, if they are asked for.
    pub(super) errors: Option<SquaredErrors>,
}

impl Observer for Watcher<'_> {
    fn written(&self, bytes: u64) {
        let Progress { action, total, monitor, made, .. } = self.progress;
        let further = bytes - self.made.swap(bytes, Ordering::Relaxed);
        let made = made.fetch_add(further, Ordering::Relaxed) + further;
        let completed = self.progress.completed(made);
        monitor.tell(Event::Making { action: action.clone(), completed, total: *total });
    }

    fn measures(&self) -> bool {
        self.errors.is_some()
    }

    fn measured(&self, tensor: usize, error: SquaredError) {
        if let Some(errors) = &self.errors {
            errors.add(tensor, error);
        }
    }

    fn is_cancelled(&self) -> bool {
        self.progress.monitor.stop.is_cancelled()
    }
}

/// Measures the time that a sink takes.
pub(super) struct Timed<W> {
    pub(super) sink: W,
    pub(super) spent: Duration,
}

impl<W: Write> Write for Timed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let start = Instant::now();
        let count = self.sink.write(bytes);
        self.spent += start.elapsed();
        count
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}
