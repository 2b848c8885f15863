//! Jobs that would make the same wait for each other, in any process: each finds what the one before has
//! made.

use std::thread;
use std::time::Duration;

use super::{CreateError, Event, Monitor};
use crate::model::Digest;
use crate::store::{Store, Turn};

/// How often it is looked whether another job is done.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The turn at a recipe.
pub(super) fn take_turn(store: &Store, recipe: Digest, monitor: Monitor<'_>) -> Result<Turn, CreateError> {
    let mut is_told = false;
    loop {
        if let Some(turn) = store.try_turn(recipe)? {
            return Ok(turn);
        }
        monitor.check_stop()?;
        if !is_told {
            monitor.tell(Event::WaitingForTwin);
            is_told = true;
        }
        thread::sleep(LOOK_AGAIN);
    }
}
