//! The lines that jobs send. They go through a [`Journal`] that never blocks the job: a state of a progress
//! bar replaces the one before it as long as that has not been sent, so a slow client costs neither time nor
//! memory, and bars are sent at most ten times a second.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::DropGuard;

use super::errors::Failure;
use crate::create::Progress;
use crate::model::go_json;

/// How often the bars are sent.
const TICK: Duration = Duration::from_millis(100);

/// A job that runs until it ends or until this is dropped.
#[derive(Debug)]
pub(super) struct RunningJob {
    journal: Arc<Journal>,
    last_tick: Option<Instant>,
    _stop: DropGuard,
}

/// Something that happened to a job.
enum Event {
    Line(Progress),
    Failed(Failure),
    Done,
}

impl RunningJob {
    /// The job that writes to `journal` and is stopped by `stop`.
    pub(super) fn new(journal: Arc<Journal>, stop: DropGuard) -> Self {
        Self { journal, last_tick: None, _stop: stop }
    }

    /// Answers with a line for each step. A job that fails before its first line is answered with the
    /// error's own status.
    pub(super) async fn answer_with_lines(mut self) -> Response {
        let first = match self.next().await {
            Event::Failed(failure) => return failure.into_response(),
            event => event,
        };
        // A line is sent when it is there, not when the next one is.
        let lines = stream::unfold((Some(first), Some(self)), |(event, job)| async move {
            let mut job = job?;
            let event = match event {
                Some(event) => event,
                None => job.next().await,
            };
            let (line, rest) = match event {
                Event::Line(line) => (go_json::to_line(&line), Some(job)),
                Event::Failed(failure) => (failure.line(), None),
                Event::Done => (go_json::to_line(&Progress::line("success")), None),
            };
            Some((Ok::<_, Infallible>(Bytes::from(line)), (None, rest)))
        });
        let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"))];
        (headers, Body::from_stream(lines)).into_response()
    }

    /// Answers once, when the job has ended.
    pub(super) async fn answer_once(mut self) -> Response {
        loop {
            match self.next().await {
                Event::Line(_) => {}
                Event::Failed(failure) => return failure.into_response(),
                Event::Done => {
                    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
                    return (headers, go_json::to_string(&Progress::line("success"))).into_response();
                }
            }
        }
    }

    async fn next(&mut self) -> Event {
        loop {
            let changed = self.journal.changed.notified();
            let due = self.last_tick.map(|tick| tick + TICK);
            {
                let mut state = self.journal.lock();
                let is_due = due.is_none_or(|due| due <= Instant::now());
                let has_more = state.lines.iter().any(|line| !line.is_bar()) || state.outcome.is_some();
                if (is_due || has_more)
                    && let Some(line) = state.lines.pop_front()
                {
                    if line.is_bar() && state.lines.iter().all(|line| !line.is_bar()) {
                        self.last_tick = Some(Instant::now());
                    }
                    return Event::Line(line);
                }
                if state.lines.is_empty()
                    && let Some(outcome) = state.outcome.take()
                {
                    return match outcome {
                        Ok(()) => Event::Done,
                        Err(failure) => Event::Failed(failure),
                    };
                }
            }
            match due {
                Some(due) if due > Instant::now() => {
                    tokio::select! {
                        () = changed => {}
                        () = tokio::time::sleep_until(due) => {}
                    }
                }
                _ => changed.await,
            }
        }
    }
}

/// The lines that have not been sent yet, and how the job ended.
#[derive(Debug, Default)]
pub(super) struct Journal {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<Progress>,
    outcome: Option<Result<(), Failure>>,
}

impl Journal {
    /// Adds a line.
    pub(super) fn push(&self, line: Progress) {
        let mut state = self.lock();
        let same_bar = |other: &&mut Progress| {
            other.is_bar() && other.status == line.status && other.digest == line.digest
        };
        match state.lines.iter_mut().rev().find(same_bar) {
            Some(earlier) if line.is_bar() => *earlier = line,
            _ => state.lines.push_back(line),
        }
        drop(state);
        self.changed.notify_one();
    }

    /// The job has ended.
    pub(super) fn finish(&self, outcome: Result<(), Failure>) {
        self.lock().outcome = Some(outcome);
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
