//! All jobs of a server.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use super::error::JobError;
use super::id::JobId;
use super::job::{Job, Order};
use super::log::Outcome;
use super::past::{self, Said, Unclaimed};
use super::run::{first_stage, run};
use super::state::State;
use super::subscription::{News, Subscription};
use super::summary::Summary;
use super::table::{Found, Table};
use super::thread::blocking;
use super::turns::{Place, QueueIsFull, Queues};
use super::work::Work;
use crate::config::RECORDED_LINES;
use crate::create::{CreateError, Stage};
use crate::locked::locked;
use crate::store::{Store, StoreError};

/// How many jobs there may be.
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    /// Stages that move models, at once; so many fetch or push, and so many publish.
    pub transfer: usize,
    /// Stages that compute weights, at once.
    pub compute: usize,
    /// Stages that only write metadata, at once.
    pub finish: usize,
    /// Jobs that wait for the turn of a stage.
    pub queue: usize,
}

/// Hears how a job has ended.
pub type Told = dyn Fn(&Job, &Outcome) + Send + Sync;

/// What jobs have others say for them.
pub struct Voice {
    /// The line that tells a reader something; an event has a number.
    pub line: fn(u64, &News) -> Vec<u8>,
    /// What is done when a job has ended, before its readers hear of it.
    pub ended: Box<Told>,
}

/// Why a job was not let in.
#[derive(Debug)]
pub enum Refusal {
    /// Too many wait for one of its stages.
    Full(QueueIsFull),
    /// It cannot be recorded, so nobody could count on it.
    Record(StoreError),
}

/// The jobs that are under way, and those that have ended lately.
pub struct Jobs {
    pub(super) shared: Arc<Shared>,
    tasks: TaskTracker,
    /// Those that are under way stop.
    stopped: CancellationToken,
}

pub(super) struct Shared {
    pub(super) queues: Queues,
    jobs: Mutex<Table>,
    pub(super) store: Store,
    voice: Voice,
    /// No job begins any more.
    closed: CancellationToken,
}

impl fmt::Debug for Jobs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Jobs").field("under_way", &self.list()).finish_non_exhaustive()
    }
}

impl Jobs {
    /// The jobs that a store has records of. What was under way in a process that is no more is interrupted.
    pub fn new(capacity: Capacity, store: Store, voice: Voice) -> Self {
        let running = |stage| match stage {
            Stage::Transfer | Stage::Publish => capacity.transfer,
            Stage::Compute => capacity.compute,
            Stage::Finish => capacity.finish,
        };
        let shared = Shared {
            queues: Queues::new(running, capacity.queue),
            jobs: Mutex::new(Table::new(past::load(&store))),
            store,
            voice,
            closed: CancellationToken::new(),
        };
        Self { shared: Arc::new(shared), tasks: TaskTracker::new(), stopped: CancellationToken::new() }
    }

    /// The jobs that are under way.
    pub fn list(&self) -> Vec<Arc<Job>> {
        self.shared.lock().under_way()
    }

    /// The jobs that have ended lately, the last one last.
    pub fn ended_lately(&self) -> Vec<Summary> {
        self.shared.lock().ended().cloned().collect()
    }

    /// A job that is under way or has ended lately.
    pub fn get(&self, id: JobId) -> Option<Found> {
        self.shared.lock().get(id)
    }

    /// What a job said that has ended. It blocks.
    ///
    /// # Errors
    /// What the operating system says about its record.
    pub fn said(&self, id: JobId) -> Result<Said, StoreError> {
        past::said(&self.shared.store, id)
    }

    /// Forgets a job that is not under way. It blocks.
    ///
    /// # Errors
    /// There is none, or it is under way.
    pub fn forget(&self, id: JobId) -> Result<(), Unclaimed> {
        match self.get(id) {
            None => return Err(Unclaimed::Missing(id)),
            Some(Found::UnderWay(job)) => return Err(Unclaimed::Stands(id, job.standing().state)),
            Some(Found::Ended(summary)) if summary.standing.state != State::Interrupted => {}
            // Another process may have it go on.
            Some(Found::Ended(_)) => match past::claim(&self.shared.store, id) {
                Ok(_) | Err(Unclaimed::Missing(_) | Unclaimed::Stands(..)) => {}
                Err(taken) => return Err(taken),
            },
        }
        self.shared.lock().forget(id);
        Ok(self.shared.store.remove_job_record(id.number())?)
    }

