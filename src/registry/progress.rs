//! Reporting how far work has come, not more often than people can see.

use std::time::Duration;

/// The time between two reports.
pub(super) const INTERVAL: Duration = Duration::from_millis(100);

/// Does the work; reports at the beginning, then whenever `completed` has changed, and at the end.
pub(super) async fn watch<T, E>(
    work: impl Future<Output = Result<T, E>>,
    completed: impl Fn() -> u64,
    report: impl Fn(u64),
) -> Result<T, E> {
    let mut work = std::pin::pin!(work);
    let mut reported = completed();
    report(reported);
    let mut ticks = tokio::time::interval(INTERVAL);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            result = &mut work => {
                if result.is_ok() && reported != completed() {
                    report(completed());
                }
                return result;
            }
            _ = ticks.tick() => {
                let now = completed();
                if reported != now {
                    reported = now;
                    report(now);
                }
            }
        }
    }
}
