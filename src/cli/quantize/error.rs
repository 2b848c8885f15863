//! Why a file was not quantized.

use std::io;
use std::path::PathBuf;

use crate::cli::recipe_options::RecipeError;
use crate::convert::ConvertError;
use crate::gguf::GgufError;
use crate::plan::{PlanError, ShardError};
use crate::quantize::{self, ImportanceError, InvalidRecipe};

/// Why a file was not quantized.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of a variant says what its fields are")]
pub enum QuantizeError {
    /// A file of the user's cannot be read or written.
    #[error("{}: {reason}", path.display())]
    File { path: PathBuf, reason: io::Error },
    /// A file is not a valid GGUF file.
    #[error("{}: {reason}", path.display())]
    Gguf { path: PathBuf, reason: GgufError },
    /// A file is not an importance matrix.
    #[error("{}: {reason}", path.display())]
    Importance { path: PathBuf, reason: ImportanceError },
    /// The file is one of several, and its name does not tell those of the others.
    #[error("{}: part of a split model, but not named \"...-00001-of-0000N.gguf\"", path.display())]
    ShardName { path: PathBuf },
    /// The files do not make up a model.
    #[error(transparent)]
    Shards(#[from] ShardError),
    /// A directory does not hold a model.
    #[error("{reason}")]
    Directory { reason: String },
    /// The checkpoint cannot be converted.
    #[error(transparent)]
    Convert(#[from] ConvertError),
    /// The checkpoint is an encoder without the model that it belongs to.
    #[error(
        "the checkpoint is an encoder alone, which is not quantized; create a model from it and its base"
    )]
    EncoderAlone,
    /// The options are not a recipe.
    #[error(transparent)]
    Options(#[from] RecipeError),
    /// The recipe means nothing.
    #[error(transparent)]
    Recipe(#[from] InvalidRecipe),
    /// The model cannot be quantized so.
    #[error(transparent)]
    Quantize(#[from] quantize::QuantizeError),
    /// The plan could not be carried out.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The result would take the place of the source.
    #[error("{}: source and result are the same file", path.display())]
    SameFile { path: PathBuf },
}
