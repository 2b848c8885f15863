//! What a conversation waits for, so that who looks on is told and need not guess.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::event::{Awaited, Event, Wait};
use crate::locked::locked;

/// How often is looked whether there is something to tell.
const TICK: Duration = Duration::from_millis(100);

/// Everything that one conversation waits for at the moment.
#[derive(Debug)]
pub(super) struct Waits {
    /// How long a wait without a known end lasts before it is told, and how long until it is told again.
    notice: Duration,
    current: Mutex<Current>,
}

#[derive(Debug, Default)]
struct Current {
    next: u64,
    entries: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    awaited: Awaited,
    since: Instant,
    /// When it is told next.
    due: Instant,
}

impl Waits {
    pub(super) fn new(notice: Duration) -> Self {
        Self { notice, current: Mutex::default() }
    }

    /// Something is waited for as long as the answer lives. It is told when it has lasted for a while.
    pub(super) fn quietly(self: &Arc<Self>, awaited: Awaited) -> Waiting {
        self.begin(awaited, self.notice)
    }

    /// Something is waited for as long as the answer lives, and told at once.
    pub(super) fn openly(self: &Arc<Self>, awaited: Awaited) -> Waiting {
        self.begin(awaited, Duration::ZERO)
    }

    fn begin(self: &Arc<Self>, awaited: Awaited, before: Duration) -> Waiting {
        let mut current = self.lock();
        let (id, since) = (current.next, Instant::now());
        current.next += 1;
        current.entries.insert(id, Entry { awaited, since, due: since + before });
        Waiting { waits: self.clone(), id }
    }

    /// Does the work and tells meanwhile what it waits for.
    pub(super) async fn told<T>(
        &self,
        progress: &(impl Fn(Event) + Sync),
        work: impl Future<Output = T>,
    ) -> T {
        let mut work = std::pin::pin!(work);
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                result = &mut work => return result,
                _ = ticks.tick() => self.due().into_iter().for_each(|wait| progress(Event::Waiting(wait))),
            }
        }
    }

    /// What is to be told now. Of several requests that wait for the same thing the longest counts.
    fn due(&self) -> Vec<Wait> {
        let now = Instant::now();
        let mut due: Vec<Wait> = Vec::new();
        for entry in self.lock().entries.values_mut().filter(|entry| entry.due <= now) {
            entry.due = now + self.notice.max(TICK);
            if due.iter().all(|wait| wait.awaited != entry.awaited) {
                due.push(Wait { awaited: entry.awaited.clone(), lasting: now - entry.since });
            }
        }
        due
    }

    fn lock(&self) -> MutexGuard<'_, Current> {
        locked(&self.current)
    }
}

/// Something that is waited for until this is dropped.
#[derive(Debug)]
pub(super) struct Waiting {
    waits: Arc<Waits>,
    id: u64,
}

impl Waiting {
    /// There was a sign of life: the wait begins anew.
    pub(super) fn begin_anew(&self) {
        let notice = self.waits.notice;
        if let Some(entry) = self.waits.lock().entries.get_mut(&self.id) {
            entry.since = Instant::now();
            entry.due = entry.since + notice;
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.waits.lock().entries.remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_lasts_is_told_again_and_again() {
        let waits = Arc::new(Waits::new(Duration::from_millis(400)));
        let told = Mutex::new(Vec::new());
        let progress = |event| match event {
            Event::Waiting(wait) => told.lock().unwrap().push(wait),
            other => panic!("{other:?}"),
        };
        let (program, answer) = (Awaited::CheckBeforePush, Awaited::Registry("r.example".to_owned()));
        let work = async {
            let _asked = waits.openly(program.clone());
            let first = waits.quietly(answer.clone());
            let _second = waits.quietly(answer.clone());
            drop(waits.openly(Awaited::CheckBeforePull));
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            first.begin_anew();
        };
        waits.told(&progress, work).await;
        let told = told.into_inner().unwrap();
        let times = |awaited: &Awaited| told.iter().filter(|wait| wait.awaited == *awaited).count();
        let (first, last) = (&told[0], told.last().unwrap());
        assert_eq!((&first.awaited, first.lasting.as_secs()), (&program, 0));
        assert_eq!((&last.awaited, last.lasting.as_secs()), (&answer, 1));
        assert!(times(&program) > times(&answer), "{told:?}");
        assert_eq!(times(&Awaited::CheckBeforePull), 0);
    }
}
