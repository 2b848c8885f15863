//! The tensors of a file to be made, and what its metadata say of how they are stored.

use super::ConvertError;
use super::output_type::Precision;
use super::parameters::Parameters;
use super::weight::Weight;
use crate::plan::{PlannedTensor, Recipe, SourceDescription};
use crate::quantize::{FILE_TYPE_KEY, FileType, QUANTIZATION_VERSION};
use crate::safetensors::Checkpoint;
use crate::tensor::ElementType;

/// States the file type where the family states one, and the version of the block formats.
pub(super) fn state_storage(out: &mut Parameters, precision: Precision, tensors: &[PlannedTensor]) {
    let packed = tensors.iter().any(|tensor| tensor.element_type == ElementType::Mxfp4);
    let number = if packed && precision.0 != ElementType::Q8_0 {
        FileType::Mxfp4Moe.id()
    } else {
        precision.file_type()
    };
    if out.has_plain(FILE_TYPE_KEY) {
        out.set_plain(FILE_TYPE_KEY, number);
    }
    let (key, version) = QUANTIZATION_VERSION;
    out.set_plain(key, version);
}

/// The tensors of a plan. Those that are already packed stand first and stay what they are.
pub(super) fn planned(
    mapped: Vec<(String, Weight)>,
    element_type: impl Fn(&str, &[u64]) -> ElementType,
) -> Result<Vec<PlannedTensor>, ConvertError> {
    let mut tensors = Vec::with_capacity(mapped.len());
    for (name, weight) in mapped {
        match weight {
            Weight::Whole(recipe) => tensors.push(planned_tensor(name, recipe, &element_type)?),
            Weight::LowRank { a, b } => {
                tensors.push(planned_tensor(format!("{name}.lora_a"), a, &element_type)?);
                tensors.push(planned_tensor(format!("{name}.lora_b"), b, &element_type)?);
            }
        }
    }
    tensors.sort_by_key(|tensor| tensor.element_type != ElementType::Mxfp4);
    Ok(tensors)
}

fn planned_tensor(
    name: String,
    recipe: Recipe,
    element_type: impl Fn(&str, &[u64]) -> ElementType,
) -> Result<PlannedTensor, ConvertError> {
    let recipe = if recipe.dimensions().is_empty() {
        recipe.reshape(&[1]).map_err(|reason| ConvertError::Dimensions { tensor: name.clone(), reason })?
    } else {
        recipe
    };
    let element_type = match recipe.stored_type() {
        ElementType::Mxfp4 => ElementType::Mxfp4,
        _ => element_type(&name, &recipe.dimensions()),
    };
    PlannedTensor::new(name.clone(), element_type, recipe)
        .map_err(|reason| ConvertError::Shape { tensor: name, reason })
}

/// The files of a checkpoint as the sources of a plan.
pub(super) fn sources(checkpoint: &Checkpoint) -> Vec<SourceDescription> {
    let files = checkpoint.files.iter();
    files.map(|(label, length)| SourceDescription { label: label.clone(), length: *length }).collect()
}