    /// Starts a job. It stops when its last subscription is dropped; the first is answered.
    ///
    /// # Errors
    /// Too many wait for one of its stages.
    pub fn start(&self, order: Order, work: impl Work) -> Result<Subscription, QueueIsFull> {
        let place = self.shared.queues.enter(&work.stages())?;
        let work: Box<dyn Work> = Box::new(work);
        let job = Job::new(JobId::random(), order, SystemTime::now(), first_stage(&*work), self.token());
        let job = Arc::new(job);
        let subscription = Subscription::from(Arc::clone(&job), 0);
        self.set_to(job, work, place);
        Ok(subscription)
    }

    /// Starts a job that goes on without anybody who follows it, also in a later process.
    ///
    /// # Errors
    /// Too many wait for one of its stages, or it cannot be recorded.
    pub async fn start_detached(&self, order: Order, work: impl Work) -> Result<Arc<Job>, Refusal> {
        let place = self.shared.queues.enter(&work.stages()).map_err(Refusal::Full)?;
        let work: Box<dyn Work> = Box::new(work);
        let needs = work.needs();
        let job = Job::new(JobId::random(), order, SystemTime::now(), first_stage(&*work), self.token());
        let job = Arc::new(job.detached());
        let (recorded, store) = (Arc::clone(&job), self.shared.store.clone());
        blocking(move || recorded.record_durably(&store, &needs)).await.map_err(Refusal::Record)?;
        self.set_to(Arc::clone(&job), work, place);
        Ok(job)
    }

    /// Lets no job begin any more; those that have not begun fail.
    pub fn close(&self) {
        self.shared.closed.cancel();
    }

    /// Stops the jobs that are under way.
    pub fn stop(&self) {
        // What they have made so far is kept for the time when they go on.
        self.list().iter().for_each(|job| job.recording().give_up());
        self.stopped.cancel();
    }

    /// Completes when no job is left. It must have been closed.
    pub async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    pub(super) fn token(&self) -> CancellationToken {
        self.stopped.child_token()
    }

