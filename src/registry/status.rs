//! Progress of a pull or a push, in the words of Ollama (`server/images.go`, `server/download.go`,
//! `server/upload.go`), which clients show to people and tell apart by text.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::model::Digest;

/// One step of a pull or a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// The manifest is asked for.
    PullingManifest,
    /// A blob is on its way here.
    Pulling(Transfer),
    /// All blobs are here and their digests right.
    VerifyingDigest,
    /// The manifest is stored: the model appears.
    WritingManifest,
    /// The manifest is read from the store.
    RetrievingManifest,
    /// The store has no such model; the error follows.
    NoManifest,
    /// A blob is on its way to the registry.
    Pushing(Transfer),
    /// The manifest is on its way: the model appears there.
    PushingManifest,
    /// Something has to come from elsewhere before it goes on.
    Waiting(Wait),
    /// Everything is done.
    Success,
}

/// How far a blob has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer {
    /// Which blob.
    pub digest: Digest,
    /// Its size in bytes.
    pub total: u64,
    /// The bytes that have arrived.
    pub completed: u64,
}

/// What is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// A phrase that goes on after "waiting for".
    pub what: Arc<str>,
    /// How long already.
    pub lasting: Duration,
}

impl Status {
    /// How far the blob of this step has come, if it is about one.
    pub fn transfer(&self) -> Option<&Transfer> {
        match self {
            Self::Pulling(transfer) | Self::Pushing(transfer) => Some(transfer),
            _ => None,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PullingManifest => formatter.write_str("pulling manifest"),
            Self::Pulling(transfer) => write!(formatter, "pulling {}", transfer.digest.short()),
            Self::VerifyingDigest => formatter.write_str("verifying sha256 digest"),
            Self::WritingManifest => formatter.write_str("writing manifest"),
            Self::RetrievingManifest => formatter.write_str("retrieving manifest"),
            Self::NoManifest => formatter.write_str("couldn't retrieve manifest"),
            Self::Pushing(transfer) => write!(formatter, "pushing {}", transfer.digest.short()),
            Self::PushingManifest => formatter.write_str("pushing manifest"),
            Self::Waiting(Wait { what, lasting }) => match lasting.as_secs() {
                0 => write!(formatter, "waiting for {what}"),
                seconds => write!(formatter, "waiting for {what} ({seconds} s)"),
            },
            Self::Success => formatter.write_str("success"),
        }
    }
}

impl Serialize for Status {
    /// The object of a progress line: `status` and, for a blob, `digest`, `total` and `completed`;
    /// like Ollama's, without the numbers that are zero.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("status", &self.to_string())?;
        if let Some(transfer) = self.transfer() {
            map.serialize_entry("digest", &transfer.digest)?;
            for (key, number) in [("total", transfer.total), ("completed", transfer.completed)] {
                if number > 0 {
                    map.serialize_entry(key, &number)?;
                }
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_ollama() {
        let digest: Digest = format!("sha256:{}", "0123456789abcdef".repeat(4)).parse().unwrap();
        let line = |status: Status| serde_json::to_string(&status).unwrap();
        assert_eq!(line(Status::PullingManifest), r#"{"status":"pulling manifest"}"#);
        assert_eq!(
            line(Status::Pulling(Transfer { digest, total: 10, completed: 0 })),
            format!(r#"{{"status":"pulling 0123456789ab","digest":"{digest}","total":10}}"#)
        );
        assert_eq!(
            line(Status::Pushing(Transfer { digest, total: 10, completed: 10 })),
            format!(r#"{{"status":"pushing 0123456789ab","digest":"{digest}","total":10,"completed":10}}"#)
        );
    }
}
