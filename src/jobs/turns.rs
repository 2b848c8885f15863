//! Whose turn it is: so many jobs run at once, and so many more wait, in the order in which they came.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

use crate::create::Stage;
use crate::locked::locked;

/// A queue and the jobs that have left it for their work.
#[derive(Debug)]
pub(super) struct Turns {
    /// So many run at once,
    most_running: usize,
    /// and so many more wait.
    most_waiting: usize,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    waiting: VecDeque<u64>,
    next: u64,
}

/// As many wait as may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueIsFull;

/// A queue for each stage.
#[derive(Debug)]
pub(super) struct Queues([Arc<Turns>; Stage::ALL.len()]);

impl Queues {
    /// As many of each stage run at once as `running` says, and so many more wait.
    pub(super) fn new(running: impl Fn(Stage) -> usize, waiting: usize) -> Self {
        Self(Stage::ALL.map(|stage| Turns::new(running(stage), waiting)))
    }

    pub(super) fn of(&self, stage: Stage) -> &Arc<Turns> {
        &self.0[stage as usize]
    }

    /// Lets a job in: a place for its first stage, if there is room for all of its stages. What is full then
    /// would only grow longer.
    pub(super) fn enter(&self, stages: &[Stage]) -> Result<Place, QueueIsFull> {
        let first = stages.first().copied().unwrap_or(Stage::Finish);
        match stages.iter().all(|stage| self.of(*stage).lock().has_room(self.of(*stage))) {
            true => self.of(first).join(),
            false => Err(QueueIsFull),
        }
    }
}

/// A place in the queue, which is given up when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    turns: Arc<Turns>,
    number: u64,
}

/// Leave to work, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Turn(Arc<Turns>);

impl Turns {
    /// A queue in which at most `waiting` jobs wait while `running` of them run.
    pub(super) fn new(running: usize, waiting: usize) -> Arc<Self> {
        Arc::new(Self {
            most_running: running,
            most_waiting: waiting,
            state: Mutex::default(),
            changed: Notify::new(),
        })
    }

    /// Takes the last place.
    pub(super) fn join(self: &Arc<Self>) -> Result<Place, QueueIsFull> {
        let mut state = self.lock();
        if state.has_room(self) { Ok(state.join(self)) } else { Err(QueueIsFull) }
    }

    /// Takes the last place, however many wait: for a job that was let in before.
    pub(super) fn join_again(self: &Arc<Self>) -> Place {
        self.lock().join(self)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }
}

impl State {
    fn has_room(&self, turns: &Turns) -> bool {
        let free = turns.most_running.saturating_sub(self.running);
        self.waiting.len() < turns.most_waiting.saturating_add(free)
    }

    fn join(&mut self, turns: &Arc<Turns>) -> Place {
        let number = self.next;
        self.next += 1;
        self.waiting.push_back(number);
        Place { turns: Arc::clone(turns), number }
    }
}

impl Place {
    /// Waits for the turn. `tell` is told how many other jobs have to end before, whenever that changes.
    pub(super) async fn turn(self, tell: impl Fn(usize)) -> Turn {
        let mut told = 0;
        loop {
            let changed = self.turns.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.advance() {
                Ok(turn) => return turn,
                Err(before) if before != told => {
                    told = before;
                    tell(before);
                }
                Err(_) => {}
            }
            changed.await;
        }
    }

    /// The turn, or how many jobs have to end before.
    fn advance(&self) -> Result<Turn, usize> {
        let mut state = self.turns.lock();
        let ahead = state.waiting.iter().position(|&number| number == self.number).unwrap_or(0);
        let free = self.turns.most_running.saturating_sub(state.running);
        if ahead >= free {
            return Err(ahead - free + 1);
        }
        state.waiting.remove(ahead);
        state.running += 1;
        drop(state);
        self.turns.changed.notify_waiters();
        Ok(Turn(Arc::clone(&self.turns)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.turns.lock().waiting.retain(|&number| number != self.number);
        self.turns.changed.notify_waiters();
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.lock().running -= 1;
        self.0.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn counts(turns: &Turns) -> (usize, usize) {
        let state = turns.lock();
        (state.running, state.waiting.len())
    }

    #[tokio::test]
    async fn jobs_run_in_order_and_know_their_place() {
        let turns = Turns::new(2, 3);
        let silent = |_| ();
        let first = turns.join().unwrap().turn(silent).await;
        let second = turns.join().unwrap().turn(silent).await;
        let told = Mutex::new(Vec::new());
        let tell = |name: &'static str| {
            let told = &told;
            move |before| told.lock().unwrap().push((name, before))
        };
        let mut third = Box::pin(turns.join().unwrap().turn(tell("third")));
        let fourth = Box::pin(turns.join().unwrap().turn(tell("fourth")));
        let mut fourth = Some(fourth);
        let mut fifth = Box::pin(turns.join().unwrap().turn(tell("fifth")));
        for place in [&mut third, fourth.as_mut().unwrap(), &mut fifth] {
            assert!(place.as_mut().now_or_never().is_none());
        }
        assert_eq!(turns.join().unwrap_err(), QueueIsFull);
        assert_eq!(counts(&turns), (2, 3));
        // Whoever leaves the queue lets the others move up.
        drop(fourth.take());
        assert!(fifth.as_mut().now_or_never().is_none());
        assert_eq!(*told.lock().unwrap(), [("third", 1), ("fourth", 2), ("fifth", 3), ("fifth", 2)]);
        drop(first);
        assert!(fifth.as_mut().now_or_never().is_none());
        let third = third.await;
        assert_eq!(counts(&turns), (2, 1));
        drop((second, third));
        fifth.await;
        assert_eq!(counts(&turns), (0, 0));
    }

    #[tokio::test]
    async fn a_full_queue_of_a_later_stage_lets_nobody_in_and_keeps_nobody_out_who_is() {
        let queues = Queues::new(|_| 1, 1);
        let row = [Stage::Transfer, Stage::Compute, Stage::Finish];
        let running = queues.enter(&[Stage::Compute]).unwrap().turn(|_| ()).await;
        let first = queues.enter(&row).unwrap().turn(|_| ()).await;
        let second = queues.enter(&row).unwrap();
        let waiting = queues.enter(&[Stage::Compute]).unwrap();
        drop(first);
        assert_eq!(queues.enter(&row).unwrap_err(), QueueIsFull);
        let again = queues.of(Stage::Compute).join_again();
        assert_eq!(counts(queues.of(Stage::Compute)), (1, 2));
        drop((running, waiting, second));
        again.turn(|_| ()).await;
    }
}
