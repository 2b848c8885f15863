//! The record of a job that this process runs.
//!
//! A job is recorded when its first stage begins; one that is detached before anybody is told that it is, and
//! then durably, since its client counts on it. Other jobs are not synced: with a loss of power their
//! clients go as well. What cannot be recorded runs all the same, if somebody follows it.

use std::collections::HashSet;
use std::sync::Mutex;

use serde_json::value::RawValue;

use super::id::JobId;
use super::past::Claimed;
use super::record::{Asked, Ended, Further};
use super::state::State;
use super::summary::Summary;
use crate::create::Owed;
use crate::locked::locked;
use crate::model::{Digest, go_json};
use crate::store::{JobRecord, Mark, Store, StoreError};

/// The record of a job, once there is one.
#[derive(Debug, Default)]
pub(super) struct Recording(Mutex<Option<Recorded>>);

#[derive(Debug)]
struct Recorded {
    record: JobRecord,
    /// What the record says that the job needs.
    needs: HashSet<Digest>,
}

impl Recording {
    /// That of a job which goes on without anybody who follows it, durably.
    ///
    /// # Errors
    /// What the operating system says.
    pub(super) fn go_on(claimed: Claimed, needs: &[Digest]) -> Result<Self, StoreError> {
        let mut noted: HashSet<Digest> = claimed.needs().iter().copied().collect();
        let needs = needs.iter().copied().filter(|digest| noted.insert(*digest)).collect();
        let mut record = claimed.record;
        record.append(
            Mark::UnderWay,
            &go_json::to_string(&Further { needs, detached: true, ..Further::default() }),
        )?;
        record.sync()?;
        Ok(Self(Mutex::new(Some(Recorded { record, needs: noted }))))
    }

    /// Begins the record of a job, durably.
    ///
    /// # Errors
    /// What the operating system says.
    pub(super) fn begin_durably(&self, store: &Store, id: JobId, asked: &Asked) -> Result<(), StoreError> {
        let recorded = Recorded::begin(store, id, asked)?;
        recorded.record.sync()?;
        *locked(&self.0) = Some(recorded);
        Ok(())
    }

    /// Has the record say what the job needs; begins it if there is none.
    pub(super) fn note(&self, store: &Store, id: JobId, needs: &[Digest], asked: impl FnOnce() -> Asked) {
        let mut recorded = locked(&self.0);
        let noted = match &mut *recorded {
            Some(recorded) => recorded.note(needs),
            none => Recorded::begin(store, id, &asked()).map(|begun| *none = Some(begun)),
        };
        drop(recorded);
        tell(noted);
    }

    /// Has the record say that the job needs one thing more, if there is a record.
    pub(super) fn note_one(&self, digest: Digest) {
        let noted = locked(&self.0).as_mut().map_or(Ok(()), |recorded| recorded.note(&[digest]));
        tell(noted);
    }

    /// Has the record say, durably, that only these models are to be published still.
    pub(super) fn note_owed(&self, owed: &[Owed]) {
        let further = Further { detached: true, owed: owed.to_vec(), ..Further::default() };
        let note = |recorded: &mut Recorded| {
            recorded.record.append(Mark::UnderWay, &go_json::to_string(&further))?;
            recorded.record.sync()
        };
        tell(locked(&self.0).as_mut().map_or(Ok(()), note));
    }

    /// The process may not bring the job to its end.
    pub(super) fn give_up(&self) {
        if let Some(recorded) = &*locked(&self.0) {
            recorded.record.give_up();
        }
    }

    /// Ends the record. It is durable if somebody may count on it without having heard of it.
    pub(super) fn end(&self, summary: &Summary, said: Vec<(u64, String)>, last: String) {
        let Some(Recorded { mut record, .. }) = locked(&self.0).take() else { return };
        let mark = match summary.standing.state {
            State::Interrupted => Mark::Interrupted,
            _ => Mark::Over,
        };
        let text = go_json::to_string(&Ended::of(summary, said, last));
        let ended = record.append(mark, &text);
        let is_counted_on = summary.is_detached;
        tell(ended.and_then(|()| if is_counted_on { record.sync() } else { Ok(()) }));
    }
}

impl Recorded {
    fn begin(store: &Store, id: JobId, asked: &Asked) -> Result<Self, StoreError> {
        let record = store.create_job_record(id.number(), &go_json::to_string(asked))?;
        Ok(Self { record, needs: asked.needs.iter().copied().collect() })
    }

    fn note(&mut self, needs: &[Digest]) -> Result<(), StoreError> {
        let new = needs.iter().copied().filter(|digest| self.needs.insert(*digest));
        let further = Further { needs: new.collect(), ..Further::default() };
        match further.needs.is_empty() {
            true => Ok(()),
            false => self.record.append(Mark::UnderWay, &go_json::to_string(&further)),
        }
    }
}

/// The text of a request as a value of JSON, in one line: a break stands between its values only.
pub(super) fn request(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.replace(['\n', '\r'], " ")).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

fn tell(recorded: Result<(), StoreError>) {
    if let Err(error) = recorded {
        tracing::warn!(%error, "the record of a job lacks something");
    }
}
