//! What is remembered of the records of jobs.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use super::stamp::Stamp;
use crate::locked::locked;
use crate::model::Digest;

/// How a job stands, as far as the store has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// It runs, or waits for that.
    UnderWay,
    /// Its process ended first. It may go on.
    Interrupted,
    /// It has ended for good.
    Over,
}

impl Mark {
    pub(super) const ALL: [Self; 3] = [Self::UnderWay, Self::Interrupted, Self::Over];

    /// What a line begins with.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::UnderWay => "under-way",
            Self::Interrupted => "interrupted",
            Self::Over => "over",
        }
    }
}

/// What is remembered of the records of jobs.
#[derive(Debug, Default)]
pub(super) struct JobMarks {
    /// Those of the jobs that this process runs.
    running: Mutex<HashSet<u64>>,
    pub(super) known: Mutex<HashMap<u64, Known>>,
}

/// What a record said when it was read last.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) stamp: Stamp,
    /// How the job stands; nothing if it was never durable that there is one.
    pub(super) mark: Option<Mark>,
    pub(super) digests: HashSet<Digest>,
}

impl JobMarks {
    /// This process runs a job.
    pub(super) fn run(&self, number: u64) {
        locked(&self.running).insert(number);
    }

    /// This process does not run it any more.
    pub(super) fn leave(&self, number: u64) {
        locked(&self.running).remove(&number);
    }

    /// Whether this process runs a job.
    pub(super) fn runs(&self, number: u64) -> bool {
        locked(&self.running).contains(&number)
    }
}
