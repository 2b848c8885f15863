//! What a job tells.

use crate::create::{self, Action};
use crate::model::Digest;

/// Something that happens to a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It waits until so many other jobs have ended.
    Waiting {
        /// How many.
        others: usize,
    },
    /// Its work goes on.
    Work(create::Event),
}

/// What a state of affairs is about. A later state of the same makes the earlier one worthless.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Subject {
    Queue,
    Import(String),
    Library,
    File(Action),
    Blob(Digest),
}

impl Event {
    /// What it tells a state of, unless it stands for itself.
    pub(super) fn subject(&self) -> Option<Subject> {
        match self {
            Self::Waiting { .. } => Some(Subject::Queue),
            Self::Work(create::Event::Importing { file, .. }) => Some(Subject::Import(file.clone())),
            Self::Work(create::Event::Making { action, .. }) => Some(Subject::File(action.clone())),
            Self::Work(create::Event::Transfer(event)) => {
                event.transfer().map(|blob| Subject::Blob(blob.digest))
            }
            Self::Work(create::Event::LibraryAway { .. }) => Some(Subject::Library),
            Self::Work(_) => None,
        }
    }

    /// The blob that it tells a state of.
    pub(super) fn blob(&self) -> Option<Digest> {
        match self.subject() {
            Some(Subject::Blob(digest)) => Some(digest),
            _ => None,
        }
    }

    /// Whether it is one of the very many that tell how far something has come.
    pub(super) fn is_progress(&self) -> bool {
        matches!(self.subject(), Some(Subject::Import(_) | Subject::File(_) | Subject::Blob(_)))
    }
}
