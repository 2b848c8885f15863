//! How images are cut into patches: convolutions that are stored otherwise than the runtime applies them.

use crate::convert::Model;
use crate::convert::weight::{Weight, WeightError};
use crate::plan::{Recipe, RecipeError};

/// Colours of an image.
const CHANNELS: u64 = 3;

/// What the two frames of a convolution over time become.
pub(in crate::convert::architecture) const FRAMES: &[&str] =
    &["v.patch_embd.weight", "v.patch_embd.weight.1"];

/// The convolution over two frames as one over each.
pub(in crate::convert::architecture) fn frames(
    _: &Model,
    weight: Weight,
) -> Result<Vec<Weight>, WeightError> {
    let recipe = weight.whole()?;
    // Exactly two: a third frame would be lost.
    let both = recipe.clone().slice(2, 0..2)?.reshape(&recipe.dimensions())?;
    Ok(vec![Weight::Whole(both.clone().select(2, 0)?), Weight::Whole(both.select(2, 1)?)])
}

/// A matrix over the pixels of a patch, colour after colour, as the convolution that it is.
pub(super) fn colour_planes(_: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let recipe = weight.whole()?;
    let side = side(&recipe)?;
    let outputs = recipe.dimensions()[0];
    Ok(Weight::Whole(recipe.reshape(&[outputs, CHANNELS, side, side])?))
}

/// A matrix over the pixels of a patch, pixel after pixel, as the convolution that it is.
pub(super) fn pixels(_: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let recipe = weight.whole()?;
    let side = side(&recipe)?;
    let outputs = recipe.dimensions()[0];
    Ok(Weight::Whole(recipe.reshape(&[outputs, side, side, CHANNELS])?.permute(&[0, 3, 1, 2])?))
}

/// The side of a square patch whose colours are the columns of a matrix.
fn side(recipe: &Recipe) -> Result<u64, RecipeError> {
    match recipe.dimensions()[..] {
        [_, columns] => Ok((columns / CHANNELS).isqrt()),
        _ => Err(RecipeError::Axis { axis: 1, dimensions: recipe.dimensions() }),
    }
}
