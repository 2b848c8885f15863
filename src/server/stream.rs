//! The answers of jobs: a line for each event, or one at the end.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use super::errors::Failure;
use super::wording::Line;
use crate::jobs::{News, Subscription};
use crate::model::go_json;

/// Answers a request for a job, which stops when the client goes away.
pub(super) async fn answer(job: Subscription, streamed: bool) -> Response {
    if streamed { answer_with_lines(job).await } else { answer_once(job).await }
}

/// Answers with a line for each event. A job that fails before its first one is answered with the error's own
/// status.
async fn answer_with_lines(mut job: Subscription) -> Response {
    let first = match job.next().await {
        News::End(Err(error)) => return Failure::of_job(&error).into_response(),
        news => news,
    };
    // A line is sent when it is there, not when the next one is.
    let lines = stream::unfold((Some(first), Some(job)), |(news, job)| async move {
        let mut job = job?;
        let news = match news {
            Some(news) => news,
            None => job.next().await,
        };
        let (line, rest) = match news {
            News::Event(event) => (go_json::to_line(&Line::of(&event)), Some(job)),
            News::End(Ok(())) => (go_json::to_line(&Line::success()), None),
            News::End(Err(error)) => (Failure::of_job(&error).line(), None),
        };
        Some((Ok::<_, Infallible>(Bytes::from(line)), (None, rest)))
    });
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"))];
    (headers, Body::from_stream(lines)).into_response()
}

/// Answers once, when the job has ended.
async fn answer_once(mut job: Subscription) -> Response {
    loop {
        match job.next().await {
            News::Event(_) => {}
            News::End(Ok(())) => {
                let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
                return (headers, go_json::to_string(&Line::success())).into_response();
            }
            News::End(Err(error)) => return Failure::of_job(&error).into_response(),
        }
    }
}
