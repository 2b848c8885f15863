//! `/ollamake/v1/jobs`: what runs, what ran lately, and what each job says.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::SystemTime;

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::{Deserialize, Serialize};

use crate::jobs::{self, JobId, News, Subscription};
use crate::model::go_json;
use crate::server::body::json;
use crate::server::errors::Failure;
use crate::server::wording::Line;
use crate::server::{Shared, times};

/// A job as clients see it.
#[derive(Serialize)]
struct Job {
    id: String,
    kind: &'static str,
    model: String,
    state: &'static str,
    /// The stage that it is in, waits for, or ended in.
    stage: &'static str,
    detached: bool,
    #[serde(serialize_with = "times::time")]
    asked_at: SystemTime,
    #[serde(serialize_with = "times::some_time", skip_serializing_if = "Option::is_none")]
    began_at: Option<SystemTime>,
    #[serde(serialize_with = "times::some_time", skip_serializing_if = "Option::is_none")]
    ended_at: Option<SystemTime>,
    /// Bytes read from blobs or received.
    bytes_in: u64,
    /// Bytes of weights written or sent.
    bytes_out: u64,
    warnings: u64,
    /// Events so far; the next one gets this number.
    events: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Job {
    fn of(job: &jobs::Job) -> Self {
        let (standing, order) = (job.standing(), job.order());
        let error = match job.outcome() {
            Some(Err(error)) => Some(error.to_string()),
            _ => None,
        };
        Self {
            id: job.id().to_string(),
            kind: order.kind.name(),
            model: order.model.short(),
            state: standing.state.name(),
            stage: standing.stage.name(),
            detached: job.is_detached(),
            asked_at: job.asked(),
            began_at: standing.began,
            ended_at: standing.ended,
            bytes_in: order.usage.read(),
            bytes_out: order.usage.written(),
            warnings: order.usage.warnings(),
            events: job.next_event(),
            error,
        }
    }
}

/// Which jobs are wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    state: Option<String>,
}

/// Where the events are to begin.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Start {
    #[serde(default)]
    from: u64,
}

/// `GET /ollamake/v1/jobs`: those that have ended first, in the order of their ends.
pub(super) async fn list(
    State(server): State<Shared>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Response, Failure> {
    #[derive(Serialize)]
    struct Answer {
        jobs: Vec<Job>,
    }
    let Query(filter) = filter.map_err(|rejection| Failure::bad_request(rejection.body_text()))?;
    let names = || jobs::State::ALL.map(jobs::State::name);
    if let Some(state) = filter.state.as_deref().filter(|state| !names().contains(state)) {
        let message = format!("state must be one of {}, got {state:?}", names().join(", "));
        return Err(Failure::bad_request(message));
    }
    let mut under_way = server.jobs.list();
    under_way.sort_by_key(|job| job.asked());
    let all = server.jobs.ended_lately().into_iter().chain(under_way);
    let wanted = |job: &Job| filter.state.as_deref().is_none_or(|state| job.state == state);
    Ok(json(&Answer { jobs: all.map(|job| Job::of(&job)).filter(wanted).collect() }))
}

/// `GET /ollamake/v1/jobs/ID`
pub(super) async fn one(State(server): State<Shared>, Path(id): Path<String>) -> Result<Response, Failure> {
    Ok(json(&Job::of(&*find(&server, &id)?)))
}

/// `GET /ollamake/v1/jobs/ID/events`: all that was said from a number on, and then what comes.
pub(super) async fn events(
    State(server): State<Shared>,
    Path(id): Path<String>,
    start: Result<Query<Start>, QueryRejection>,
) -> Result<Response, Failure> {
    let Query(Start { from }) = start.map_err(|rejection| Failure::bad_request(rejection.body_text()))?;
    let job = find(&server, &id)?;
    let end = job.next_event();
    if from > end {
        let message = format!("from must be at most {end}, the number of the next event; got {from}");
        return Err(Failure::bad_request(message));
    }
    let reader = Subscription::from(Arc::clone(&job), from);
    let lines = stream::unfold(Some(reader), |reader| async move {
        let (line, rest) = next_line(reader?).await;
        Some((Ok::<_, Infallible>(Bytes::from(line)), rest))
    });
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson")];
    Ok((headers, Body::from_stream(lines)).into_response())
}

/// The next line, and the reader unless it was the last.
async fn next_line(mut reader: Subscription) -> (Vec<u8>, Option<Subscription>) {
    #[derive(Serialize)]
    struct Numbered<'l> {
        number: u64,
        #[serde(flatten)]
        line: &'l Line,
    }
    match reader.next().await {
        News::Event(event) => {
            let numbered = Numbered { number: reader.position() - 1, line: &Line::of(&event) };
            (go_json::to_line(&numbered), Some(reader))
        }
        News::End(Ok(())) => (go_json::to_line(&Line::success()), None),
        News::End(Err(error)) => (Failure::of_job(&error).line(), None),
    }
}

/// `POST /ollamake/v1/jobs/ID/stop`
pub(super) async fn stop(State(server): State<Shared>, Path(id): Path<String>) -> Result<Response, Failure> {
    let job = find(&server, &id)?;
    job.cancel();
    // It is told how it ended, not how it stands while it ends.
    let mut reader = Subscription::from(Arc::clone(&job), job.next_event());
    while let News::Event(_) = reader.next().await {}
    Ok(json(&Job::of(&job)))
}

/// `DELETE /ollamake/v1/jobs/ID`
pub(super) async fn forget(
    State(server): State<Shared>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let job = find(&server, &id)?;
    if !server.jobs.forget(&job) {
        let message = format!("job {id} is {}", job.standing().state.name());
        return Err(Failure::new(StatusCode::CONFLICT, message).with_hint("stop it first"));
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn find(server: &Shared, id: &str) -> Result<Arc<jobs::Job>, Failure> {
    let id: JobId = id.parse().map_err(|error: jobs::InvalidJobId| Failure::not_found(error.to_string()))?;
    let missing = || Failure::not_found(format!("there is no job {id}, or it ended long ago"));
    server.jobs.get(id).ok_or_else(missing)
}
