//! Whom a running job reports to.

use tokio_util::sync::CancellationToken;

use super::{CreateError, Event, Usage};

/// Is told what happens and what it costs, and knows whether to go on.
#[derive(Clone, Copy)]
pub struct Monitor<'m> {
    /// Where the events go. Called from the job's threads; it must not block.
    pub report: &'m (dyn Fn(Event) + Sync),
    /// Whether to stop.
    pub stop: &'m CancellationToken,
    /// The job's account.
    pub usage: &'m Usage,
}

impl Monitor<'_> {
    /// Tells that something happens.
    pub fn tell(&self, event: Event) {
        (self.report)(event);
    }

    /// Fails if the job is to stop.
    ///
    /// # Errors
    /// [`CreateError::Cancelled`].
    pub fn check_stop(&self) -> Result<(), CreateError> {
        if self.stop.is_cancelled() { Err(CreateError::Cancelled) } else { Ok(()) }
    }
}
