//! Models from and to registries, from a thread that may block.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, PoisonError};

use super::{CreateError, Event, Monitor, Phase, Workshop};
use crate::model::{Digest, Name};
use crate::registry::{self, Options, Status};
use crate::store::Placed;
use tokio::runtime::Handle;

/// Fetches a model from its registry. What has arrived when it is cancelled serves the next try.
///
/// # Errors
/// [`CreateError::Pull`] or [`CreateError::Cancelled`].
///
/// # Panics
/// Outside of a tokio runtime.
pub fn fetch(
    workshop: &Workshop,
    name: &Name,
    options: Options,
    monitor: Monitor<'_>,
) -> Result<Placed, CreateError> {
    let client = workshop.registries().map_err(pull_failed)?;
    let received = Moved::default();
    let pull = client.pull(name, options, |status| {
        monitor.usage.count_read(received.by(&status));
        tell(status, monitor);
    });
    until_stopped(pull, monitor)?.map_err(pull_failed)
}

/// Sends a model to its registry.
///
/// # Errors
/// [`CreateError::Push`] or [`CreateError::Cancelled`].
///
/// # Panics
/// Outside of a tokio runtime.
pub fn publish(
    workshop: &Workshop,
    name: &Name,
    options: Options,
    monitor: Monitor<'_>,
) -> Result<(), CreateError> {
    let client = workshop.registries().map_err(push_failed)?;
    let sent = Moved::default();
    let push = client.push(name, options, |status| {
        monitor.usage.count_written(sent.by(&status));
        tell(status, monitor);
    });
    until_stopped(push, monitor)?.map_err(push_failed)
}

fn pull_failed(error: registry::Error) -> CreateError {
    CreateError::Pull(Box::new(error))
}

fn push_failed(error: registry::Error) -> CreateError {
    CreateError::Push(Box::new(error))
}

/// Runs a transfer to its end, or drops it when the job is to stop.
fn until_stopped<T>(
    transfer: impl Future<Output = Result<T, registry::Error>>,
    monitor: Monitor<'_>,
) -> Result<Result<T, registry::Error>, CreateError> {
    let until_stopped = async {
        tokio::select! {
            result = transfer => Ok(result),
            () = monitor.stop.cancelled() => Err(CreateError::Cancelled),
        }
    };
    monitor.usage.time(Phase::Transfer, || Handle::current().block_on(until_stopped))
}

/// The end of a transfer is not the end of the job, which has its own way to tell success.
fn tell(status: Status, monitor: Monitor<'_>) {
    if status != Status::Success {
        monitor.tell(Event::Transfer(status));
    }
}

/// How far the blobs of a transfer have come. What is told of a blob first was there before.
#[derive(Default)]
struct Moved(Mutex<HashMap<Digest, u64>>);

impl Moved {
    /// The bytes that have moved since this blob was told of last.
    fn by(&self, status: &Status) -> u64 {
        let Some(transfer) = status.transfer() else { return 0 };
        let mut blobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = blobs.insert(transfer.digest, transfer.completed);
        earlier.map_or(0, |earlier| transfer.completed.saturating_sub(earlier))
    }
}
