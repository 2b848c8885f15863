//! Models from and to registries, from a thread that may block.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Mutex;

use super::artifact::{files_of, licenses_of};
use super::away::with_library;
use super::{CreateError, Event, Monitor, Outputs, Phase, Request, Usage, Wanted, Workshop};
use crate::locked::locked;
use crate::model::{Digest, Name};
use crate::registry::{self, Artifact, Options, Pulled, RegistryError};
use crate::store::Placed;
use tokio::runtime::Handle;

/// Fetches a model from the library, if it is there, or else from its registry. What has arrived when it is
/// cancelled serves the next try.
///
/// # Errors
/// [`CreateError::Library`], [`CreateError::Pull`] or [`CreateError::Cancelled`].
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
    let report = receiving(monitor);
    let found = match client.library_of(name) {
        None => None,
        Some(library) => {
            let ask = || until_stopped(client.pull_from_library(name, &report), monitor);
            let library = library.to_string();
            let failed = |source| CreateError::Library { library, source: Box::new(source) };
            with_library(workshop, client, monitor, ask, failed)?
        }
    };
    let is_of_library = found.is_some();
    let pulled = match found {
        Some(pulled) => pulled,
        None => until_stopped(client.pull(name, options, &report), monitor)?.map_err(pull_failed)?,
    };
    let placed = match pulled {
        Pulled::Model(placed) => placed,
        Pulled::Artifact(artifact) => return assemble(workshop, name, artifact, monitor),
    };
    workshop.warn_of_size(&placed.model, monitor);
    let replaced = placed.replaced.as_ref().filter(|before| before.digest != placed.model.digest);
    if let Some(before) = replaced.filter(|_| is_of_library) {
        let text = format!("'{}' was another model here before, {}", name.short(), before.digest);
        monitor.tell(Event::Warning(text));
    }
    Ok(placed)
}

/// Makes a model of the files of an artifact, as of uploaded ones.
fn assemble(
    workshop: &Workshop,
    name: &Name,
    artifact: Artifact,
    monitor: Monitor<'_>,
) -> Result<Placed, CreateError> {
    let outputs = Outputs::single(Wanted::as_it_is(name.clone()));
    let (files, licenses) = (Some(files_of(&artifact)?), licenses_of(&artifact)?);
    let request = Request { files, licenses, ..Request::new(outputs) };
    let usage = Usage::default();
    let made = workshop.prepare(request).and_then(|job| job.make(Monitor { usage: &usage, ..monitor }));
    monitor.usage.include(&usage);
    made?;
    Ok(Placed { model: workshop.store.manifest(name)?, replaced: None, given_up: Vec::new() })
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
    let push = client.push(name, options, sending(monitor));
    let digest = until_stopped(push, monitor)?.map_err(push_failed)?;
    monitor.usage.note_product(name, digest);
    Ok(())
}

fn pull_failed(error: RegistryError) -> CreateError {
    CreateError::Pull(Box::new(error))
}

fn push_failed(error: RegistryError) -> CreateError {
    CreateError::Push(Box::new(error))
}

/// Runs a transfer to its end, or drops it when the job is to stop.
pub(super) fn until_stopped<T>(
    transfer: impl Future<Output = Result<T, RegistryError>>,
    monitor: Monitor<'_>,
) -> Result<Result<T, RegistryError>, CreateError> {
    let until_stopped = async {
        tokio::select! {
            result = transfer => Ok(result),
            () = monitor.stop.cancelled() => Err(CreateError::Cancelled),
        }
    };
    monitor.usage.time(Phase::Transfer, || Handle::current().block_on(until_stopped))
}

/// Tells of what comes from a registry, and counts it.
pub(super) fn receiving(monitor: Monitor<'_>) -> impl Fn(registry::Event) + Sync {
    let moved = Moved::default();
    move |event| {
        monitor.usage.count_read(moved.by(&event));
        monitor.tell(Event::Transfer(event));
    }
}

/// The same of what goes to one.
pub(super) fn sending(monitor: Monitor<'_>) -> impl Fn(registry::Event) + Sync {
    let moved = Moved::default();
    move |event| {
        monitor.usage.count_written(moved.by(&event));
        monitor.tell(Event::Transfer(event));
    }
}

/// How far the blobs of a transfer have come. What is told of a blob first was there before.
#[derive(Default)]
struct Moved(Mutex<HashMap<Digest, u64>>);

impl Moved {
    /// The bytes that have moved since this blob was told of last.
    fn by(&self, event: &registry::Event) -> u64 {
        let Some(transfer) = event.transfer() else { return 0 };
        let mut blobs = locked(&self.0);
        let earlier = blobs.insert(transfer.digest, transfer.completed);
        earlier.map_or(0, |earlier| transfer.completed.saturating_sub(earlier))
    }
}
