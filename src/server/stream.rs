//! The answers of jobs: a line for each event, or one at the end.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;
use utoipa::ToSchema;

use super::Server;
use super::body::json;
use super::errors::Failure;
use super::headers::set;
use super::request::Fields;
use super::wording::Line;
use crate::jobs::{JobId, News, Order, Subscription, Work};
use crate::model::go_json;

/// The header that names the job.
const JOB: HeaderName = HeaderName::from_static("ollamake-job");

/// A job that goes on alone.
#[derive(Serialize, ToSchema)]
pub(super) struct Detached {
    /// Its identifier.
    job: String,
}

/// How a client wants to hear of its job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hearing {
    /// A line for each step. The job stops when the client goes away.
    Lines,
    /// Only how it ended. The job stops when the client goes away.
    End,
    /// Nothing: it asks for it.
    Detached,
}

impl Hearing {
    /// What a request says of it.
    pub(super) fn of(fields: &mut Fields) -> Result<Self, Failure> {
        let is_streamed = fields.boolean("stream")?.unwrap_or(true);
        let is_detached = fields.boolean("detach")?.unwrap_or(false);
        Ok(match (is_detached, is_streamed) {
            (true, _) => Self::Detached,
            (false, true) => Self::Lines,
            (false, false) => Self::End,
        })
    }
}

/// Starts a job and answers the request for it.
pub(super) async fn start(
    server: &Server,
    order: Order,
    work: impl Work,
    hearing: Hearing,
) -> Result<Response, Failure> {
    start_with(server, order, work, hearing, || go_json::to_line(&Line::success())).await
}

/// The same of a job whose success is told by another line.
pub(super) async fn start_with(
    server: &Server,
    order: Order,
    work: impl Work,
    hearing: Hearing,
    success: impl FnOnce() -> Vec<u8> + Send + 'static,
) -> Result<Response, Failure> {
    if hearing == Hearing::Detached {
        let job = server.jobs.start_detached(order, work).await?;
        return Ok(accepted(job.id()));
    }
    let job = server.jobs.start(order, work)?;
    let id = job.job().id();
    let response = match hearing {
        Hearing::End => answer_once(job, success).await,
        _ => answer_with_lines(job, success).await,
    };
    Ok(naming(id, response))
}

/// Answers that a job goes on by itself.
pub(super) fn accepted(job: JobId) -> Response {
    let mut response = json(&Detached { job: job.to_string() });
    *response.status_mut() = StatusCode::ACCEPTED;
    naming(job, response)
}

/// The same answer with a header that names the job.
fn naming(job: JobId, mut response: Response) -> Response {
    set(response.headers_mut(), JOB, job.to_string());
    response
}

/// Answers with a line for each event. A job that fails before its first one is answered with the error's own
/// status.
async fn answer_with_lines(
    mut job: Subscription,
    success: impl FnOnce() -> Vec<u8> + Send + 'static,
) -> Response {
    let first = match job.next().await {
        News::End(Err(error)) => return Failure::of_job(&error).into_response(),
        news => news,
    };
    // A line is sent when it is there, not when the next one is.
    let lines = stream::unfold((Some(first), Some((job, success))), |(news, rest)| async move {
        let (mut job, success) = rest?;
        let news = match news {
            Some(news) => news,
            None => job.next().await,
        };
        let (line, rest) = match news {
            News::Event(event) => (go_json::to_line(&Line::of(&event)), Some((job, success))),
            News::End(Ok(())) => (success(), None),
            News::End(Err(error)) => (Failure::of_job(&error).line(), None),
        };
        Some((Ok::<_, Infallible>(Bytes::from(line)), (None, rest)))
    });
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"))];
    (headers, Body::from_stream(lines)).into_response()
}

/// Answers once, when the job has ended.
async fn answer_once(mut job: Subscription, success: impl FnOnce() -> Vec<u8>) -> Response {
    loop {
        match job.next().await {
            News::Event(_) => {}
            News::End(Ok(())) => {
                let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
                return (headers, success().trim_ascii_end().to_vec()).into_response();
            }
            News::End(Err(error)) => return Failure::of_job(&error).into_response(),
        }
    }
}
