//! Whom a running job reports to.

use tokio_util::sync::CancellationToken;

use super::{CreateError, Progress, Report, Usage};

/// Is told what happens and what it costs, and knows whether to go on.
#[derive(Clone, Copy)]
pub struct Monitor<'m> {
    /// Where the lines go.
    pub report: Report<'m>,
    /// Whether to stop.
    pub stop: &'m CancellationToken,
    /// The job's account.
    pub usage: &'m Usage,
}

impl Monitor<'_> {
    /// Tells a line.
    pub fn tell(&self, line: Progress) {
        (self.report)(line);
    }

    /// Fails if the job is to stop.
    ///
    /// # Errors
    /// [`CreateError::Cancelled`].
    pub fn check_stop(&self) -> Result<(), CreateError> {
        if self.stop.is_cancelled() { Err(CreateError::Cancelled) } else { Ok(()) }
    }
}
