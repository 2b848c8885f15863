//! Trying again what may succeed a little later.

use std::time::Duration;

use super::Error;

/// How often and how patiently something is tried again.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    /// The number of attempts that may fail in a row.
    pub attempts: u32,
    /// The wait after the first failure; it doubles with every further one.
    pub shortest_wait: Duration,
    /// No wait is longer, whatever a registry asks for.
    pub longest_wait: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { attempts: 6, shortest_wait: Duration::from_millis(250), longest_wait: Duration::from_secs(20) }
    }
}

/// The failures in a row of one piece of work.
#[derive(Debug)]
pub(crate) struct Backoff<'a> {
    policy: &'a RetryPolicy,
    failures: u32,
}

impl<'a> Backoff<'a> {
    pub(crate) fn new(policy: &'a RetryPolicy) -> Self {
        Self { policy, failures: 0 }
    }

    /// The work got on: earlier failures do not count any more.
    pub(crate) fn forgive(&mut self) {
        self.failures = 0;
    }

    /// Waits before the next attempt, or gives the error back if there is none.
    pub(crate) async fn after(&mut self, error: Error) -> Result<(), Error> {
        self.failures += 1;
        if !error.is_transient() || self.failures >= self.policy.attempts {
            return Err(error);
        }
        let wait = self.wait(error.retry_after(), rand::random_range(0.5..1.0));
        tracing::debug!(%error, ?wait, failures = self.failures, "trying again");
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// The wait doubles with every failure; `jitter`, a factor, keeps clients from coming back all
    /// at once.
    fn wait(&self, asked_for: Option<Duration>, jitter: f64) -> Duration {
        let doublings = (self.failures - 1).min(16);
        let wait = self.policy.shortest_wait.saturating_mul(1 << doublings);
        let wait = wait.min(self.policy.longest_wait).mul_f64(jitter);
        wait.max(asked_for.unwrap_or_default()).min(self.policy.longest_wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_are_bounded() {
        let policy = RetryPolicy::default();
        let wait = |failures, asked_for| Backoff { policy: &policy, failures }.wait(asked_for, 1.0);
        assert_eq!(wait(1, None), Duration::from_millis(250));
        assert_eq!(wait(3, None), Duration::from_secs(1));
        assert_eq!(wait(1000, None), policy.longest_wait);
        assert_eq!(wait(1, Some(Duration::from_secs(3))), Duration::from_secs(3));
        assert_eq!(wait(1, Some(Duration::from_secs(86_400))), policy.longest_wait);
    }
}
