//! How images are cut into patches: convolutions that are stored otherwise than the runtime applies them.

use crate::convert::Model;
use crate::convert::weight::{Weight, WeightError};
use crate::plan::{Arithmetic, Constant, Derivation, DerivationError, Operation};

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
    let derivation = weight.whole()?;
    // Exactly two: a third frame would be lost.
    let both = derivation.clone().slice(2, 0..2)?.reshape(&derivation.dimensions())?;
    Ok(vec![Weight::Whole(both.clone().select(2, 0)?), Weight::Whole(both.select(2, 1)?)])
}

/// A matrix over the pixels of a patch, colour after colour, as the convolution that it is.
pub(super) fn colour_planes(_: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let derivation = weight.whole()?;
    let side = side(&derivation)?;
    let outputs = derivation.dimensions()[0];
    Ok(Weight::Whole(derivation.reshape(&[outputs, CHANNELS, side, side])?))
}

/// A matrix over the pixels of a patch, pixel after pixel, as the convolution that it is.
pub(in crate::convert::architecture) fn pixels(_: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let derivation = weight.whole()?;
    let side = side(&derivation)?;
    let outputs = derivation.dimensions()[0];
    Ok(Weight::Whole(derivation.reshape(&[outputs, side, side, CHANNELS])?.permute(&[0, 3, 1, 2])?))
}

/// The side of a square patch whose colours are the columns of a matrix.
fn side(derivation: &Derivation) -> Result<u64, DerivationError> {
    match derivation.dimensions()[..] {
        [_, columns] => Ok((columns / CHANNELS).isqrt()),
        _ => Err(DerivationError::Axis { axis: 1, dimensions: derivation.dimensions() }),
    }
}

/// The most frames that a patch spans.
const MOST_FRAMES: u64 = 8;

/// A matrix over the pixels of several frames, colour after colour in each, as the convolution over one frame
/// that stands for all of them when they are the same: the sum.
pub(super) fn one_frame(model: &Model, weight: Weight) -> Result<Weight, WeightError> {
    const KEY: &str = "patch_temporal";
    let vision = &model.configuration;
    let (frames, side) = (vision.integer(KEY)?, vision.integer("patch_size")?);
    if frames > MOST_FRAMES {
        return Err(vision.bad(KEY, &frames, &format!("at most {MOST_FRAMES} frames")).into());
    }
    let derivation = weight.whole()?;
    let outputs = derivation.dimensions().first().copied().unwrap_or(0);
    let by_frame = derivation.reshape(&[outputs, frames, CHANNELS, side, side])?;
    let mut sum = by_frame.clone().select(1, 0)?;
    for frame in 1..frames {
        sum = sum.with(Arithmetic::Add, by_frame.clone().select(1, frame)?)?;
    }
    Ok(Weight::Whole(sum))
}

/// The most positions in a row that are made anew.
const MOST_IN_A_ROW: u64 = 128;

/// Embeddings `[1, positions, width]` of a square of positions for one with `side` of them in a row, by
/// bilinear interpolation whose corners are the same (PyTorch, `interpolate` with `align_corners`).
pub(super) fn resampled_grid(derivation: Derivation, side: u64) -> Result<Derivation, DerivationError> {
    let dimensions = derivation.dimensions();
    let [1, positions, width] = dimensions[..] else {
        return Err(DerivationError::Axis { axis: 2, dimensions });
    };
    let trained = positions.isqrt();
    if side == trained {
        return Ok(derivation);
    }
    if !(1..=MOST_IN_A_ROW).contains(&side) {
        return Err(DerivationError::Reshape { from: dimensions, to: vec![side, side, width] });
    }
    let grid = derivation.map(Operation::Widen).reshape(&[trained, trained, width])?;
    let places: Vec<Place> = (0..side).map(|index| Place::of(index, side, trained)).collect();
    let mut made = Vec::new();
    for row in &places {
        for column in &places {
            made.push(between(&grid, row, column)?);
        }
    }
    Derivation::stack(made)?.reshape(&[1, side * side, width])
}

/// Where in a row of positions another one lies: between two of them, with a share of each.
struct Place([(u64, f32); 2]);

impl Place {
    /// The place of one of `side` positions among those that were trained. All arithmetic is PyTorch's, in
    /// single precision.
    fn of(index: u64, side: u64, trained: u64) -> Self {
        let step = if side > 1 { (trained - 1) as f32 / (side - 1) as f32 } else { 0.0 };
        let at = step * index as f32;
        let lower = (at as u64).min(trained - 1);
        let upper = (lower + 1).min(trained - 1);
        let share = (at - lower as f32).clamp(0.0, 1.0);
        Self([(lower, 1.0 - share), (upper, share)])
    }
}

/// The sum of the four embeddings around a place, each with its share, in the order in which PyTorch adds
/// them.
fn between(grid: &Derivation, row: &Place, column: &Place) -> Result<Derivation, DerivationError> {
    let ([above, below], [left, right]) = (row.0, column.0);
    let mut sum: Option<Derivation> = None;
    for (row, column) in [(below, left), (below, right), (above, right), (above, left)] {
        let share = row.1 * column.1;
        if share == 0.0 {
            continue;
        }
        let embedding = grid.clone().select(0, row.0)?.select(0, column.0)?;
        let part = embedding.map(Operation::Multiply(Constant::new(share.into())));
        sum = Some(match sum {
            Some(sum) => sum.with(Arithmetic::Add, part)?,
            None => part,
        });
    }
    sum.ok_or_else(|| DerivationError::Dimensions { dimensions: grid.dimensions() })
}
