//! Models from and to registries, from a thread that may block.

use std::future::Future;

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::{CreateError, Progress, Report, Workshop};
use crate::model::Name;
use crate::registry::{self, Options, Status};
use crate::store::Placed;

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
    report: Report<'_>,
    stop: &CancellationToken,
) -> Result<Placed, CreateError> {
    let client = workshop.registries().map_err(pull_failed)?;
    until_stopped(client.pull(name, options, |status| tell(status, report)), stop)?.map_err(pull_failed)
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
    report: Report<'_>,
    stop: &CancellationToken,
) -> Result<(), CreateError> {
    let client = workshop.registries().map_err(push_failed)?;
    until_stopped(client.push(name, options, |status| tell(status, report)), stop)?.map_err(push_failed)
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
    stop: &CancellationToken,
) -> Result<Result<T, registry::Error>, CreateError> {
    Handle::current().block_on(async {
        tokio::select! {
            result = transfer => Ok(result),
            () = stop.cancelled() => Err(CreateError::Cancelled),
        }
    })
}

/// The end of a transfer is not the end of the job, which has its own way to tell success.
fn tell(status: Status, report: Report<'_>) {
    if status == Status::Success {
        return;
    }
    let mut line = Progress::line(status.to_string());
    if let Some(transfer) = status.transfer() {
        line.digest = transfer.digest.to_string();
        line.total = transfer.total;
        line.completed = transfer.completed;
    }
    report(line);
}
