//! `/metrics`: the numbers of the server in the text format of Prometheus.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use prometheus::{Encoder, TextEncoder};

use super::Shared;
use super::errors::Failure;
use super::health::ask_disk;
use super::memory;
use super::operation::Operation;
use crate::create::Stage;
use crate::jobs;
use crate::store::Store;

/// `GET /metrics`
pub(super) async fn metrics(State(server): State<Shared>) -> Result<Response, Failure> {
    let metrics = &server.metrics;
    let gauge = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let standing: Vec<_> = server.jobs.list().iter().map(|job| job.standing()).collect();
    for stage in Stage::ALL {
        for state in jobs::State::UNDER_WAY {
            let count = standing.iter().filter(|job| (job.state, job.stage) == (state, stage)).count();
            metrics.jobs.with_label_values(&[stage.name(), state.name()]).set(gauge(count as u64));
        }
    }
    if let Some(memory) = memory::of_this_process() {
        metrics.resident.set(gauge(memory.resident));
        metrics.peak.set(gauge(memory.peak));
        metrics.anonymous.set(gauge(memory.anonymous));
    }
    if let Some(Ok(space)) = ask_disk(&server, Store::available_space).await? {
        metrics.available.set(gauge(space));
    }
    let mut text = Vec::new();
    let encoder = TextEncoder::new();
    encoder.encode(&metrics.registry.gather(), &mut text).map_err(|error| {
        tracing::error!(%error, "the metrics cannot be written");
        Failure::internal("the metrics cannot be written; see the server's log")
    })?;
    Ok(([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response())
}

/// What is described of this.
pub(super) fn operations() -> Vec<Operation> {
    let about = "The numbers of the server in the text format of Prometheus.";
    vec![Operation::get("/metrics", about).answers_text(200, "The metrics.")]
}
