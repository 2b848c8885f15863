//! The words for what jobs are and how they stand, the same in the interface, in metrics, in the log and in
//! records.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::create::Stage;

/// What a job was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// To make a model.
    Create,
    /// To fetch one.
    Pull,
    /// To send one.
    Push,
    /// To find out what making one comes to.
    Plan,
    /// To measure how far one is from another.
    Compare,
}

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It waits for the turn of a stage.
    Queued,
    /// A stage of it runs.
    Running,
    /// It has done what it was asked for.
    Succeeded,
    /// It could not do that.
    Failed,
    /// Nobody wanted it any more.
    Stopped,
    /// The server ended before it did.
    Interrupted,
}

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// What it does.
    pub state: State,
    /// The stage that it is in, waits for, or ended in.
    pub stage: Stage,
    /// When its first stage began.
    pub began: Option<SystemTime>,
    /// When it ended.
    pub ended: Option<SystemTime>,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Create, Self::Pull, Self::Push, Self::Plan, Self::Compare];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Plan => "plan",
            Self::Compare => "compare",
        }
    }
}

impl State {
    /// Those of a job that is under way.
    pub const UNDER_WAY: [Self; 2] = [Self::Queued, Self::Running];

    /// Those of a job that has ended.
    pub const ENDED: [Self; 4] = [Self::Succeeded, Self::Failed, Self::Stopped, Self::Interrupted];

    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Queued, Self::Running, Self::Succeeded, Self::Failed, Self::Stopped, Self::Interrupted];

    /// Whether a job that stands so has ended.
    pub(super) fn is_end(self) -> bool {
        Self::ENDED.contains(&self)
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Interrupted => "interrupted",
        }
    }
}
