//! The log of a job: what was said, in order, for any number of readers.
//!
//! Events get numbers that only grow, and a reader is nothing but the number that it has come to. An event
//! that tells how something stands takes the place of the one that told that before, with a new number: a
//! slow reader finds the latest state and none of the thousands before it, and so does one who reads
//! everything from the beginning. What the log takes is therefore bounded by what the job can be about, and
//! does not depend on who reads it.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::error::JobError;
use super::event::{Event, Subject};
use crate::locked::locked;

/// How a job ended.
pub type Outcome = Result<(), Arc<JobError>>;

/// The most events that are kept. A job says a few things about each of its files and layers; one of a
/// hostile registry may have very many. Then the oldest go.
const MOST: usize = 1 << 14;

/// What was said, and how it ended.
#[derive(Debug, Default)]
pub(super) struct Log {
    contents: Mutex<Contents>,
    changed: Notify,
}

/// What stands in a log at one moment.
#[derive(Debug, Default)]
pub(super) struct Contents {
    events: BTreeMap<u64, Event>,
    /// The number of the latest event of each subject.
    latest: HashMap<Subject, u64>,
    /// The number that the next event gets.
    pub(super) next: u64,
    /// The number after the last event that is more than progress.
    pub(super) told: u64,
    pub(super) outcome: Option<Outcome>,
}

impl Log {
    /// Adds an event, unless the job has ended.
    pub(super) fn push(&self, event: Event) {
        let mut contents = self.lock();
        if contents.outcome.is_none() {
            contents.push(event);
            contents.check();
        }
        drop(contents);
        self.changed.notify_waiters();
    }

    /// Adds the end.
    pub(super) fn end(&self, outcome: Outcome) {
        self.lock().outcome.get_or_insert(outcome);
        self.changed.notify_waiters();
    }

    /// Completes when something has been added since this was asked for.
    pub(super) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Contents> {
        locked(&self.contents)
    }
}

impl Contents {
    /// The first event from a number on, with its own number.
    pub(super) fn first_from(&self, number: u64) -> Option<(u64, &Event)> {
        self.events.range(number..).next().map(|(number, event)| (*number, event))
    }

    /// The last of the events, so many at most, with their numbers.
    pub(super) fn last(&self, most: usize) -> Vec<(u64, Event)> {
        let skipped = self.events.len().saturating_sub(most);
        self.events.iter().skip(skipped).map(|(number, event)| (*number, event.clone())).collect()
    }

    fn push(&mut self, event: Event) {
        let number = self.next;
        self.next += 1;
        if !event.is_progress() {
            self.told = self.next;
        }
        if let Some(subject) = event.subject()
            && let Some(earlier) = self.latest.insert(subject, number)
        {
            self.events.remove(&earlier);
        }
        self.events.insert(number, event);
        while self.events.len() > MOST
            && let Some((number, event)) = self.events.pop_first()
        {
            if let Some(subject) = event.subject()
                && self.latest.get(&subject) == Some(&number)
            {
                self.latest.remove(&subject);
            }
        }
    }

    /// The invariants, looked at where that costs nobody anything.
    fn check(&self) {
        debug_assert!(self.events.len() <= MOST, "a log is bounded");
        debug_assert!(self.latest.len() <= self.events.len(), "a subject stands in one event");
        debug_assert!(self.events.last_key_value().is_none_or(|(last, _)| *last < self.next), "numbers grow");
        debug_assert!(self.told <= self.next, "what was told was numbered");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::create::{self, Action};

    fn making(completed: u64) -> Event {
        Event::Work(create::Event::Making { action: Action::Joining, completed, total: 1 << 40 })
    }

    #[test]
    fn a_state_takes_the_place_of_the_one_before_and_lines_stay() {
        let log = Log::default();
        for line in ["one", "two"] {
            log.push(Event::Work(create::Event::Warning(line.to_owned())));
            (0..1000).for_each(|completed| log.push(making(completed)));
        }
        let contents = log.lock();
        assert_eq!(contents.events.len(), 3);
        assert_eq!(contents.first_from(0).unwrap().0, 0);
        assert_eq!(contents.first_from(2).unwrap().0, 1001);
        assert_eq!(contents.first_from(1002), Some((2001, &making(999))));
        assert_eq!(contents.first_from(2002), None);
    }

    #[test]
    fn a_job_that_says_too_much_loses_what_it_said_first() {
        let log = Log::default();
        let count = MOST as u64 + 10;
        for number in 0..count {
            log.push(Event::Work(create::Event::Warning(number.to_string())));
        }
        let contents = log.lock();
        assert_eq!((contents.events.len(), contents.next), (MOST, count));
        assert_eq!(contents.first_from(0).unwrap().0, 10);
    }
}
