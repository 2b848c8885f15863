//! Jobs: each waits for its turn, runs on a thread of its own, apart from the task of the connection that asked
//! for it, stops when nobody listens any more, and leaves a line in the log and its numbers in the metrics.

use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::errors::Failure;
use super::job_thread;
use super::memory;
use super::metrics::Metrics;
use super::stream::{Journal, RunningJob};
use super::turns::{Place, Turn, Turns};
use crate::config::{Limits, QUICK_JOBS};
use crate::create::{CreateError, Monitor, Phase, Progress, Usage};

/// Which jobs a job waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queue {
    /// Those that compute weights.
    Compute,
    /// Those that move models from or to registries.
    Transfer,
    /// Those that only write metadata.
    Quick,
}

impl Queue {
    pub(super) const ALL: [Self; 3] = [Self::Compute, Self::Transfer, Self::Quick];

    /// Its name in metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Compute => "compute",
            Self::Transfer => "transfer",
            Self::Quick => "quick",
        }
    }
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Succeeded,
    Failed,
    Cancelled,
}

impl Outcome {
    pub(super) const ALL: [Self; 3] = [Self::Succeeded, Self::Failed, Self::Cancelled];

    /// Its name in logs and metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What is known of a job before it runs.
#[derive(Debug)]
pub(super) struct Order {
    /// `create`, `pull` or `push`.
    pub(super) kind: &'static str,
    pub(super) model: String,
    pub(super) queue: Queue,
    /// What it has used already.
    pub(super) usage: Arc<Usage>,
}

/// All jobs of a server.
#[derive(Debug)]
pub(super) struct Jobs {
    queues: [Arc<Turns>; Queue::ALL.len()],
    metrics: Arc<Metrics>,
    tasks: TaskTracker,
    /// No job begins any more.
    closed: CancellationToken,
    /// Those that run stop.
    stopped: CancellationToken,
}

impl Jobs {
    pub(super) fn new(limits: &Limits, metrics: Arc<Metrics>) -> Self {
        let queues = Queue::ALL.map(|queue| {
            let running = match queue {
                Queue::Compute => limits.jobs,
                Queue::Transfer => limits.transfers,
                Queue::Quick => QUICK_JOBS,
            };
            Turns::new(running, limits.queue)
        });
        Self {
            queues,
            metrics,
            tasks: TaskTracker::new(),
            closed: CancellationToken::new(),
            stopped: CancellationToken::new(),
        }
    }

    /// How many jobs of a queue run, and how many wait.
    pub(super) fn counts(&self, queue: Queue) -> (usize, usize) {
        self.queues[queue as usize].counts()
    }

