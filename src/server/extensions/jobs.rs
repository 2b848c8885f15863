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
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::create::Product;
use crate::jobs::{self, Found, InvalidJobId, JobId, News, Said, Subscription, Summary, Unclaimed};
use crate::model::go_json;
use crate::server::body::json;
use crate::server::errors::Failure;
use crate::server::operation::Operation;
use crate::server::stream::{Detached, accepted};
use crate::server::wording::{Line, line};
use crate::server::{Shared, resume, times};

/// A job as clients see it.
#[derive(Serialize, ToSchema)]
struct Job {
    id: String,
    kind: &'static str,
    model: String,
    state: &'static str,
    /// The stage that it is in, waits for, or ended in.
    stage: &'static str,
    detached: bool,
    #[serde(serialize_with = "times::time")]
    #[schema(value_type = String, format = DateTime)]
    asked_at: SystemTime,
    #[serde(serialize_with = "times::some_time", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    began_at: Option<SystemTime>,
    #[serde(serialize_with = "times::some_time", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
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
    /// The models that it has made or moved, each with the digest of its manifest.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    models: Vec<Product>,
    /// As it was given, where one job is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    request: Option<Box<RawValue>>,
}

impl Job {
    fn of(job: Summary) -> Self {
        let standing = job.standing;
        Self {
            id: job.id.to_string(),
            kind: job.kind.name(),
            model: job.model.short(),
            state: standing.state.name(),
            stage: standing.stage.name(),
            detached: job.is_detached,
            asked_at: job.asked,
            began_at: standing.began,
            ended_at: standing.ended,
            bytes_in: job.bytes_in,
            bytes_out: job.bytes_out,
            warnings: job.warnings,
            events: job.events,
            error: job.error,
            models: job.products,
            request: None,
        }
    }
}

/// A list of jobs.
#[derive(Serialize, ToSchema)]
struct JobList {
    jobs: Vec<Job>,
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
    let Query(filter) = filter.map_err(|rejection| Failure::bad_request(rejection.body_text()))?;
    let names = || jobs::State::ALL.map(jobs::State::name);
    if let Some(state) = filter.state.as_deref().filter(|state| !names().contains(state)) {
        let message = format!("state must be one of {}, got {state:?}", names().join(", "));
        return Err(Failure::bad_request(message));
    }
    let mut under_way = server.jobs.list();
    under_way.sort_by_key(|job| job.asked());
    let under_way = under_way.iter().map(|job| job.summary());
    let all = server.jobs.ended_lately().into_iter().chain(under_way);
    let wanted = |job: &Job| filter.state.as_deref().is_none_or(|state| job.state == state);
    Ok(json(&JobList { jobs: all.map(Job::of).filter(wanted).collect() }))
}

/// `GET /ollamake/v1/jobs/ID`
pub(super) async fn one(State(server): State<Shared>, Path(id): Path<String>) -> Result<Response, Failure> {
    let (summary, request) = match find(&server, &id)? {
        Found::UnderWay(job) => (job.summary(), job.order().request.clone()),
        Found::Ended(summary) => {
            let said = said(&server, summary.id).await?;
            (*summary, said.request)
        }
    };
    Ok(json(&Job { request: RawValue::from_string(request).ok(), ..Job::of(summary) }))
}

