//! Work on several threads whose results are consumed in order.

use crate::locked::{locked, unpoisoned};
use std::collections::BTreeMap;
use std::io;
use std::panic::resume_unwind;
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;

/// How much may be under way at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) threads: usize,
    /// Pieces that are being produced or wait to be consumed.
    pub(super) window: usize,
}

struct State<T, E> {
    /// The next piece that nobody has begun.
    next: usize,
    /// How many pieces have been consumed.
    consumed: usize,
    finished: BTreeMap<usize, Result<T, E>>,
    stopped: bool,
}

/// Runs `produce` for `0..count` on threads of their own, each with a `scratch` of its own, and `consume`
/// with the results, in order, on this one. Producers run ahead by at most the window, so a slow consumer
/// holds them back and a fast one never waits for more than the next piece.
///
/// # Errors
/// The first error in the order of the pieces, from `produce` or `consume`; nothing after it is consumed.
/// What the operating system says if it has no thread at all.
///
/// # Panics
/// As `produce` did.
pub(super) fn ordered<S, T: Send, E: Send + From<NoThread>>(
    limits: Limits,
    count: usize,
    scratch: impl Fn() -> S + Sync,
    produce: impl Fn(&mut S, usize) -> Result<T, E> + Sync,
    mut consume: impl FnMut(usize, T) -> Result<(), E>,
) -> Result<(), E> {
    let state = Mutex::new(State { next: 0, consumed: 0, finished: BTreeMap::new(), stopped: false });
    let (room, ready) = (Condvar::new(), Condvar::new());
    let lock = || locked(&state);
    let stop = || {
        lock().stopped = true;
        room.notify_all();
        ready.notify_all();
    };

    let worker = || {
        // A producer that panics must not leave the consumer waiting.
        let _stop_on_panic = OnPanic(&stop);
        let mut scratch = scratch();
        loop {
            let may_begin = |state: &State<T, E>| {
                state.stopped || state.next >= count || state.next < state.consumed + limits.window
            };
            let mut state = wait(&room, lock(), may_begin);
            if state.stopped || state.next >= count {
                return;
            }
            let index = state.next;
            state.next += 1;
            drop(state);
            let result = produce(&mut scratch, index);
            lock().finished.insert(index, result);
            ready.notify_one();
        }
    };

    thread::scope(|scope| {
        let _stop_on_panic = OnPanic(&stop);
        let mut producers = Vec::new();
        for _ in 0..limits.threads.clamp(1, count.max(1)) {
            match thread::Builder::new().spawn_scoped(scope, worker) {
                Ok(producer) => producers.push(producer),
                Err(error) if producers.is_empty() => return Err(NoThread(error).into()),
                // Fewer do as well, only later.
                Err(_) => break,
            }
        }
        let mut outcome = Ok(());
        for index in 0..count {
            let mut state =
                wait(&ready, lock(), |state| state.stopped || state.finished.contains_key(&index));
            // Whoever was to produce it has panicked.
            let Some(result) = state.finished.remove(&index) else { break };
            drop(state);
            outcome = result.and_then(|piece| consume(index, piece));
            if outcome.is_err() {
                break;
            }
            lock().consumed += 1;
            room.notify_one();
        }
        stop();
        for producer in producers {
            producer.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
        outcome
    })
}

/// The operating system has no thread to produce on.
#[derive(Debug)]
pub(super) struct NoThread(pub(super) io::Error);

fn wait<'m, S>(
    condition: &Condvar,
    guard: MutexGuard<'m, S>,
    holds: impl Fn(&S) -> bool,
) -> MutexGuard<'m, S> {
    unpoisoned(condition.wait_while(guard, |state| !holds(state)))
}

/// Runs its function if the thread unwinds.
struct OnPanic<'f, F: Fn()>(&'f F);

impl<F: Fn()> Drop for OnPanic<'_, F> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            (self.0)();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { threads: 3, window: 4 };

    /// What a producer or the consumer says.
    #[derive(Debug, PartialEq)]
    struct Refused(usize);

    impl From<NoThread> for Refused {
        fn from(NoThread(error): NoThread) -> Self {
            panic!("{error}")
        }
    }

    #[test]
    fn results_arrive_in_order() {
        let mut seen = Vec::new();
        let slow_when_even = |_: &mut (), index: usize| {
            std::thread::sleep(std::time::Duration::from_micros(if index.is_multiple_of(2) {
                300
            } else {
                0
            }));
            Ok::<_, Refused>(index * 10)
        };
        let consume = |index, value| {
            seen.push((index, value));
            Ok(())
        };
        assert_eq!(ordered(LIMITS, 50, || (), slow_when_even, consume), Ok(()));
        assert!(seen.into_iter().eq((0..50).map(|index| (index, index * 10))));
    }

    #[test]
    fn the_first_error_in_order_ends_the_work() {
        let produce = |_: &mut (), index| if index >= 7 { Err(Refused(index)) } else { Ok(()) };
        let mut consumed = 0;
        let result = ordered(
            LIMITS,
            1000,
            || (),
            produce,
            |_, ()| {
                consumed += 1;
                Ok(())
            },
        );
        assert_eq!((result, consumed), (Err(Refused(7)), 7));
        let refuse = |index, ()| Err(Refused(index));
        assert_eq!(ordered(LIMITS, 1000, || (), |_, _| Ok(()), refuse), Err(Refused(0)));
    }

    #[test]
    fn a_panic_is_passed_on_and_nothing_after_it_is_consumed() {
        let mut consumed = Vec::new();
        let run = || {
            let produce = |_: &mut (), index| if index == 5 { panic!("five") } else { Ok::<_, Refused>(()) };
            let consume = |index, ()| {
                consumed.push(index);
                Ok(())
            };
            ordered(LIMITS, 1000, || (), produce, consume)
        };
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"five"));
        assert!(consumed.len() <= 5 && consumed.iter().copied().eq(0..consumed.len()), "{consumed:?}");
    }

    #[test]
    fn producers_run_ahead_by_no_more_than_the_window() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        let (begun, consumed) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let produce = |_: &mut (), _| {
            let ahead = begun.fetch_add(1, Ordering::SeqCst) + 1 - consumed.load(Ordering::SeqCst);
            // One more may be consumed between the two loads than the producers know of.
            if ahead <= LIMITS.window + 1 { Ok(()) } else { Err(Refused(ahead)) }
        };
        let consume = |_, ()| {
            consumed.fetch_add(1, Ordering::SeqCst);
            Ok(())
        };
        assert_eq!(ordered(LIMITS, 500, || (), produce, consume), Ok(()));
    }
}
