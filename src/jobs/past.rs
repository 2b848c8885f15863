//! Jobs that this process does not run: those that have ended, in whatever process, and those that were
//! interrupted.

use std::collections::VecDeque;
use std::time::SystemTime;

use super::id::JobId;
use super::record::{Asked, Contents, Ended};
use super::state::{Kind, State};
use super::summary::Summary;
use crate::config::RECORDED_JOBS;
use crate::create::Owed;
use crate::model::{Digest, go_json};
use crate::store::{JobRecord, Mark, RECORDS_KEPT, RecordLine, Store, StoreError};

/// What a job said that has ended.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// The request as it was given, as JSON.
    pub request: String,
    /// The lines, with the numbers of their events.
    pub lines: Vec<(u64, String)>,
    /// The line that told how it ended; empty if it did not come to that.
    pub last: String,
}

/// An interrupted job, which nobody else can have go on as long as this lives.
#[derive(Debug)]
pub struct Claimed {
    pub(super) id: JobId,
    pub(super) record: JobRecord,
    pub(super) asked: Asked,
    owed: Vec<Owed>,
}

/// Why a job cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Unclaimed {
    /// There is no such job, or it ended long ago.
    #[error("there is no job {0}, or it ended long ago")]
    Missing(JobId),
    /// It goes on already, or has ended for good.
    #[error("job {0} is {state}; only a job that was interrupted can go on", state = .1.name())]
    Stands(JobId, State),
    /// Another process runs it, or somebody else just has it go on.
    #[error("job {0} is on its way already, perhaps in another process")]
    Taken(JobId),
    /// Its record cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Claimed {
    /// What it is called.
    pub fn id(&self) -> JobId {
        self.id
    }

    /// What was asked for.
    pub fn kind(&self) -> Kind {
        self.asked.kind
    }

    /// The request as it was given.
    pub fn request(&self) -> &str {
        self.asked.request.get()
    }

    /// The models that are there already and only have to be published; none if it did not come to that.
    pub fn owed(&self) -> &[Owed] {
        &self.owed
    }

    /// What the record says that the job needs.
    pub(super) fn needs(&self) -> &[Digest] {
        &self.asked.needs
    }

    /// Whether it had begun something that is not among what it needs now.
    pub(super) fn has_begun_other(&self, needs: &[Digest], store: &Store) -> bool {
        let mut others = self.needs().iter().filter(|digest| !needs.contains(digest));
        others.any(|recipe| store.present_of(*recipe) > 0)
    }

    /// Ends it: it cannot go on.
    pub(super) fn fail(mut self, error: String, last: String) -> Option<Summary> {
        let contents = Contents { asked: self.asked, owed: self.owed, ended: None };
        let mut summary = contents.summary(self.id)?;
        (summary.standing.state, summary.error) = (State::Failed, Some(error));
        let ended = go_json::to_string(&Ended::of(&summary, Vec::new(), last));
        let noted = self.record.append(Mark::Over, &ended).and_then(|()| self.record.sync());
        if let Err(error) = noted {
            tracing::warn!(job = %self.id, %error, "that a job failed is not recorded");
        }
        Some(summary)
    }
}

/// The jobs that a store has records of and no process runs, the one that ended last as the last. Those that
/// were under way in a process that is no more are noted as interrupted.
pub(super) fn load(store: &Store) -> Vec<Summary> {
    let numbers = store.job_records().unwrap_or_else(|error| {
        tracing::warn!(%error, "the records of jobs cannot be listed");
        Vec::new()
    });
    let mut found: Vec<Summary> = Vec::new();
    for number in numbers {
        let id = JobId::of_number(number);
        match look(store, id) {
            Ok(summary) => found.extend(summary),
            Err(error) => tracing::warn!(job = %id, %error, "the record of a job cannot be read"),
        }
    }
    found.sort_by_key(|summary| summary.standing.ended);
    found
}

/// The job of a record, unless a process runs it.
fn look(store: &Store, id: JobId) -> Result<Option<Summary>, StoreError> {
    let Some(lines) = store.read_job_record(id.number())? else { return Ok(None) };
    if lines.last().is_some_and(|line| line.mark != Mark::UnderWay) {
        return Ok(Contents::parse(&lines).and_then(|contents| contents.summary(id)));
    }
    let Some((mut record, lines)) = store.claim_job_record(id.number())? else { return Ok(None) };
    if lines.is_empty() {
        // Nothing was promised in it.
        store.remove_job_record(id.number())?;
        return Ok(None);
    }
    let Some(summary) = Contents::parse(&lines).and_then(|contents| contents.summary(id)) else {
        return Ok(None);
    };
    if lines.last().is_some_and(|line| line.mark == Mark::UnderWay) {
        let ended = Ended::of(&summary, Vec::new(), String::new());
        record.append(Mark::Interrupted, &go_json::to_string(&ended))?;
    }
    Ok(Some(summary))
}

/// Takes an interrupted job for oneself.
pub(super) fn claim(store: &Store, id: JobId) -> Result<Claimed, Unclaimed> {
    if store.read_job_record(id.number())?.is_none() {
        return Err(Unclaimed::Missing(id));
    }
    let (record, lines) = store.claim_job_record(id.number())?.ok_or(Unclaimed::Taken(id))?;
    let Contents { asked, owed, ended } = Contents::parse(&lines).ok_or(Unclaimed::Missing(id))?;
    match ended {
        Some(Ended { state, .. }) if state != State::Interrupted => Err(Unclaimed::Stands(id, state)),
        _ => Ok(Claimed { id, record, asked, owed }),
    }
}

/// What a job said that has ended.
pub(super) fn said(store: &Store, id: JobId) -> Result<Said, StoreError> {
    let lines: Vec<RecordLine> = store.read_job_record(id.number())?.unwrap_or_default();
    let Some(Contents { asked, ended, .. }) = Contents::parse(&lines) else { return Ok(Said::default()) };
    let request = asked.request.get().to_owned();
    Ok(match ended {
        Some(Ended { said, last, .. }) => Said { request, lines: said, last },
        None => Said { request, ..Said::default() },
    })
}

/// Takes those out of the list that are not told of any longer; `ended` is in the order of the ends. What was
/// interrupted may go on, so it counts by its age alone.
pub(super) fn take_old(ended: &mut VecDeque<Summary>) -> Vec<JobId> {
    let now = SystemTime::now();
    let mut over = ended.iter().filter(|job| job.standing.state != State::Interrupted).count();
    let mut taken = Vec::new();
    ended.retain(|job| {
        let age = job.standing.ended.and_then(|ended| now.duration_since(ended).ok());
        let is_over = job.standing.state != State::Interrupted;
        let goes = age.is_some_and(|age| age > RECORDS_KEPT) || (is_over && over > RECORDED_JOBS);
        if goes {
            over -= usize::from(is_over);
            taken.push(job.id);
        }
        !goes
    });
    taken
}
