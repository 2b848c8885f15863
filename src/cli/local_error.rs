//! Why files of this machine are no model.

use std::io;
use std::path::{Path, PathBuf};

use crate::convert::ConvertError;
use crate::gguf::GgufError;
use crate::plan::{PlanError, ShardError};

/// Why files of this machine are no model, or not one alone.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of a variant says what its fields are")]
pub enum LocalModelError {
    /// A file cannot be read.
    #[error("{}: {reason}", path.display())]
    File { path: PathBuf, reason: io::Error },
    /// What was named holds no model.
    #[error("{reason}")]
    Place { reason: String },
    /// A file is not a valid GGUF file.
    #[error("{}: {reason}", path.display())]
    Gguf { path: PathBuf, reason: GgufError },
    /// A file of a kind that is known, and is no model.
    #[error(
        "{}: this is {kind}; expected a GGUF file, or safetensors with their config.json",
        path.display()
    )]
    NotAModel { path: PathBuf, kind: &'static str },
    /// A file of no kind that is known.
    #[error(
        "{}: this is not a model file; expected a GGUF file, safetensors with their config.json, or a \
         directory of them",
        path.display()
    )]
    UnknownKind { path: PathBuf },
    /// Weights in two formats.
    #[error("weights in two formats: {} and {}; name one of them", gguf.display(), safetensors.display())]
    MixedFormats { gguf: PathBuf, safetensors: PathBuf },
    /// An importance matrix among the files of a model.
    #[error("{}: this is an importance matrix, not a model; give it with --imatrix", path.display())]
    StrayMatrix { path: PathBuf },
    /// Several whole models.
    #[error("these are several models: {}; name one of them", list(paths))]
    SeveralModels { paths: Vec<PathBuf> },
    /// Something that belongs to a model, and no model.
    #[error("{}: this is {} {kind}, which needs a model; name that too", path.display(), article(kind))]
    NoModel { path: PathBuf, kind: &'static str },
    /// Something else in the place of an adapter.
    #[error("{}: this is not an adapter but a model; name it after FROM", path.display())]
    NotAnAdapter { path: PathBuf },
    /// The file is one of several, and its name does not tell those of the others.
    #[error(
        "{}: this is a part of a split model, but is not called \"...-00001-of-0000N.gguf\"; rename it",
        path.display()
    )]
    ShardName { path: PathBuf },
    /// The files do not make up a model.
    #[error(transparent)]
    Shards(#[from] ShardError),
    /// The checkpoint cannot be converted.
    #[error("{}: {reason}", place.display())]
    Convert { place: PathBuf, reason: Box<ConvertError> },
    /// The checkpoint cannot be converted to a file.
    #[error(transparent)]
    Plan(#[from] PlanError),
}

fn list(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}

impl LocalModelError {
    /// For `map_err` on reading a file.
    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |reason| Self::File { path, reason }
    }
}
