//! The options that make up a recipe, named as llama-quantize names them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;

use super::tensor_types::{Given, TensorTypes};
use crate::quantize::{InvalidRecipe, Recipe, Size};

/// The options.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct RecipeOptions {
    /// Quantize by this recipe: a JSON object with the fields that the interface takes, or words of
    /// PATTERN=TYPE. Other options come before what it says
    #[arg(long, value_name = "FILE")]
    recipe: Option<PathBuf>,
    /// Weigh errors by this importance matrix (GGUF or the older format)
    #[arg(long, value_name = "FILE")]
    imatrix: Option<PathBuf>,
    /// Use the importance matrix only for tensors whose names contain this; may be repeated
    #[arg(long, value_name = "TEXT")]
    include_weights: Vec<String>,
    /// Do not use the importance matrix for tensors whose names contain this; may be repeated
    #[arg(long, value_name = "TEXT", conflicts_with = "include_weights")]
    exclude_weights: Vec<String>,
    #[command(flatten)]
    tensor_types: TensorTypes,
    /// Give the output tensor this type
    #[arg(long, value_name = "TYPE")]
    output_tensor_type: Option<String>,
    /// Give the token embedding this type
    #[arg(long, value_name = "TYPE")]
    token_embedding_type: Option<String>,
    /// Use no mixture: give the one type to every tensor that is quantized
    #[arg(long)]
    pure: bool,
    /// Leave the output tensor as it is
    #[arg(long)]
    leave_output_tensor: bool,
    /// Allow quantizing again what is quantized already, which loses quality
    #[arg(long)]
    allow_requantize: bool,
    /// Leave out these layers, separated by commas
    #[arg(long, value_name = "LAYERS", value_delimiter = ',')]
    prune_layers: Vec<u32>,
    /// Set a key of the metadata: KEY=TYPE:VALUE with int, float, bool or str; may be repeated
    #[arg(long, value_name = "KEY=TYPE:VALUE")]
    override_kv: Vec<String>,
    /// Tell the error of each tensor
    #[arg(long)]
    quality: bool,
    /// Find the types that fit the model into this size best (7.5GiB, 800MiB); measures every tensor
    #[arg(long, value_name = "SIZE")]
    target_size: Option<Size>,
}

/// Why options make up no recipe.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// A file cannot be read.
    #[error("{}: {reason}", path.display())]
    File { path: PathBuf, reason: io::Error },
    /// A file is not a recipe.
    #[error("{}: {reason}", path.display())]
    Invalid { path: PathBuf, reason: InvalidRecipe },
    /// The options are not a recipe.
    #[error(transparent)]
    Options(#[from] InvalidRecipe),
}

/// More bytes than a recipe needs.
const LONGEST: u64 = 16 << 20;

impl RecipeOptions {
    /// The recipe that the options make up.
    ///
    /// # Errors
    /// A file cannot be read or is not a recipe; a pattern without a type.
    pub(super) fn recipe(&self) -> Result<Recipe, RecipeError> {
        let base = match &self.recipe {
            Some(path) => read(path)?,
            None => Recipe::default(),
        };
        let mut options = Recipe::default();
        for given in &self.tensor_types.0 {
            match given {
                Given::Word(word) => options.tensor_types.push(Recipe::tensor_type(word)?),
                Given::File(path) => options.extend(read(path)?),
            }
        }
        let text = |option: &Option<String>| option.clone().unwrap_or_default();
        options.extend(Recipe {
            imatrix: self.imatrix.as_ref().map(|path| path.display().to_string()).unwrap_or_default(),
            output_tensor_type: text(&self.output_tensor_type),
            token_embedding_type: text(&self.token_embedding_type),
            pure: self.pure,
            leave_output_tensor: self.leave_output_tensor,
            allow_requantize: self.allow_requantize,
            include_weights: self.include_weights.clone(),
            exclude_weights: self.exclude_weights.clone(),
            prune_layers: self.prune_layers.clone(),
            override_kv: self.override_kv.clone(),
            quality: self.quality,
            target_size: self.target_size,
            tensor_types: Vec::new(),
        });
        Ok(options.over(base))
    }
}

/// Reads a recipe from a file.
pub(super) fn read(path: &Path) -> Result<Recipe, RecipeError> {
    let failed = |reason| RecipeError::File { path: path.to_owned(), reason };
    if fs::metadata(path).map_err(failed)?.len() > LONGEST {
        let reason =
            io::Error::other(format!("this is longer than {LONGEST} bytes, the most that a recipe may have"));
        return Err(failed(reason));
    }
    let text = fs::read_to_string(path).map_err(failed)?;
    Recipe::from_text(&text).map_err(|reason| RecipeError::Invalid { path: path.to_owned(), reason })
}
