//! What an operator learns about a job that has ended: one line in the log, and its numbers in the metrics.

use super::errors::log_failure;
use super::memory;
use super::metrics::Metrics;
use crate::create::Phase;
use crate::jobs::{Job, Outcome};

/// Tells that a job has ended.
pub(super) fn tell(metrics: &Metrics, job: &Job, outcome: &Outcome) {
    if let Err(error) = outcome {
        log_failure(error);
    }
    metrics.job_ended(job);
    let usage = &job.order().usage;
    let round = |seconds: f64| (seconds * 1000.0).round() / 1000.0;
    let seconds = |phase| round(usage.spent(phase).as_secs_f64());
    let memory = memory::of_this_process();
    tracing::info!(
        job = %job.id(),
        kind = job.order().kind.name(),
        model = %job.order().model,
        outcome = job.standing().state.name(),
        seconds = round(job.age().as_secs_f64()),
        bytes_in = usage.read(),
        bytes_out = usage.written(),
        prepare_seconds = seconds(Phase::Prepare),
        wait_seconds = seconds(Phase::Wait),
        transfer_seconds = seconds(Phase::Transfer),
        convert_seconds = seconds(Phase::Convert),
        quantize_seconds = seconds(Phase::Quantize),
        write_seconds = seconds(Phase::Write),
        sync_seconds = seconds(Phase::Sync),
        finish_seconds = seconds(Phase::Finish),
        peak_process_memory = memory.map(|memory| memory.peak),
        warnings = usage.warnings(),
        "job ended"
    );
}
