//! What is known of one job.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use tokio_util::sync::CancellationToken;

use super::log::{Log, Outcome};
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

/// A text that no job is called by.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{got:?} is no job: expected 16 hex digits")]
pub struct InvalidJobId {
    /// The text.
    pub got: String,
}

impl FromStr for JobId {
    type Err = InvalidJobId;

    fn from_str(text: &str) -> Result<Self, InvalidJobId> {
        let is_id = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let number = u64::from_str_radix(text, 16).ok().filter(|_| is_id);
        number.map(Self).ok_or_else(|| InvalidJobId { got: text.chars().take(64).collect() })
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
    asked: (Instant, SystemTime),
    standing: Mutex<Standing>,
    log: Log,
    followers: AtomicUsize,
    is_detached: AtomicBool,
    stop: CancellationToken,
}

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// What it does.
    pub state: State,
    /// The stage that it is in, waits for, or ended in.
    pub stage: Stage,
    /// When its first stage began.
    pub began: Option<SystemTime>,
    /// When it ended.
    pub ended: Option<SystemTime>,
}

impl Job {
    pub(super) fn new(id: JobId, order: Order, stage: Stage, stop: CancellationToken) -> Self {
        Self {
            id,
            order,
            asked: (Instant::now(), SystemTime::now()),
            standing: Mutex::new(Standing { state: State::Queued, stage, began: None, ended: None }),
            log: Log::default(),
            followers: AtomicUsize::new(0),
            is_detached: AtomicBool::new(false),
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

    /// How it ended, if it has.
    pub fn outcome(&self) -> Option<Outcome> {
        self.log.lock().outcome.clone()
    }

    /// The number that its next event gets: a reader cannot begin beyond.
    pub fn next_event(&self) -> u64 {
        self.log.lock().next
    }

    /// Whether it goes on without anybody who follows it.
    pub fn is_detached(&self) -> bool {
        self.is_detached.load(Ordering::Relaxed)
    }

    /// Lets it go on without anybody who follows it.
    pub(super) fn detach(&self) {
        if !self.is_detached.swap(true, Ordering::Relaxed) {
            self.followed();
        }
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
