//! The convolutions that sound goes through, with kernels and biases in the shapes in which the runtime has
//! them.

use crate::convert::Model;
use crate::convert::weight::{Weight, WeightError};
use crate::tensor::ElementType;

/// A bias as a column, which is added to every step in time.
pub(in crate::convert::architecture) fn column(_: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let rows = weight.row_count();
    Ok(Weight::Whole(weight.whole()?.reshape(&[rows, 1])?))
}

/// A bias that is added to every point of a plane of time and pitch.
pub(super) fn plane(_: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let rows = weight.row_count();
    Ok(Weight::Whole(weight.whole()?.reshape(&[rows, 1, 1])?))
}

/// A convolution over one step in time as the matrix that it is.
pub(super) fn point(_: &Model, weight: Weight) -> Result<Weight, WeightError> {
    Ok(Weight::Whole(weight.whole()?.squeeze(2)?))
}

/// Convolutions are F16 in every file: the runtime has them in no other 16-bit type.
pub(super) fn half(name: &str) -> Option<ElementType> {
    is_first(name).then_some(ElementType::F16)
}

/// Convolutions are F32 in every file.
pub(super) fn single(name: &str) -> Option<ElementType> {
    is_first(name).then_some(ElementType::F32)
}

/// Convolutions are F32 in every file, and so are those inside the layers.
pub(super) fn single_in_layers(name: &str) -> Option<ElementType> {
    (is_first(name) || (name.contains(".conv_") && name.ends_with(".weight"))).then_some(ElementType::F32)
}

/// Whether a tensor is a convolution that sound goes through before the layers.
fn is_first(name: &str) -> bool {
    name.starts_with("a.conv") && name.ends_with(".weight")
}
