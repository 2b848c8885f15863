//! Waiting for a library that is away, or full.

use std::time::Duration;

use tokio::runtime::Handle;

use super::{CreateError, Event, Monitor, Phase, Workshop};
use crate::registry::{Client, RegistryError};

/// Does something with the library, as often as it takes, since it may be away for a while. `failed` says
/// what has become of the work if it stays away, or refuses.
pub(super) fn with_library<T>(
    workshop: &Workshop,
    client: &Client,
    monitor: Monitor<'_>,
    work: impl Fn() -> Result<Result<T, RegistryError>, CreateError>,
    failed: impl FnOnce(RegistryError) -> CreateError,
) -> Result<T, CreateError> {
    let (mut failures, mut waited) = (0, Duration::ZERO);
    loop {
        let error = match work()? {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let pause = client.pause_after(failures);
        if !error.may_be_mended() || waited + pause > workshop.sharing.patience {
            return Err(failed(error));
        }
        let library = client.library().map(ToString::to_string).unwrap_or_default();
        monitor.tell(Event::LibraryAway { library, reason: error.to_string() });
        monitor.usage.time(Phase::Wait, || sleep(pause, monitor))?;
        (failures, waited) = (failures + 1, waited + pause);
    }
}

/// Waits, or ends when the job is to stop.
fn sleep(pause: Duration, monitor: Monitor<'_>) -> Result<(), CreateError> {
    let pausing = async { tokio::time::timeout(pause, monitor.stop.cancelled()).await.is_err() };
    if Handle::current().block_on(pausing) { Ok(()) } else { Err(CreateError::Cancelled) }
}