    /// Starts a job, which stops when the answer is dropped.
    pub(super) fn start<W>(&self, order: Order, work: W) -> Result<RunningJob, Failure>
    where
        W: FnOnce(Monitor<'_>) -> Result<(), CreateError> + Send + 'static,
    {
        let place = self.queues[order.queue as usize].join().map_err(|_| {
            Failure::unavailable("too many jobs are waiting; try again later").with_hint(
                "the operator sets OLLAMAKE_MAX_QUEUE, OLLAMAKE_MAX_JOBS and OLLAMAKE_MAX_TRANSFERS",
            )
        })?;
        let stop = self.stopped.child_token();
        let journal = Arc::new(Journal::default());
        let running = RunningJob::new(Arc::clone(&journal), stop.clone().drop_guard());
        let (closed, metrics) = (self.closed.clone(), Arc::clone(&self.metrics));
        let task = async move {
            let waited = wait(place, &journal, &order.usage, &stop, &closed);
            let (outcome, result) = match waited.await {
                None => (Outcome::Cancelled, Err(Failure::from(CreateError::Cancelled))),
                Some(_turn) => match run(work, &journal, &order.usage, &stop).await {
                    Ok(()) => (Outcome::Succeeded, Ok(())),
                    Err(failure) if stop.is_cancelled() => (Outcome::Cancelled, Err(failure)),
                    Err(failure) => (Outcome::Failed, Err(failure)),
                },
            };
            metrics.job_ended(order.kind, outcome, &order.usage);
            journal.finish(result.map_err(Failure::into_job_answer));
            log(&order, outcome);
        };
        self.tasks.spawn(task.in_current_span());
        Ok(running)
    }

    /// Lets no job begin any more; those that wait fail.
    pub(super) fn close(&self) {
        self.closed.cancel();
    }

    /// Cancels the jobs that run.
    pub(super) fn stop(&self) {
        self.stopped.cancel();
    }

    /// Completes when no job is left. It must have been closed.
    pub(super) async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Waits until the job may begin; it may not if nobody wants it any more.
async fn wait(
    place: Place,
    journal: &Journal,
    usage: &Usage,
    stop: &CancellationToken,
    closed: &CancellationToken,
) -> Option<Turn> {
    let start = Instant::now();
    let tell = |before: usize| {
        let jobs = if before == 1 { "job" } else { "jobs" };
        journal.push(Progress::line(format!("waiting for {before} other {jobs}")));
    };
    let turn = tokio::select! {
        biased;
        () = stop.cancelled() => None,
        () = closed.cancelled() => None,
        turn = place.turn(tell) => Some(turn),
    };
    usage.charge(Phase::Wait, start.elapsed());
    turn
}

/// Runs the job to its end on a thread of its own.
async fn run<W>(
    work: W,
    journal: &Arc<Journal>,
    usage: &Arc<Usage>,
    stop: &CancellationToken,
) -> Result<(), Failure>
where
    W: FnOnce(Monitor<'_>) -> Result<(), CreateError> + Send + 'static,
{
    let (journal, usage, stop) = (Arc::clone(journal), Arc::clone(usage), stop.clone());
    let span = tracing::Span::current();
    let ended = job_thread::spawn(move || {
        let report = |line| journal.push(line);
        span.in_scope(|| work(Monitor { report: &report, stop: &stop, usage: &usage }).map_err(Failure::from))
    });
    let ended = ended.map_err(|error| {
        tracing::error!(%error, "a job's thread could not be started");
        Failure::unavailable("the server has no thread left for the job; try again later")
    });
    ended?.await.unwrap_or_else(|_| {
        tracing::error!("a job panicked");
        Err(Failure::internal("the job failed because of a defect in the server; see its log"))
    })
}

/// One line that says what became of a job and what it took.
fn log(order: &Order, outcome: Outcome) {
    let usage = &order.usage;
    let seconds = |phase| (usage.spent(phase).as_secs_f64() * 1000.0).round() / 1000.0;
    let memory = memory::of_this_process();
    tracing::info!(
        kind = order.kind,
        model = order.model,
        outcome = outcome.name(),
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::response::Response;
    use http_body_util::BodyExt;

    use super::*;

    fn jobs(limits: Limits) -> Jobs {
        Jobs::new(&limits, Arc::default())
    }

    fn start(
        jobs: &Jobs,
        work: impl FnOnce(Monitor<'_>) -> Result<(), CreateError> + Send + 'static,
    ) -> Result<RunningJob, Failure> {
        let model = "m".to_owned();
        jobs.start(Order { kind: "create", model, queue: Queue::Compute, usage: Arc::default() }, work)
    }

    async fn body(response: Response) -> String {
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn states_of_a_bar_are_merged_and_lines_are_kept() {
        let job = start(&jobs(Limits::default()), |monitor| {
            for step in ["one", "two"] {
                monitor.tell(Progress::line(step));
                for completed in 1..=1000 {
                    monitor.tell(Progress::bytes("work", completed, 1000));
                }
            }
            std::thread::sleep(Duration::from_millis(20));
            Ok(())
        });
        let text = body(job.unwrap().answer_with_lines().await).await;
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], r#"{"status":"one"}"#);
        assert!(lines.contains(&r#"{"status":"two"}"#));
        assert_eq!(lines.last(), Some(&r#"{"status":"success"}"#));
        assert!(text.contains(r#""completed":1000"#));
        assert!(lines.len() < 12, "{} lines", lines.len());
    }

    /// Hostile input: `panicking-job`.
    #[tokio::test]
    async fn a_job_that_panics_fails_alone() {
        let jobs = jobs(Limits { jobs: 1, ..Limits::default() });
        let job = start(&jobs, |monitor| {
            monitor.tell(Progress::line("about to fail"));
            panic!("a defect")
        });
        let text = body(job.unwrap().answer_with_lines().await).await;
        assert!(text.lines().last().unwrap().starts_with(r#"{"error":"the job failed"#), "{text}");
        // Its turn has ended.
        let next = start(&jobs, |_| Ok(())).unwrap();
        assert_eq!(next.answer_once().await.status(), 200);
    }

    #[tokio::test]
    async fn a_job_stops_when_nobody_listens() {
        let (ended, end) = tokio::sync::oneshot::channel();
        let job = start(&jobs(Limits::default()), move |monitor| {
            while !monitor.stop.is_cancelled() {
                monitor.tell(Progress::bytes("work", 1, 2));
                std::thread::sleep(Duration::from_millis(1));
            }
            let _ = ended.send(());
            Ok(())
        });
        drop(job.unwrap().answer_with_lines().await);
        tokio::time::timeout(Duration::from_secs(1), end).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn jobs_wait_for_their_turn_and_too_many_are_refused() {
        let jobs = jobs(Limits { jobs: 1, queue: 1, ..Limits::default() });
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let first = start(&jobs, move |_| {
            let _ = ended.recv();
            Ok(())
        });
        while jobs.counts(Queue::Compute) != (1, 0) {
            tokio::task::yield_now().await;
        }
        let second = start(&jobs, |_| Ok(())).unwrap();
        let third = start(&jobs, |_| Ok(())).unwrap_err();
        assert_eq!(third.parts().0, 503);
        let mut lines = second.answer_with_lines().await.into_body();
        let line = lines.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(&line[..], b"{\"status\":\"waiting for 1 other job\"}\n");
        drop(end);
        let line = lines.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(&line[..], b"{\"status\":\"success\"}\n");
        drop(first);
    }

    #[tokio::test]
    async fn when_the_server_stops_waiting_jobs_fail_and_running_ones_are_cancelled() {
        let jobs = jobs(Limits { jobs: 1, ..Limits::default() });
        let first = start(&jobs, |monitor| {
            while !monitor.stop.is_cancelled() {
                std::thread::sleep(Duration::from_millis(1));
            }
            Err(CreateError::Cancelled)
        });
        while jobs.counts(Queue::Compute) != (1, 0) {
            tokio::task::yield_now().await;
        }
        let second = start(&jobs, |_| Ok(())).unwrap();
        jobs.close();
        assert_eq!(second.answer_once().await.status(), 503);
        jobs.stop();
        jobs.ended().await;
        assert_eq!(first.unwrap().answer_once().await.status(), 503);
    }
}
