//! What a job tells while it runs, in the words that clients show to people.

use std::fmt;

use serde::Serialize;

use crate::model::Digest;

/// One line of progress. Field order and names: Ollama, `api/types.go` (`ProgressResponse`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// What happens.
    pub status: String,
    /// Which blob it happens to; clients keep one bar for each.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// How many bytes there are to do; 0 for a line that is no bar.
    #[serde(skip_serializing_if = "crate::model::is_zero")]
    pub total: u64,
    /// How many of them are done.
    #[serde(skip_serializing_if = "crate::model::is_zero")]
    pub completed: u64,
}

/// Where the lines go. Called from the job's threads; it must not block.
pub type Report<'a> = &'a (dyn Fn(Progress) + Sync);

impl Progress {
    /// A line that is no bar.
    pub fn line(status: impl Into<String>) -> Self {
        Self { status: status.into(), digest: String::new(), total: 0, completed: 0 }
    }

    /// A line about a layer of the manifest to come.
    pub fn layer(digest: Digest, already_there: bool) -> Self {
        let what = if already_there { "using existing layer" } else { "creating new layer" };
        Self::line(format!("{what} {digest}"))
    }

    /// A bar for a file whose digest is not known yet.
    pub fn bytes(status: impl fmt::Display, completed: u64, total: u64) -> Self {
        // The stand-in for the digest is Ollama's; clients only compare it with the one before.
        let digest = "0000000000000000000".to_owned();
        Self { status: status.to_string(), digest, total, completed }
    }

    /// Whether it is one state of a bar, which a later state replaces.
    pub fn is_bar(&self) -> bool {
        self.total > 0
    }
}
