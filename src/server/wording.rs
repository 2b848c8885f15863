//! The words for what jobs tell, which clients show to people and tell apart by their text.
//!
//! They are Ollama's (`server/create.go`, `server/images.go`, `convert`), and so are the names and the order of the
//! fields (`api/types.go`, `ProgressResponse`).

use serde::Serialize;

use crate::create::{Action, Conversion, Event as Step};
use crate::jobs::Event;
use crate::model::Digest;

/// One line of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Line {
    /// What happens.
    status: String,
    /// Which blob it happens to; clients keep one bar for each.
    #[serde(skip_serializing_if = "String::is_empty")]
    digest: String,
    /// How many bytes there are to do; 0 for a line that is not a bar.
    #[serde(skip_serializing_if = "crate::model::is_zero")]
    total: u64,
    /// How many of them are done.
    #[serde(skip_serializing_if = "crate::model::is_zero")]
    completed: u64,
}

impl Line {
    /// The job has done what it was asked for.
    pub(super) fn success() -> Self {
        Self::plain("success")
    }

    pub(super) fn of(event: &Event) -> Self {
        match event {
            Event::Waiting { others: 1 } => Self::plain("waiting for 1 other job"),
            Event::Waiting { others } => Self::plain(format!("waiting for {others} other jobs")),
            Event::Work(step) => Self::of_step(step),
        }
    }

    fn of_step(step: &Step) -> Self {
        match step {
            Step::Reading => Self::plain("parsing GGUF"),
            Step::Converting(conversion) => Self::plain(converting(*conversion)),
            Step::Quality { tensor, error } => Self::plain(format!("quality of {tensor}: {error}")),
            Step::Warning(warning) => Self::plain(format!("warning: {warning}")),
            Step::Making { action, completed, total } => {
                let status = match action {
                    Action::Joining => "merging GGUF shards".to_owned(),
                    Action::Converting(conversion) => converting(*conversion).to_owned(),
                    Action::Measuring => "measuring tensors".to_owned(),
                    Action::Quantizing { from, to } => format!("quantizing {from} model to {to}"),
                };
                // The stand-in for the digest is Ollama's; clients only compare it with the one before.
                let digest = "0000000000000000000".to_owned();
                Self { status, digest, total: *total, completed: *completed }
            }
            Step::Checking { digest } => Self::plain(format!("checking {}", digest.short())),
            Step::WaitingForTwin => Self::plain("waiting for another job, which makes the same"),
            Step::Verifying => Self::plain("verifying conversion"),
            Step::Layer { digest, existed: true } => Self::layer("using existing layer", *digest),
            Step::Layer { digest, existed: false } => Self::layer("creating new layer", *digest),
            Step::RecognisedTemplate { format } => {
                Self::plain(format!("using autodetected template {format}"))
            }
            Step::WritingManifest => Self::plain("writing manifest"),
            Step::Transfer(status) => match status.transfer() {
                None => Self::plain(status.to_string()),
                Some(blob) => Self {
                    status: status.to_string(),
                    digest: blob.digest.to_string(),
                    total: blob.total,
                    completed: blob.completed,
                },
            },
        }
    }

    fn plain(status: impl Into<String>) -> Self {
        Self { status: status.into(), digest: String::new(), total: 0, completed: 0 }
    }

    fn layer(what: &str, digest: Digest) -> Self {
        Self::plain(format!("{what} {digest}"))
    }
}

fn converting(conversion: Conversion) -> &'static str {
    match conversion {
        Conversion::Model => "converting model",
        Conversion::Adapter => "converting adapter",
    }
}
