//! What is known of one job.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use tokio_util::sync::CancellationToken;

use super::id::JobId;
use super::log::{Log, Outcome};
use super::record::Asked;
use super::recording::{Recording, request};
use super::state::{Kind, Standing, State};
use super::summary::Summary;
use crate::create::{Owed, Stage, Usage};
use crate::locked::locked;
use crate::model::{Digest, Name};
use crate::store::{Store, StoreError};

/// What a job is about.
#[derive(Debug, Clone)]
pub struct Order {
    /// What was asked for.
    pub kind: Kind,
    /// The model that it makes or moves.
    pub model: Name,
    /// The request as it was given, as JSON, but for what it says of the answer.
    pub request: String,
    /// Its account, which may have begun before it did.
    pub usage: Arc<Usage>,
}

/// A job, from the moment it was let in.
#[derive(Debug)]
pub struct Job {
    id: JobId,
    order: Order,
    asked: (Instant, SystemTime),
    standing: Mutex<Standing>,
    /// Why it failed. It is set before its state says that it has.
    error: OnceLock<String>,
    log: Log,
    followers: AtomicUsize,
    is_detached: AtomicBool,
    recording: Recording,
    stop: CancellationToken,
}

impl Job {
    /// A job that was asked for at this time.
    pub(super) fn new(
        id: JobId,
        order: Order,
        asked: SystemTime,
        stage: Stage,
        stop: CancellationToken,
    ) -> Self {
        Self {
            id,
            order,
            asked: (Instant::now(), asked),
            standing: Mutex::new(Standing { state: State::Queued, stage, began: None, ended: None }),
            error: OnceLock::new(),
            log: Log::default(),
            followers: AtomicUsize::new(0),
            is_detached: AtomicBool::new(false),
            recording: Recording::default(),
            stop,
        }
    }

    /// The same, which goes on without anybody who follows it, as if it followed itself.
    pub(super) fn detached(self) -> Self {
        self.detach();
        self
    }

    /// From now on it goes on without anybody who follows it.
    fn detach(&self) {
        if !self.is_detached.swap(true, Ordering::Relaxed) {
            self.followed();
        }
    }

    /// The same with a record that it goes on with.
    pub(super) fn recorded(self, recording: Recording) -> Self {
        Self { recording, ..self }
    }

    /// What it is called.
    pub fn id(&self) -> JobId {
        self.id
    }

    /// What it is about.
    pub fn order(&self) -> &Order {
        &self.order
    }

    /// The time since it was asked for.
    pub fn age(&self) -> Duration {
        self.asked.0.elapsed()
    }

    /// When it was asked for.
    pub fn asked(&self) -> SystemTime {
        self.asked.1
    }

    /// How it stands.
    pub fn standing(&self) -> Standing {
        *self.lock()
    }

    pub(super) fn stand(&self, state: State, stage: Stage) {
        let mut standing = self.lock();
        debug_assert!(!standing.state.is_end(), "a job that has ended stands still");
        (standing.state, standing.stage) = (state, stage);
        if state == State::Running {
            standing.began.get_or_insert_with(SystemTime::now);
        }
        if state.is_end() {
            standing.ended = Some(SystemTime::now());
        }
    }

    /// Has it end in this state.
    pub(super) fn conclude(&self, state: State, outcome: &Outcome) {
        if let Err(error) = outcome {
            self.error.get_or_init(|| error.to_string());
        }
        self.stand(state, self.standing().stage);
    }

    /// The number that its next event gets: a reader cannot begin beyond.
    pub fn next_event(&self) -> u64 {
        self.log.lock().next
    }

    /// Whether it goes on without anybody who follows it.
    pub fn is_detached(&self) -> bool {
        self.is_detached.load(Ordering::Relaxed)
    }

    /// What is told of it now.
    pub fn summary(&self) -> Summary {
        let Order { kind, model, usage, .. } = &self.order;
        Summary {
            id: self.id,
            kind: *kind,
            model: model.clone(),
            is_detached: self.is_detached(),
            asked: self.asked(),
            standing: self.standing(),
            bytes_in: usage.read(),
            bytes_out: usage.written(),
            warnings: usage.warnings(),
            events: self.next_event(),
            error: self.error.get().cloned(),
            products: usage.products(),
        }
    }

    /// Begins its record, durably.
    ///
    /// # Errors
    /// What the operating system says.
    pub(super) fn record_durably(&self, store: &Store, needs: &[Digest]) -> Result<(), StoreError> {
        self.recording.begin_durably(store, self.id, &self.asked_for(needs))
    }

    /// Has its record say what it needs; begins it if there is none.
    pub(super) fn note_needs(&self, store: &Store, needs: &[Digest]) {
        self.recording.note(store, self.id, needs, || self.asked_for(needs));
    }

    /// Has its record say, durably, that only these models are to be published still. The job goes on for
    /// that alone.
    pub(super) fn note_owed(&self, owed: &[Owed]) {
        if !owed.is_empty() {
            self.recording.note_owed(owed);
            self.detach();
        }
    }

    /// What its record says first.
    fn asked_for(&self, needs: &[Digest]) -> Asked {
        Asked {
            kind: self.order.kind,
            model: self.order.model.to_string(),
            asked: self.asked(),
            detached: self.is_detached(),
            request: request(&self.order.request),
            needs: needs.to_vec(),
        }
    }

    pub(super) fn recording(&self) -> &Recording {
        &self.recording
    }

    pub(super) fn log(&self) -> &Log {
        &self.log
    }

    /// Stops it, whoever follows it.
    pub fn cancel(&self) {
        self.stop.cancel();
    }

    /// Whether it is to stop.
    pub(super) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// One more follows it.
    pub(super) fn followed(&self) {
        self.followers.fetch_add(1, Ordering::Relaxed);
    }

    /// One who followed it is gone; nobody wants it any more if that was the last.
    pub(super) fn left(&self) {
        if self.followers.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        locked(&self.standing)
    }
}
