//! How a job goes from stage to stage.

use std::sync::Arc;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::error::JobError;
use super::event::Event;
use super::job::Job;
use super::state::State;
use super::thread;
use super::turns::{Place, Queues, Turn};
use super::work::Work;
use crate::create::{CreateError, Monitor, Phase, Stage};
use crate::store::Store;

/// Does all the work of a job, whose first stage has a place in its queue. No job that has not begun begins
/// any more when `closed`; one that has begun goes on until it is stopped.
pub(super) async fn run(
    job: &Arc<Job>,
    mut work: Box<dyn Work>,
    mut place: Place,
    queues: &Queues,
    closed: &CancellationToken,
    store: &Store,
) -> Result<(), JobError> {
    let begun = CancellationToken::new();
    let mut closed = closed;
    loop {
        let stage = first_stage(&*work);
        let Some(turn) = wait(job, place, closed).await else {
            give_up(work).await;
            return Err(CreateError::Cancelled.into());
        };
        closed = &begun;
        job.stand(State::Running, stage);
        let rest = advance(job, work, store).await;
        drop(turn);
        match rest? {
            None => return Ok(()),
            Some(rest) => work = rest,
        }
        let next = first_stage(&*work);
        job.stand(State::Queued, next);
        place = queues.of(next).join_again();
    }
}

/// The stage that comes next.
pub(super) fn first_stage(work: &dyn Work) -> Stage {
    work.stages().first().copied().unwrap_or(Stage::Finish)
}

/// Waits until a stage may begin; it may not if nobody wants the job any more.
async fn wait(job: &Job, place: Place, closed: &CancellationToken) -> Option<Turn> {
    let start = Instant::now();
    let tell = |others| job.log().push(Event::Waiting { others });
    let turn = tokio::select! {
        biased;
        () = job.stop().cancelled() => None,
        () = closed.cancelled() => None,
        turn = place.turn(tell) => Some(turn),
    };
    job.order().usage.charge(Phase::Wait, start.elapsed());
    turn
}

/// Does a stage to its end on a thread of its own.
async fn advance(
    job: &Arc<Job>,
    work: Box<dyn Work>,
    store: &Store,
) -> Result<Option<Box<dyn Work>>, JobError> {
    let span = tracing::Span::current();
    let (job, store) = (Arc::clone(job), store.clone());
    let ended = thread::spawn(move || {
        job.note_needs(&store, &work.needs());
        let report = |event| {
            let event = Event::Work(event);
            event.blob().into_iter().for_each(|digest| job.recording().note_one(digest));
            job.log().push(event);
        };
        let monitor = Monitor { report: &report, stop: job.stop(), usage: &job.order().usage };
        let rest = span.in_scope(|| work.advance(monitor));
        if let Ok(Some(rest)) = &rest {
            job.note_owed(rest.owed());
        }
        rest
    });
    let ended = ended.map_err(|error| {
        tracing::error!(%error, "a job's thread could not be started");
        JobError::NoThread
    });
    let rest = ended?.await.map_err(|_| {
        tracing::error!("a job panicked");
        JobError::Defect
    });
    Ok(rest??)
}

/// Removes what the stages before have made, which takes the disk's time.
async fn give_up(work: Box<dyn Work>) {
    if tokio::task::spawn_blocking(move || drop(work)).await.is_err() {
        tracing::error!("what a job has made could not be removed");
    }
}