/// `GET /ollamake/v1/jobs/ID/events`: all that was said from a number on, and then what comes.
pub(super) async fn events(
    State(server): State<Shared>,
    Path(id): Path<String>,
    start: Result<Query<Start>, QueryRejection>,
) -> Result<Response, Failure> {
    let Query(Start { from }) = start.map_err(|rejection| Failure::bad_request(rejection.body_text()))?;
    let found = find(&server, &id)?;
    let end = match &found {
        Found::UnderWay(job) => job.next_event(),
        Found::Ended(summary) => summary.events,
    };
    if from > end {
        let message = format!("from must be at most {end}, the number of the next event; got {from}");
        return Err(Failure::bad_request(message));
    }
    let body = match found {
        Found::Ended(summary) => Body::from(lines_of_past(&server, &summary, from).await?),
        Found::UnderWay(job) => {
            let reader = Subscription::from(job, from);
            Body::from_stream(stream::unfold(Some(reader), |reader| async move {
                let (line, rest) = next_line(reader?).await;
                Some((Ok::<_, Infallible>(Bytes::from(line)), rest))
            }))
        }
    };
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

/// The next line, and the reader unless it was the last.
async fn next_line(mut reader: Subscription) -> (Vec<u8>, Option<Subscription>) {
    let news = reader.next().await;
    let line = line(reader.position().saturating_sub(1), &news);
    (line, matches!(news, News::Event(_)).then_some(reader))
}

/// What a job has said from a number on that is not under way.
async fn lines_of_past(server: &Shared, job: &Summary, from: u64) -> Result<String, Failure> {
    let said = said(server, job.id).await?;
    let mut text = String::new();
    for (_, line) in said.lines.iter().filter(|(number, _)| *number >= from) {
        text.push_str(line);
        text.push('\n');
    }
    match (said.last.as_str(), &job.error) {
        // It ended without a word, or what it said could not be recorded.
        ("", Some(error)) => text.push_str(&go_json::to_string(&serde_json::json!({"error": error}))),
        ("", None) => text.push_str(&go_json::to_string(&Line::success())),
        (last, _) => text.push_str(last),
    }
    text.push('\n');
    Ok(text)
}

/// `POST /ollamake/v1/jobs/ID/stop`
pub(super) async fn stop(State(server): State<Shared>, Path(id): Path<String>) -> Result<Response, Failure> {
    let summary = match find(&server, &id)? {
        Found::Ended(summary) => *summary,
        Found::UnderWay(job) => {
            job.cancel();
            // It is told how it ended, not how it stands while it ends.
            let mut reader = Subscription::from(Arc::clone(&job), job.next_event());
            while let News::Event(_) = reader.next().await {}
            job.summary()
        }
    };
    Ok(json(&Job::of(summary)))
}

/// `POST /ollamake/v1/jobs/ID/resume`
pub(super) async fn resume(
    State(server): State<Shared>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id = parse(&id)?;
    resume::resume(&server, id).await?;
    Ok(accepted(id))
}

/// `DELETE /ollamake/v1/jobs/ID`
pub(super) async fn forget(
    State(server): State<Shared>,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id = parse(&id)?;
    match server.blocking_with(move |server| server.jobs.forget(id)).await? {
        Ok(()) => Ok(StatusCode::NO_CONTENT.into_response()),
        Err(Unclaimed::Stands(_, state)) => {
            let message = format!("job {id} is {}", state.name());
            Err(Failure::new(StatusCode::CONFLICT, message).with_hint("stop it first"))
        }
        Err(other) => Err(other.into()),
    }
}

async fn said(server: &Shared, id: JobId) -> Result<Said, Failure> {
    Ok(server.blocking_with(move |server| server.jobs.said(id)).await??)
}

fn parse(id: &str) -> Result<JobId, Failure> {
    id.parse().map_err(|error: InvalidJobId| Failure::not_found(error.to_string()))
}

fn find(server: &Shared, id: &str) -> Result<Found, Failure> {
    let id = parse(id)?;
    server.jobs.get(id).ok_or_else(|| Unclaimed::Missing(id).into())
}

/// What is described of them.
pub(super) fn operations() -> Vec<Operation> {
    const ONE: &str = "/ollamake/v1/jobs/{id}";
    const ID: &str = "the identifier of a job";
    vec![
        Operation::read("/ollamake/v1/jobs", "The jobs that are under way, and those that ended lately.")
            .asks::<String>("state", "only jobs in this state")
            .answers::<JobList>(200, "The jobs.")
            .fails(&[400]),
        Operation::read(ONE, "A job.").with("id", ID).answers::<Job>(200, "The job.").fails(&[404]),
        Operation::delete(ONE, "Forgets a job that has ended.")
            .with("id", ID)
            .answers_nothing(204, "The job is forgotten.")
            .fails(&[404, 409]),
        Operation::read("/ollamake/v1/jobs/{id}/events", "All that a job says, until it ends.")
            .with("id", ID)
            .asks::<u64>("from", "the number of the first event that is wanted")
            .answers_lines::<Line>(200, "A line for each event, with its `number`.")
            .fails(&[400, 404]),
        Operation::post("/ollamake/v1/jobs/{id}/resume", "Has an interrupted job go on.")
            .with("id", ID)
            .answers::<Detached>(202, "The job goes on.")
            .tells(202, "Ollamake-Job", "The identifier of the job.")
            .fails(&[400, 404, 409, 507]),
        Operation::post("/ollamake/v1/jobs/{id}/stop", "Stops a job.")
            .with("id", ID)
            .answers::<Job>(200, "The job, which has ended.")
            .fails(&[404]),
    ]
}
