//! The stages of a job.

use serde::{Deserialize, Serialize};

/// What a job has to do next, each in a turn of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Move a model from or to a registry.
    Transfer,
    /// Compute weights.
    Compute,
    /// Write metadata layers and the manifest.
    Finish,
    /// Send what was made to the library.
    Publish,
}

impl Stage {
    /// All of them, in the order in which they come.
    pub const ALL: [Self; 4] = [Self::Transfer, Self::Compute, Self::Finish, Self::Publish];

    /// Its name in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Transfer => "transfer",
            Self::Compute => "compute",
            Self::Finish => "finish",
            Self::Publish => "publish",
        }
    }
}