    /// Sets a job to its work.
    pub(super) fn set_to(&self, job: Arc<Job>, work: Box<dyn Work>, place: Place) {
        let (shared, stopped) = (Arc::clone(&self.shared), self.stopped.clone());
        shared.lock().begin(&job);
        let task = async move {
            let result = run(&job, work, place, &shared.queues, &shared.closed, &shared.store).await;
            let state = match &result {
                Ok(()) => State::Succeeded,
                Err(_) if stopped.is_cancelled() => State::Interrupted,
                Err(_) if job.stop().is_cancelled() => State::Stopped,
                // Nobody stopped it: it may not begin any more.
                Err(JobError::Create(CreateError::Cancelled)) => State::Interrupted,
                Err(_) => State::Failed,
            };
            let outcome = result.map_err(Arc::new);
            job.conclude(state, &outcome);
            (shared.voice.ended)(&job, &outcome);
            let (ending, ended) = (Arc::clone(&job), outcome.clone());
            blocking(move || shared.end(&ending, &ended)).await;
            job.log().end(outcome);
        };
        self.tasks.spawn(task.in_current_span());
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Table> {
        locked(&self.jobs)
    }

    /// A job has ended: it is recorded, and told of as one that has.
    fn end(&self, job: &Job, outcome: &Outcome) {
        let summary = job.summary();
        let line = |number, news: &News| {
            String::from_utf8_lossy(&(self.voice.line)(number, news)).trim_end().to_owned()
        };
        let events = job.log().lock().last(RECORDED_LINES);
        let said = events.into_iter().map(|(number, event)| (number, line(number, &News::Event(event))));
        let last = line(summary.events, &News::End(outcome.clone()));
        // One that never began has none yet.
        job.note_needs(&self.store, &[]);
        job.recording().end(&summary, said.collect(), last);
        let gone = self.lock().end(summary);
        for id in gone {
            if let Err(error) = self.store.remove_job_record(id.number()) {
                tracing::debug!(job = %id, %error, "the record of an old job stays");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::create::{self, Action, Monitor};
    use crate::jobs::{Event, Kind, Once};

    const ONE: Capacity = Capacity { transfer: 1, compute: 1, finish: 1, queue: 1 };

    /// Jobs on a store of their own, and its directory.
    struct Own {
        jobs: Jobs,
        _directory: tempfile::TempDir,
    }

    impl std::ops::Deref for Own {
        type Target = Jobs;

        fn deref(&self) -> &Jobs {
            &self.jobs
        }
    }

    fn voice(ended: impl Fn(&Job, &Outcome) + Send + Sync + 'static) -> Voice {
        let line = |number, news: &News| format!("{number} {news:?}").into_bytes();
        Voice { line, ended: Box::new(ended) }
    }

    fn jobs_with(capacity: Capacity, ended: impl Fn(&Job, &Outcome) + Send + Sync + 'static) -> Own {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        Own { jobs: Jobs::new(capacity, store, voice(ended)), _directory: directory }
    }

    fn jobs(capacity: Capacity) -> Own {
        jobs_with(capacity, |_, _| ())
    }

    fn order() -> Order {
        let (model, request) = ("m".parse().unwrap(), "{}".to_owned());
        Order { kind: Kind::Create, model, request, usage: Arc::default() }
    }

    fn start(
        jobs: &Jobs,
        work: impl FnOnce(Monitor<'_>) -> Result<(), CreateError> + Send + 'static,
    ) -> Result<Subscription, QueueIsFull> {
        jobs.start(order(), Once { stage: Stage::Compute, work })
    }

    fn making(completed: u64) -> create::Event {
        create::Event::Making { action: Action::Joining, completed, total: 1000 }
    }

    fn warning(text: &str) -> create::Event {
        create::Event::Warning(text.to_owned())
    }

    /// Everything that is left to read.
    async fn read(subscription: &mut Subscription) -> (Vec<Event>, Outcome) {
        let mut events = Vec::new();
        loop {
            match subscription.next().await {
                News::Event(event) => events.push(event),
                News::End(outcome) => return (events, outcome),
            }
        }
    }

    async fn until(jobs: &Jobs, standing: &[(State, Stage)]) {
        let is_so = || {
            let mut now: Vec<_> =
                jobs.list().iter().map(|job| (job.standing().state, job.standing().stage)).collect();
            now.sort_by_key(|(state, stage)| (stage.name(), state.name()));
            now == standing
        };
        let wait = async {
            while !is_so() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), wait).await.expect("it comes to that");
    }

    /// Runs until it is stopped.
    fn endless(monitor: Monitor<'_>) -> Result<(), CreateError> {
        while !monitor.stop.is_cancelled() {
            monitor.tell(making(1));
            std::thread::sleep(Duration::from_millis(1));
        }
        Err(CreateError::Cancelled)
    }

    /// Work of two stages, each of which ends when it is told to.
    struct Two(Vec<mpsc::Receiver<()>>);

    impl Work for Two {
        fn stages(&self) -> Vec<Stage> {
            Stage::ALL[2 - self.0.len()..2].to_vec()
        }

        fn advance(mut self: Box<Self>, _: Monitor<'_>) -> Result<Option<Box<dyn Work>>, CreateError> {
            let _ = self.0.remove(0).recv();
            Ok(if self.0.is_empty() { None } else { Some(self) })
        }
    }

    #[tokio::test]
    async fn progress_is_collapsed_for_a_reader_and_the_rest_is_kept() {
        let mut job = start(&jobs(ONE), |monitor| {
            for text in ["one", "two"] {
                monitor.tell(warning(text));
                (1..=1000).for_each(|completed| monitor.tell(making(completed)));
            }
            Ok(())
        });
        let (events, outcome) = read(job.as_mut().unwrap()).await;
        assert!(outcome.is_ok());
        assert_eq!(events[0], Event::Work(warning("one")));
        assert!(events.contains(&Event::Work(warning("two"))));
        assert_eq!(events.last(), Some(&Event::Work(making(1000))));
        assert!(events.len() < 12, "{events:?}");
    }

    /// Hostile input: `panicking-job`.
    #[tokio::test]
    async fn a_job_that_panics_fails_alone() {
        let jobs = jobs(ONE);
        let mut job = start(&jobs, |_| panic!("a defect")).unwrap();
        assert!(matches!(&*read(&mut job).await.1.unwrap_err(), JobError::Defect));
        // Its turn has ended.
        assert!(read(&mut start(&jobs, |_| Ok(())).unwrap()).await.1.is_ok());
    }

    #[tokio::test]
    async fn a_job_stops_when_its_last_reader_goes() {
        let (told, end) = mpsc::channel();
        let jobs = jobs_with(ONE, move |job, _| told.send(job.standing().state).unwrap());
        let first = start(&jobs, endless).unwrap();
        until(&jobs, &[(State::Running, Stage::Compute)]).await;
        let mut second = Subscription::from(Arc::clone(&jobs.list()[0]), 0);
        drop(first);
        assert!(matches!(second.next().await, News::Event(_)));
        assert!(end.try_recv().is_err());
        drop(second);
        let ended = tokio::task::spawn_blocking(move || end.recv_timeout(Duration::from_secs(1)));
        assert_eq!(ended.await.unwrap(), Ok(State::Stopped));
    }

    #[tokio::test]
    async fn many_readers_read_the_same_at_their_own_pace() {
        let jobs = jobs(ONE);
        let (go, gone) = mpsc::channel::<()>();
        let first = start(&jobs, move |monitor| {
            let _ = gone.recv();
            (0..20_000).for_each(|completed| monitor.tell(making(completed)));
            monitor.tell(warning("the last"));
            Ok(())
        });
        until(&jobs, &[(State::Running, Stage::Compute)]).await;
        let job = Arc::clone(&jobs.list()[0]);
        let mut readers: Vec<_> = (0..50).map(|_| Subscription::from(Arc::clone(&job), 0)).collect();
        go.send(()).unwrap();
        for reader in &mut readers {
            let (events, outcome) = read(reader).await;
            assert_eq!(events.last(), Some(&Event::Work(warning("the last"))));
            assert!(events.len() < 100 && outcome.is_ok());
        }
        drop(first);
    }

    #[tokio::test]
    async fn jobs_wait_for_their_turn_and_too_many_are_refused() {
        let jobs = jobs(ONE);
        let (end, ended) = mpsc::channel::<()>();
        let first = start(&jobs, move |_| {
            let _ = ended.recv();
            Ok(())
        });
        until(&jobs, &[(State::Running, Stage::Compute)]).await;
        let mut second = start(&jobs, |_| Ok(())).unwrap();
        assert_eq!(start(&jobs, |_| Ok(())).unwrap_err(), QueueIsFull);
        let News::Event(event) = second.next().await else { panic!("it has to wait") };
        assert_eq!(event, Event::Waiting { others: 1 });
        drop(end);
        let (events, outcome) = read(&mut second).await;
        assert!(events.is_empty() && outcome.is_ok());
        drop(first);
    }

    #[tokio::test]
    async fn each_stage_takes_its_own_turn() {
        let jobs = jobs(ONE);
        let (first_ends, first) = mpsc::channel();
        let (second_ends, second) = mpsc::channel();
        let mut moving = jobs.start(order(), Two(vec![first, second])).unwrap();
        until(&jobs, &[(State::Running, Stage::Transfer)]).await;
        // While it moves, another computes.
        let (end, ended) = mpsc::channel::<()>();
        let mut computing = start(&jobs, move |_| {
            let _ = ended.recv();
            Ok(())
        });
        until(&jobs, &[(State::Running, Stage::Compute), (State::Running, Stage::Transfer)]).await;
        // Then it waits for the one that computes, and not with it.
        drop(first_ends);
        until(&jobs, &[(State::Queued, Stage::Compute), (State::Running, Stage::Compute)]).await;
        drop(end);
        assert!(read(computing.as_mut().unwrap()).await.1.is_ok());
        until(&jobs, &[(State::Running, Stage::Compute)]).await;
        drop(second_ends);
        assert_eq!(read(&mut moving).await.0, [Event::Waiting { others: 1 }]);
    }

    #[tokio::test]
    async fn when_the_server_stops_jobs_that_wait_and_jobs_that_run_are_interrupted() {
        let (told, states) = mpsc::channel();
        let jobs = jobs_with(ONE, move |job, _| told.send(job.standing().state).unwrap());
        let mut first = start(&jobs, endless).unwrap();
        until(&jobs, &[(State::Running, Stage::Compute)]).await;
        let mut second = start(&jobs, |_| Ok(())).unwrap();
        jobs.close();
        assert!(read(&mut second).await.1.is_err());
        jobs.stop();
        jobs.ended().await;
        assert!(read(&mut first).await.1.is_err());
        assert_eq!([states.recv(), states.recv()], [Ok(State::Interrupted); 2]);
        assert!(jobs.list().is_empty());
    }
}
