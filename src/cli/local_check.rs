//! What the server would refuse of files that are here: it is refused here, before a byte of weights is sent.

use std::path::Path;

use super::CliError;
use super::files::LocalFile;
use super::local_error::LocalModelError;
use super::local_matrix::LocalMatrix;
use super::local_model::{LocalModel, Mapped};
use crate::convert::check_gguf_adapter;
use crate::library::Description;
use crate::model::MediaType;
use crate::plan::Plan;
use crate::quantize::{Recipe, Target, quantize};

/// Checks that GGUF files are adapters, and of the model with this plan if it is known.
pub(super) fn adapters(files: &[LocalFile], base: Option<&Plan>) -> Result<(), CliError> {
    for file in files.iter().filter(|file| file.name.ends_with(".gguf")) {
        let path = file.path.clone();
        let mapped = Mapped::open(file.clone())?;
        let parsed = mapped.parse()?;
        if Description::of(&parsed).kind != MediaType::Adapter {
            return Err(LocalModelError::NotAnAdapter { path }.into());
        }
        if let Some(base) = base {
            let failed = |reason| LocalModelError::Convert { place: path, reason: Box::new(reason) };
            check_gguf_adapter(&parsed, base).map_err(failed)?;
        }
    }
    Ok(())
}

/// Checks that a model can be quantized to one of these types at least.
pub(super) fn quantization(
    model: &LocalModel,
    targets: &[Target],
    recipe: &Recipe,
    matrix: Option<&Path>,
) -> Result<(), CliError> {
    // To fit a size takes measuring, and a matrix at the server is not known here.
    let is_known = recipe.target_size.is_none() && (recipe.imatrix.is_empty() || matrix.is_some());
    let Some(plan) = model.plan.as_ref().filter(|_| is_known) else { return Ok(()) };
    let matrix = matrix.map(|path| LocalMatrix::open(path, recipe)).transpose()?;
    let importance = matrix.as_ref().and_then(LocalMatrix::values);
    let mut refusals = Vec::new();
    for target in targets {
        let scheme = recipe.scheme(*target).map_err(super::recipe_options::RecipeError::from)?;
        let quantized = quantize(plan.clone(), &scheme, importance);
        match quantized.and_then(crate::quantize::Quantized::ready) {
            Ok(_) => return Ok(()),
            Err(refusal) => refusals.push(refusal),
        }
    }
    refusals.into_iter().next().map_or(Ok(()), |refusal| Err(refusal.into()))
}
