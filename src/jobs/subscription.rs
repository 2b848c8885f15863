//! Somebody who follows a job, and for whose sake it goes on.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::event::Event;
use super::job::Job;
use super::log::{Contents, Outcome};

/// How often a reader is told how far something has come.
const TICK: Duration = Duration::from_millis(100);

/// A reader of a job's log. The job stops when its last one is dropped.
#[derive(Debug)]
pub struct Subscription {
    job: Arc<Job>,
    /// The number of the first event that has not been read.
    next: u64,
    /// Progress before this number is read without delay.
    burst: u64,
    last_tick: Option<Instant>,
}

/// What a reader is told.
#[derive(Debug)]
pub enum News {
    /// Something has happened.
    Event(Event),
    /// The job has ended.
    End(Outcome),
}

impl Subscription {
    /// Follows a job from the event with this number on: 0 for all that was said so far.
    pub fn from(job: Arc<Job>, next: u64) -> Self {
        job.followed();
        Self { job, next, burst: 0, last_tick: None }
    }

    /// The job that is followed.
    pub fn job(&self) -> &Arc<Job> {
        &self.job
    }

    /// The number of the next event; the last one that was told has the number before it, if none was
    /// replaced.
    pub fn position(&self) -> u64 {
        self.next
    }

    /// The next thing that happens. Progress is told in bursts, a tenth of a second apart.
    pub async fn next(&mut self) -> News {
        let job = Arc::clone(&self.job);
        loop {
            let changed = job.log().changed();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let due = match self.read(&job.log().lock()) {
                Ok(news) => return news,
                Err(due) => due,
            };
            match due {
                None => changed.await,
                Some(due) => tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep_until(due) => {}
                },
            }
        }
    }

    /// What can be told now, or when there may be more to tell even if nothing happens until then.
    fn read(&mut self, log: &Contents) -> Result<News, Option<Instant>> {
        let Some((number, event)) = log.first_from(self.next) else {
            return log.outcome.clone().map(News::End).ok_or(None);
        };
        // Somebody wants to hear what comes after it.
        let is_passed = log.told > number || log.outcome.is_some();
        if event.is_progress() && number >= self.burst && !is_passed {
            if let Some(due) = self.last_tick.map(|tick| tick + TICK).filter(|due| *due > Instant::now()) {
                return Err(Some(due));
            }
            self.last_tick = Some(Instant::now());
            self.burst = log.next;
        }
        self.next = number + 1;
        Ok(News::Event(event.clone()))
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.job.left();
    }
}
