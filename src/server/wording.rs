//! The words for what jobs tell, which clients show to people and tell apart by their text.
//!
//! They are Ollama's (`server/create.go`, `server/images.go`, `convert`), and so are the names and the order
//! of the fields (`api/types.go`, `ProgressResponse`).

use serde::Serialize;
use utoipa::ToSchema;

use super::errors::Failure;
use crate::create::{Action, Conversion, Event as Step};
use crate::jobs::{Event, News};
use crate::model::{Digest, go_json};
use crate::registry::{self, Awaited, Party, Transfer, Wait};
use crate::store::Imported;

/// One line of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = StatusLine)]
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
            Step::Importing { file, completed, total } => {
                let status = format!("importing {file}");
                Self { status, digest: String::new(), total: *total, completed: *completed }
            }
            Step::Imported { file, digest, how } => {
                let digest = digest.to_string();
                Self { digest, ..Self::plain(format!("imported {file}: {}", imported(*how))) }
            }
            Step::Reading => Self::plain("parsing GGUF"),
            Step::Converting(conversion) => Self::plain(converting(*conversion)),
            Step::Quality { tensor, error } => Self::plain(format!("quality of {tensor}: {error}")),
            Step::Warning(warning) => Self::plain(format!("warning: {warning}")),
            Step::Making { action, completed, total } => {
                let status = match action {
                    Action::Joining => "merging GGUF shards".to_owned(),
                    Action::Merging => "merging adapter".to_owned(),
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
            Step::GoingOn { present, size } => {
                Self::plain(format!("going on after {present} of {size} bytes"))
            }
            Step::BeginningAnew { reason } => Self::plain(format!("beginning anew: {reason}")),
            Step::Verifying => Self::plain("verifying conversion"),
            Step::Layer { digest, existed: true } => Self::layer("using existing layer", *digest),
            Step::Layer { digest, existed: false } => Self::layer("creating new layer", *digest),
            Step::RecognisedTemplate { format } => {
                Self::plain(format!("using autodetected template {format}"))
            }
            Step::WritingManifest => Self::plain("writing manifest"),
            Step::Ready { model, digest } => {
                Self { digest: digest.to_string(), ..Self::plain(format!("model {model} is ready")) }
            }
            Step::Transfer(event) => Self::of_transfer(event),
            Step::Recalled { library } => {
                Self::plain(format!("using what the library {library} remembers to have been made"))
            }
            Step::Publishing { model, library } => {
                Self::plain(format!("publishing {model} in the library {library}"))
            }
            Step::LibraryAway { library, reason } => {
                Self::plain(format!("waiting for the library {library}: {reason}"))
            }
        }
    }

    fn of_transfer(event: &registry::Event) -> Self {
        use registry::Event;
        let bar = |what: &str, blob: &Transfer| Self {
            status: format!("{what} {}", blob.digest.short()),
            digest: blob.digest.to_string(),
            total: blob.total,
            completed: blob.completed,
        };
        match event {
            Event::PullingManifest => Self::plain("pulling manifest"),
            Event::Listing(repository) => Self::plain(format!("listing the files of {repository}")),
            Event::Choosing { repository, commit, files, bytes } => {
                Self::plain(format!("fetching {files} files of {repository} at {commit}, {bytes} bytes"))
            }
            Event::Pulling(blob) => bar("pulling", blob),
            Event::VerifyingDigest => Self::plain("verifying sha256 digest"),
            Event::WritingManifest => Self::plain("writing manifest"),
            Event::RetrievingManifest => Self::plain("retrieving manifest"),
            Event::NoManifest => Self::plain("couldn't retrieve manifest"),
            Event::Pushing(blob) => bar("pushing", blob),
            Event::PushingManifest => Self::plain("pushing manifest"),
            Event::Waiting(Wait { awaited, lasting }) => match lasting.as_secs() {
                0 => Self::plain(format!("waiting for {}", phrase(awaited))),
                seconds => Self::plain(format!("waiting for {} ({seconds} s)", phrase(awaited))),
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

fn imported(how: Imported) -> &'static str {
    match how {
        Imported::Present => "it was in the store already",
        Imported::Shared => "it shares its room on the disk",
        Imported::Linked => "a second name for the file",
        Imported::Copied => "copied",
        Imported::CopiedForSafety => "copied, since it can be written to",
    }
}

fn converting(conversion: Conversion) -> &'static str {
    match conversion {
        Conversion::Model => "converting model",
        Conversion::Adapter => "converting adapter",
    }
}

fn phrase(awaited: &Awaited) -> String {
    match awaited {
        Awaited::Registry(registry) => format!("a sign of life of registry {registry}"),
        Awaited::ComeBack(Party::Registry(registry), back) => {
            format!("registry {registry}, which asks to come back {back}")
        }
        Awaited::ComeBack(Party::Storage(storage), back) => {
            format!("{storage}, which asks to come back {back}")
        }
        Awaited::OtherProgram(digest) => format!("another program, which fetches blob {}", digest.short()),
        Awaited::OtherPull(digest) => format!("another pull, which fetches blob {}", digest.short()),
        Awaited::CheckBeforePull => "the check of the blobs that are here".to_owned(),
        Awaited::CheckBeforePush => "the check of the blobs that are to be sent".to_owned(),
    }
}

/// The line that tells a reader something, the same for all readers of a job's events.
pub(super) fn line(number: u64, news: &News) -> Vec<u8> {
    #[derive(Serialize)]
    struct Numbered<'l> {
        number: u64,
        #[serde(flatten)]
        line: &'l Line,
    }
    match news {
        News::Event(event) => go_json::to_line(&Numbered { number, line: &Line::of(event) }),
        News::End(Ok(())) => go_json::to_line(&Line::success()),
        News::End(Err(error)) => Failure::of_job(error).line(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn transfers_are_told_in_the_words_of_ollama() {
        let digest: Digest = format!("sha256:{}", "0123456789abcdef".repeat(4)).parse().unwrap();
        let line = |event| go_json::to_string(&Line::of(&Event::Work(Step::Transfer(event))));
        let transfer = |completed| Transfer { digest, total: 10, completed };
        assert_eq!(line(registry::Event::PullingManifest), r#"{"status":"pulling manifest"}"#);
        assert_eq!(
            line(registry::Event::Pulling(transfer(0))),
            format!(r#"{{"status":"pulling 0123456789ab","digest":"{digest}","total":10}}"#)
        );
        assert_eq!(
            line(registry::Event::Pushing(transfer(10))),
            format!(r#"{{"status":"pushing 0123456789ab","digest":"{digest}","total":10,"completed":10}}"#)
        );
        let wait = Wait { awaited: Awaited::OtherPull(digest), lasting: Duration::from_millis(1_900) };
        assert_eq!(
            line(registry::Event::Waiting(wait)),
            r#"{"status":"waiting for another pull, which fetches blob 0123456789ab (1 s)"}"#
        );
    }
}
