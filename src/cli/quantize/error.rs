//! Why a file was not quantized.

use std::io;
use std::path::PathBuf;

use crate::cli::local_error::LocalModelError;
use crate::cli::recipe_options::RecipeError;
use crate::cli::standard_output::OutputError;
use crate::plan::PlanError;
use crate::quantize::{self, ImportanceError, InvalidRecipe};

/// Why a file was not quantized.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the message of a variant says what its fields are")]
pub enum QuantizeError {
    /// A file of the user's cannot be read or written.
    #[error("{}: {reason}", path.display())]
    File { path: PathBuf, reason: io::Error },
    /// A file is not an importance matrix.
    #[error("{}: {reason}", path.display())]
    Importance { path: PathBuf, reason: ImportanceError },
    /// What was named is no model.
    #[error(transparent)]
    Model(#[from] LocalModelError),
    /// The checkpoint is an encoder without the model that it belongs to.
    #[error(
        "the checkpoint is an encoder alone, which is not quantized; create a model from it and its base \
         with \"ollamake create\""
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
    #[error("{}: the source and the result are the same file; give the result another name", path.display())]
    SameFile { path: PathBuf },
    /// A stream where a file is needed.
    #[error("standard input cannot be quantized, since parts of it are read more than once; name a file")]
    StandardInput,
    /// Several files for one stream.
    #[error("--keep-split makes several files, which do not go to standard output; name a file")]
    SplitToOutput,
    /// Two things for one stream.
    #[error("--json needs a file: standard output is the file itself")]
    AnswerToOutput,
    /// Standard output is a person.
    #[error("a model file is not written to a terminal: name a file, or redirect the output")]
    ToTerminal,
    /// Standard output took no more.
    #[error(transparent)]
    Output(#[from] OutputError),
}
