//! Jobs that go on after they were interrupted.

use std::sync::Arc;

use super::event::Event;
use super::id::JobId;
use super::job::{Job, Order};
use super::jobs::Jobs;
use super::past::{self, Claimed, Unclaimed};
use super::recording::Recording;
use super::run::first_stage;
use super::state::State;
use super::summary::Summary;
use super::table::Found;
use super::thread::blocking;
use super::work::Work;
use crate::create;
use crate::store::StoreError;

impl Jobs {
    /// The detached jobs that were interrupted, the one first that was asked for first.
    pub fn to_go_on(&self) -> Vec<JobId> {
        let table = self.shared.lock();
        let goes_on = |job: &&Summary| job.is_detached && job.standing.state == State::Interrupted;
        let mut jobs: Vec<_> = table.ended().filter(goes_on).collect();
        jobs.sort_by_key(|job| job.asked);
        jobs.iter().map(|job| job.id).collect()
    }

    /// Takes an interrupted job, so that nobody else has it go on. It blocks.
    ///
    /// # Errors
    /// There is none that could go on.
    pub fn claim(&self, id: JobId) -> Result<Claimed, Unclaimed> {
        match self.get(id) {
            Some(Found::UnderWay(job)) => Err(Unclaimed::Stands(id, job.standing().state)),
            _ => past::claim(&self.shared.store, id),
        }
    }

    /// Has a job go on that was interrupted, without anybody who follows it. It was let in before, so it is
    /// not turned away.
    ///
    /// # Errors
    /// That it goes on cannot be recorded.
    pub async fn go_on(
        &self,
        claimed: Claimed,
        order: Order,
        work: Box<dyn Work>,
    ) -> Result<Arc<Job>, StoreError> {
        let (id, asked, stage) = (claimed.id, claimed.asked.asked, first_stage(&*work));
        let (needs, store) = (work.needs(), self.shared.store.clone());
        let (recording, is_lost) = blocking(move || {
            let is_lost = claimed.has_begun_other(&needs, &store);
            Recording::go_on(claimed, &needs).map(|recording| (recording, is_lost))
        })
        .await?;
        let job = Job::new(id, order, asked, stage, self.token()).detached().recorded(recording);
        let job = Arc::new(job);
        if is_lost {
            let reason = "what it is made of has changed since it was interrupted";
            job.log().push(Event::Work(create::Event::BeginningAnew { reason }));
        }
        let place = self.shared.queues.of(stage).join_again();
        self.set_to(Arc::clone(&job), work, place);
        Ok(job)
    }

    /// Ends an interrupted job that cannot go on, with the line that says so. It blocks.
    pub fn fail(&self, claimed: Claimed, error: String, line: String) {
        let id = claimed.id();
        let summary = claimed.fail(error, line);
        self.shared.lock().replace(id, summary);
    }
}
