//! What a job tells while it runs, as values. The words for them are the business of whoever tells clients.

use crate::model::Digest;
use crate::registry;
use crate::store::Imported;

/// Something that happens in a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A file beside the server is brought into the store. A later event of the same file replaces an earlier
    /// one.
    Importing {
        /// What the client calls it.
        file: String,
        /// Its bytes that have been read.
        completed: u64,
        /// All its bytes.
        total: u64,
    },
    /// A file beside the server is in the store.
    Imported {
        /// What the client calls it.
        file: String,
        /// Its blob.
        digest: Digest,
        /// How that came about.
        how: Imported,
    },
    /// A GGUF file that was uploaded is read.
    Reading,
    /// Files that were uploaded are read, which are to be converted.
    Converting(Conversion),
    /// A blob is read, of which it is not known whether it is whole.
    Checking {
        /// The blob.
        digest: Digest,
    },
    /// Another job, perhaps of another process, makes the same file.
    WaitingForTwin,
    /// Something about the files is doubtful.
    Warning(String),
    /// A file is made. A later event of the same action replaces an earlier one.
    Making {
        /// What is done.
        action: Action,
        /// The bytes of the sources that are done with.
        completed: u64,
        /// All bytes of the sources.
        total: u64,
    },
    /// How far a tensor, or all together, is from what it stands for.
    Quality {
        /// The tensor.
        tensor: String,
        /// Its type and its error, for people.
        error: String,
    },
    /// A file is made from where its making was interrupted.
    GoingOn {
        /// The bytes that are there.
        present: u64,
        /// All bytes of the file.
        size: u64,
    },
    /// What was made before an interruption cannot be gone on with.
    BeginningAnew {
        /// Why.
        reason: &'static str,
    },
    /// The file that was made is brought to the disk.
    Verifying,
    /// A layer of the model is there.
    Layer {
        /// Its blob.
        digest: Digest,
        /// Whether the blob was there before.
        existed: bool,
    },
    /// A chat format was recognised, and its template is a layer.
    RecognisedTemplate {
        /// The name of the format.
        format: &'static str,
    },
    /// The manifest is written: the model is about to appear.
    WritingManifest,
    /// One of several models is there.
    Ready {
        /// Its name.
        model: String,
        /// Its manifest.
        digest: Digest,
    },
    /// A model is on its way from or to a registry.
    Transfer(registry::Event),
    /// The file was made before, and the library remembers it.
    Recalled {
        /// The library.
        library: String,
    },
    /// A model that is here is about to be sent to the library.
    Publishing {
        /// Its name.
        model: String,
        /// The library.
        library: String,
    },
    /// The library cannot be reached, or cannot answer; it is asked again.
    LibraryAway {
        /// The library.
        library: String,
        /// Why.
        reason: String,
    },
}

/// What is done to make a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// Shards become one file.
    Joining,
    /// Adapters become part of the weights.
    Merging,
    /// A checkpoint or an adapter becomes a GGUF file.
    Converting(Conversion),
    /// It is measured what types would do to weights.
    Measuring,
    /// Weights are quantized.
    Quantizing {
        /// The file type before, for people.
        from: &'static str,
        /// The file type afterwards, as the client calls it.
        to: String,
    },
}

impl Action {
    /// What is done to make several files at once. There is always one.
    pub(super) fn together<'a>(actions: impl Iterator<Item = &'a Self>) -> Self {
        let mut actions = actions.cloned();
        let first = actions.next().unwrap_or(Self::Joining);
        actions.fold(first, Self::and)
    }

    /// What is done to several is told by the quantizations, of which each says something of its own.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Quantizing { from, to }, Self::Quantizing { to: further, .. }) => {
                Self::Quantizing { from, to: format!("{to}, {further}") }
            }
            (first @ Self::Quantizing { .. }, _) => first,
            (_, second @ Self::Quantizing { .. }) => second,
            (first, _) => first,
        }
    }
}

/// What is converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Conversion {
    /// A checkpoint.
    Model,
    /// An adapter.
    Adapter,
}
