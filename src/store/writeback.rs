//! Syncing a long file while it is being written.

use std::io;
use std::thread::{self, JoinHandle};

/// After so many bytes the disk starts to work, so that the final sync finds little left to do.
const INTERVAL: u64 = 32 << 20;

/// At most one sync under way beside the writing.
#[derive(Debug, Default)]
pub(crate) struct Writeback {
    requested: u64,
    running: Option<JoinHandle<io::Result<()>>>,
}

impl Writeback {
    /// Whether it is time for a sync, `written` being the number of bytes written so far.
    pub(crate) fn is_due(&self, written: u64) -> bool {
        written.saturating_sub(self.requested) >= INTERVAL
            && self.running.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Starts a sync of what has been written so far.
    pub(crate) fn start(
        &mut self,
        written: u64,
        sync: impl FnOnce() -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        self.finish()?;
        self.requested = written;
        self.running =
            Some(thread::Builder::new().name("writeback".into()).stack_size(64 << 10).spawn(sync)?);
        Ok(())
    }

    /// Waits for the sync under way. The operating system reports a write that failed to one sync only, so
    /// the answer of each counts.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        match self.running.take().map(JoinHandle::join) {
            None => Ok(()),
            Some(Ok(answer)) => answer,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
        }
    }
}
