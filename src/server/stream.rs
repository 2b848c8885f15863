//! Jobs and the lines that they send: a job runs on a thread of its own, apart from the task of the
//! connection that asked for it, and stops when nobody listens any more.
//!
//! The lines go through a [`Journal`] that never blocks the job: a state of a progress bar replaces
//! the one before it as long as that has not been sent, so a slow client costs neither time nor
//! memory, and bars are sent at most ten times a second.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::errors::Failure;
use crate::create::{Progress, Report};
use crate::model::go_json;

/// How often the bars are sent.
const TICK: Duration = Duration::from_millis(100);

/// A job that runs until it ends or until this is dropped.
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
    /// Starts `job` on a thread of its own. With `turn` it waits for a permit first.
    pub(super) fn start<J>(turn: Option<Arc<Semaphore>>, job: J) -> Self
    where
        J: FnOnce(Report<'_>, &CancellationToken) -> Result<(), Failure> + Send + 'static,
    {
        let journal = Arc::new(Journal::default());
        let stop = CancellationToken::new();
        let guard = stop.clone().drop_guard();
        let writer = Arc::clone(&journal);
        let span = tracing::Span::current();
        tokio::spawn(async move {
            let permit = match turn {
                None => None,
                Some(turn) => {
                    if turn.available_permits() == 0 {
                        writer.push(Progress::line("waiting for other jobs to finish"));
                    }
                    tokio::select! {
                        permit = turn.acquire_owned() => permit.ok(),
                        () = stop.cancelled() => return,
                    }
                }
            };
            let reporter = Arc::clone(&writer);
            let work = tokio::task::spawn_blocking(move || {
                let _permit = permit;
                span.in_scope(|| job(&|line| reporter.push(line), &stop))
            });
            let outcome = work.await.unwrap_or_else(|error| {
                tracing::error!(%error, "a job panicked");
                Err(Failure::internal("the job failed because of a defect in the server; see its log"))
            });
            writer.finish(outcome);
        });
        Self { journal, last_tick: None, _stop: guard }
    }

    /// Answers with a line for each step. A job that fails before its first line is answered with the
    /// error's own status.
    pub(super) async fn answer_with_lines(mut self) -> Response {
        let first = match self.next().await {
            Event::Failed(failure) => return failure.into_response(),
            event => event,
        };
        let lines = stream::unfold(Some((first, self)), |state| async move {
            let (event, mut job) = state?;
            let (line, more) = match event {
                Event::Line(line) => (go_json::to_line(&line), true),
                Event::Failed(failure) => (failure.line(), false),
                Event::Done => (go_json::to_line(&Progress::line("success")), false),
            };
            let rest = if more { Some((job.next().await, job)) } else { None };
            Some((Ok::<_, Infallible>(Bytes::from(line)), rest))
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
#[derive(Default)]
struct Journal {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    lines: VecDeque<Progress>,
    outcome: Option<Result<(), Failure>>,
}

impl Journal {
    fn push(&self, line: Progress) {
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

    fn finish(&self, outcome: Result<(), Failure>) {
        self.lock().outcome = Some(outcome);
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    async fn body(response: Response) -> String {
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn states_of_a_bar_are_merged_and_lines_are_kept() {
        let job = RunningJob::start(None, |report, _| {
            for step in ["one", "two"] {
                report(Progress::line(step));
                for completed in 1..=1000 {
                    report(Progress::bytes("work", completed, 1000));
                }
            }
            std::thread::sleep(Duration::from_millis(20));
            Ok(())
        });
        let text = body(job.answer_with_lines().await).await;
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], r#"{"status":"one"}"#);
        assert!(lines.contains(&r#"{"status":"two"}"#));
        assert_eq!(lines.last(), Some(&r#"{"status":"success"}"#));
        assert!(text.contains(r#""completed":1000"#));
        assert!(lines.len() < 12, "{} lines", lines.len());
    }

    #[tokio::test]
    async fn a_job_that_panics_fails_alone() {
        let job = RunningJob::start(None, |report, _| {
            report(Progress::line("about to fail"));
            panic!("a defect")
        });
        let text = body(job.answer_with_lines().await).await;
        assert!(text.lines().last().unwrap().starts_with(r#"{"error":"the job failed"#), "{text}");
    }

    #[tokio::test]
    async fn a_job_stops_when_nobody_listens() {
        let (ended, end) = tokio::sync::oneshot::channel();
        let job = RunningJob::start(None, move |report, stop| {
            while !stop.is_cancelled() {
                report(Progress::bytes("work", 1, 2));
                std::thread::sleep(Duration::from_millis(1));
            }
            let _ = ended.send(());
            Ok(())
        });
        drop(job.answer_with_lines().await);
        tokio::time::timeout(Duration::from_secs(1), end).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_job_waits_for_its_turn() {
        let turns = Arc::new(Semaphore::new(1));
        let taken = Arc::clone(&turns).acquire_owned().await.unwrap();
        let mut job = RunningJob::start(Some(turns), |_, _| Ok(()));
        assert!(matches!(job.next().await, Event::Line(line) if line.status.starts_with("waiting")));
        drop(taken);
        assert!(matches!(job.next().await, Event::Done));
    }
}
