//! How far the weights of one model are from those of another.

use std::sync::atomic::AtomicU64;

use super::watch::{Progress, Watcher};
use super::{Action, CreateError, Monitor, Workshop};
use crate::library::Weights;
use crate::plan::{Plan, PlanError, Readable, Source, distances};

/// The relative error of each tensor of a model, by name, if the other model's were taken for it: the root of
/// the mean square of the differences, relative to that of the values. Only of tensors that both have, in one
/// shape. Reads all of both.
///
/// # Errors
/// [`CreateError::Cancelled`], or what hinders reading.
pub(crate) fn relative_distances(
    workshop: &Workshop,
    weights: &Weights,
    others: &Weights,
    monitor: Monitor<'_>,
) -> Result<Vec<(String, f64)>, CreateError> {
    let (plan, other) = (weights.plan()?, others.plan()?);
    let (bytes, other_bytes) = (bytes(weights)?, bytes(others)?);
    let total = bytes.iter().map(|bytes| bytes.len() as u64).fold(0, u64::saturating_add);
    let size = plan.tensors.iter().map(|tensor| tensor.shape.elements()).fold(0, u64::saturating_add);
    let progress = Progress { action: Action::Measuring, size, total, monitor, made: AtomicU64::new(0) };
    let watcher = Watcher { progress: &progress, made: AtomicU64::new(0), errors: None };
    let sources: Vec<&dyn Source> = bytes.iter().map(|bytes| bytes as &dyn Source).collect();
    let other_sources: Vec<&dyn Source> = other_bytes.iter().map(|bytes| bytes as &dyn Source).collect();
    let one = Readable { plan: &plan, sources: &sources };
    let two = Readable { plan: &other, sources: &other_sources };
    let found = distances(one, two, workshop.resources, &watcher).map_err(|error| match error {
        PlanError::Cancelled => CreateError::Cancelled,
        error => CreateError::Plan { file: first_label(&plan), source: Box::new(error) },
    })?;
    let named = plan.tensors.iter().zip(found);
    Ok(named.filter_map(|(tensor, error)| Some((tensor.name.clone(), error?.relative()))).collect())
}

fn bytes(weights: &Weights) -> Result<Vec<&[u8]>, CreateError> {
    Ok(weights.files().iter().map(|blob| blob.bytes()).collect::<Result<_, _>>()?)
}

fn first_label(plan: &Plan) -> String {
    plan.sources.first().map(|source| source.label.clone()).unwrap_or_default()
}
