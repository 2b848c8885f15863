//! What is known of one job.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::log::Log;
use super::state::{Kind, State};
use crate::create::{Stage, Usage};
use crate::locked::locked;
use crate::model::Name;

/// What tells a job from all others, also from those of other times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct JobId(u64);

impl JobId {
    pub(super) fn random() -> Self {
        Self(rand::random())
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:016x}", self.0)
    }
}

/// What a job is about.
#[derive(Debug, Clone)]
pub struct Order {
    /// What was asked for.
    pub kind: Kind,
    /// The model that it makes or moves.
    pub model: Name,
    /// Its account, which may have begun before it did.
    pub usage: Arc<Usage>,
}

/// A job, from the moment it was let in.
#[derive(Debug)]
pub struct Job {
    id: JobId,
    order: Order,
    asked: Instant,
    standing: Mutex<(State, Stage)>,
    log: Log,
    followers: AtomicUsize,
    stop: CancellationToken,
}

impl Job {
    pub(super) fn new(id: JobId, order: Order, stage: Stage, stop: CancellationToken) -> Self {
        Self {
            id,
            order,
            asked: Instant::now(),
            standing: Mutex::new((State::Queued, stage)),
            log: Log::default(),
            followers: AtomicUsize::new(0),
            stop,
        }
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
        self.asked.elapsed()
    }

    /// How it stands, and the stage that it is in, waits for, or ended in.
    pub fn standing(&self) -> (State, Stage) {
        *self.lock()
    }

    pub(super) fn stand(&self, state: State, stage: Stage) {
        let mut standing = self.lock();
        debug_assert!(!State::ENDED.contains(&standing.0), "a job that has ended stands still");
        *standing = (state, stage);
    }

    pub(super) fn log(&self) -> &Log {
        &self.log
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
            self.stop.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, (State, Stage)> {
        locked(&self.standing)
    }
}
