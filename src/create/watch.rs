//! What is watched while a file is made: how far it has come, and the time that writing takes.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use super::{Action, Event, Monitor};
use crate::plan::{Observer, SquaredError, SquaredErrors};

/// Tells progress in bytes of the sources, which is what clients know the size of.
pub(super) struct Watcher<'w> {
    pub(super) action: &'w Action,
    /// Bytes of the result.
    pub(super) size: u64,
    /// Bytes of the sources.
    pub(super) total: u64,
    pub(super) monitor: Monitor<'w>,
    /// Of each tensor, if they are asked for.
    pub(super) errors: Option<SquaredErrors>,
}

impl Watcher<'_> {
    /// How many bytes of the sources so many bytes of the result stand for.
    pub(super) fn completed(&self, written: u64) -> u64 {
        let completed = u128::from(written) * u128::from(self.total) / u128::from(self.size.max(1));
        u64::try_from(completed).unwrap_or(self.total)
    }
}

impl Observer for Watcher<'_> {
    fn written(&self, written: u64) {
        let (action, completed, total) = (self.action.clone(), self.completed(written), self.total);
        self.monitor.tell(Event::Making { action, completed, total });
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
        self.monitor.stop.is_cancelled()
    }
}

/// Measures the time that a sink takes.
pub(super) struct Timed<'t, W> {
    pub(super) sink: &'t mut W,
    pub(super) spent: Duration,
}

impl<W: Write> Write for Timed<'_, W> {
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
