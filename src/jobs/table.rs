//! Which jobs there are: those that are under way, and those that have ended lately.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::id::JobId;
use super::job::Job;
use super::past;
use super::summary::Summary;

/// A job by its identifier.
#[derive(Debug)]
pub enum Found {
    /// It runs, or waits for a turn.
    UnderWay(Arc<Job>),
    /// It has ended, or was interrupted.
    Ended(Box<Summary>),
}

/// All jobs by their identifiers.
pub(super) struct Table {
    under_way: HashMap<JobId, Arc<Job>>,
    /// The one that ended last is the last.
    ended: VecDeque<Summary>,
}

impl Table {
    /// No job is under way yet.
    pub(super) fn new(ended: Vec<Summary>) -> Self {
        Self { under_way: HashMap::new(), ended: ended.into() }
    }

    pub(super) fn under_way(&self) -> Vec<Arc<Job>> {
        self.under_way.values().cloned().collect()
    }

    /// Those that have ended lately, the last one last.
    pub(super) fn ended(&self) -> impl Iterator<Item = &Summary> {
        self.ended.iter()
    }

    pub(super) fn get(&self, id: JobId) -> Option<Found> {
        let under_way = self.under_way.get(&id).map(|job| Found::UnderWay(Arc::clone(job)));
        let ended = || self.ended().find(|job| job.id == id).cloned();
        under_way.or_else(|| ended().map(|summary| Found::Ended(Box::new(summary))))
    }

    /// A job is under way, which may have been interrupted before.
    pub(super) fn begin(&mut self, job: &Arc<Job>) {
        self.forget(job.id());
        self.under_way.insert(job.id(), Arc::clone(job));
    }

    /// A job has ended, perhaps again; answers with those that are told of no longer.
    pub(super) fn end(&mut self, summary: Summary) -> Vec<JobId> {
        self.under_way.remove(&summary.id);
        self.ended.push_back(summary);
        past::take_old(&mut self.ended)
    }

    /// A job that has ended is told of no longer.
    pub(super) fn forget(&mut self, id: JobId) {
        self.ended.retain(|job| job.id != id);
    }

    /// A job that was interrupted has failed, or its record is gone.
    pub(super) fn replace(&mut self, id: JobId, summary: Option<Summary>) {
        self.forget(id);
        self.ended.extend(summary);
    }
}
