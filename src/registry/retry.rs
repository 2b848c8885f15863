//! Trying again what may succeed a little later.

use std::sync::Arc;
use std::time::Duration;

use super::RegistryError;
use super::event::Awaited;
use super::waiting::Waits;

/// An attempt that moved so many bytes counts as progress.
const WORTHWHILE: u64 = 64 * 1024;

/// Shorter waits are over before anybody has read of them.
const WORTH_TELLING: Duration = Duration::from_secs(1);

/// How often and how patiently something is tried again.
#[derive(Debug, Clone)]
pub struct RetryPolicy {
    /// The number of attempts that may fail in a row.
    pub attempts: u32,
    /// The wait after the first failure; it doubles with every further one.
    pub shortest_wait: Duration,
    /// No wait of our own choice is longer.
    pub longest_wait: Duration,
    /// A registry that asks to wait is obeyed so long; one that asks for more is not asked again.
    pub longest_obeyed: Duration,
    /// Attempts that were met with silence may take so long together.
    pub longest_silence: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 6,
            shortest_wait: Duration::from_millis(250),
            longest_wait: Duration::from_secs(20),
            longest_obeyed: Duration::from_secs(120),
            longest_silence: Duration::from_secs(180),
        }
    }
}

impl RetryPolicy {
    /// The wait after a failure that so many have come before.
    pub(super) fn pause(&self, earlier: u32) -> Duration {
        self.shortest_wait.saturating_mul(1 << earlier.min(16)).min(self.longest_wait)
    }
}

/// The failures in a row of one piece of work.
#[derive(Debug)]
pub(super) struct Backoff<'a> {
    policy: &'a RetryPolicy,
    waits: &'a Arc<Waits>,
    failures: u32,
    silence: Duration,
}

impl<'a> Backoff<'a> {
    pub(super) fn new(policy: &'a RetryPolicy, waits: &'a Arc<Waits>) -> Self {
        Self { policy, waits, failures: 0, silence: Duration::ZERO }
    }

    /// The work got on by so many bytes. If that was worth while, earlier failures do not count any more.
    pub(super) fn got_on(&mut self, bytes: u64) -> bool {
        let is_worthwhile = bytes >= WORTHWHILE;
        if is_worthwhile {
            (self.failures, self.silence) = (0, Duration::ZERO);
        }
        is_worthwhile
    }

    /// Waits before the next attempt, or gives the error back if there is none.
    pub(super) async fn after(&mut self, error: RegistryError) -> Result<(), RegistryError> {
        self.failures += 1;
        self.silence += error.silence();
        let asked_for = error.come_back().map(|back| back.after);
        if !error.is_transient()
            || self.failures >= self.policy.attempts
            || self.silence >= self.policy.longest_silence
            || asked_for.is_some_and(|asked_for| asked_for > self.policy.longest_obeyed)
        {
            return Err(error);
        }
        let wait = self.wait(asked_for, rand::random_range(0.5..1.0));
        let asks = error.party().zip(error.come_back()).filter(|_| wait >= WORTH_TELLING);
        let _told = asks.map(|(party, back)| self.waits.openly(Awaited::ComeBack(party, back)));
        tracing::debug!(%error, ?wait, failures = self.failures, "trying again");
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// The wait doubles with every failure; `jitter`, a factor, keeps clients from coming back all
    /// at once.
    fn wait(&self, asked_for: Option<Duration>, jitter: f64) -> Duration {
        self.policy.pause(self.failures - 1).mul_f64(jitter).max(asked_for.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_forgiven_for_progress_alone() {
        let policy = RetryPolicy::default();
        let waits = Arc::new(Waits::new(Duration::from_secs(1)));
        let mut backoff = Backoff { failures: 3, ..Backoff::new(&policy, &waits) };
        assert!(!backoff.got_on(WORTHWHILE - 1));
        assert_eq!(backoff.failures, 3);
        assert!(backoff.got_on(WORTHWHILE));
        assert_eq!(backoff.failures, 0);
    }

    #[test]
    fn waits_grow_and_are_bounded() {
        let policy = RetryPolicy::default();
        let waits = Arc::new(Waits::new(Duration::from_secs(1)));
        let wait =
            |failures, asked_for| Backoff { failures, ..Backoff::new(&policy, &waits) }.wait(asked_for, 1.0);
        assert_eq!(wait(1, None), Duration::from_millis(250));
        assert_eq!(wait(3, None), Duration::from_secs(1));
        assert_eq!(wait(1000, None), policy.longest_wait);
        assert_eq!(wait(1, Some(Duration::from_secs(3))), Duration::from_secs(3));
        assert_eq!(wait(1, Some(Duration::from_secs(60))), Duration::from_secs(60));
    }
}
