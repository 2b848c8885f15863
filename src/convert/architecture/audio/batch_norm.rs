//! Norms over batches, whose statistics are fixed when a model is published: what they do to a channel is one
//! factor and one addend, which the runtime takes in their place.

use crate::convert::numbers::Numbers;
use crate::convert::weight::{Weight, WeightError};
use crate::convert::{ConvertError, Model};
use crate::plan::{Derivation, square_root};
use crate::tensor::{ElementType, f16_to_f32, f32_to_f16};

/// Added to variances: PyTorch's default, which all models have.
const EPSILON: f32 = 1e-5;

/// The factors of all channels and then their addends, for the name of the norm's weight; `None` for other
/// names.
///
/// The arithmetic is PyTorch's in the type in which the norm is stored, in single precision for BF16
/// (llama.cpp, `conversion/gemma.py` and `granite.py`).
pub(super) fn folded(numbers: &Numbers<'_>, name: &str) -> Result<Option<Derivation>, ConvertError> {
    let Some(stem) = name.strip_suffix(".batch_norm.weight") else { return Ok(None) };
    let bad = |reason: String| ConvertError::Numbers { tensor: name.to_owned(), reason };
    let of = |part: &str| {
        let tensor = format!("{stem}.batch_norm.{part}");
        let missing = || bad(format!("{tensor} is missing, without which it means nothing"));
        numbers.of(&tensor)?.ok_or_else(missing)
    };
    let (weight, bias, mean, variance) =
        (of("weight")?, of("bias")?, of("running_mean")?, of("running_var")?);
    let channels = weight.len();
    if [&bias, &mean, &variance].iter().any(|part| part.len() != channels) {
        return Err(bad(format!("the norm's other numbers are not {channels} like its weights")));
    }
    let half = numbers.element_type(name)? == Some(ElementType::F16);
    let rounded = |value: f32| if half { f16_to_f32(f32_to_f16(value)) } else { value };
    let deviation = |variance: f32| {
        let variance = rounded(variance + EPSILON);
        if half { rounded(variance.sqrt()) } else { square_root(variance) }
    };
    let factors: Vec<f32> = weight
        .iter()
        .zip(&variance)
        .map(|(weight, variance)| rounded(weight / deviation(*variance)))
        .collect();
    let addends = bias.iter().zip(&mean).zip(&factors);
    let addends = addends.map(|((bias, mean), factor)| rounded(bias - rounded(mean * factor)));
    let both: Vec<f32> = factors.iter().copied().chain(addends).collect();
    let derivation = Derivation::values(both, &[2, channels as u64]);
    derivation.map(Some).map_err(|reason| ConvertError::Dimensions { tensor: name.to_owned(), reason })
}

/// The factors and the addends.
pub(super) fn factors_and_addends(_: &Model, weight: Weight) -> Result<Vec<Weight>, WeightError> {
    let derivation = weight.whole()?;
    Ok(vec![Weight::Whole(derivation.clone().select(0, 0)?), Weight::Whole(derivation.select(0, 1)?)])
}
