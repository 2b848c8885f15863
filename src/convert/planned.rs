//! The tensors of a file to be made, and what its metadata say of how they are stored.

use super::ConvertError;
use super::model::Model;
use super::output_type::Precision;
use super::parameters::Parameters;
use super::weight::{LowRank, Packed, Weight};
use crate::plan::{Derivation, PlannedTensor, SourceDescription};
use crate::quantize::{FILE_TYPE_KEY, FileType, NVFP4_FILE, QUANTIZATION_VERSION};
use crate::safetensors::Checkpoint;
use crate::tensor::ElementType;

/// The embeddings of a model file.
pub(super) const EMBEDDINGS: &str = "token_embd.weight";

/// States the file type where the family states one, and the version of the block formats.
pub(super) fn state_storage(out: &mut Parameters, precision: Precision, tensors: &[PlannedTensor]) {
    let has = |element_type| tensors.iter().any(|tensor| tensor.element_type == element_type);
    let number = match precision.0 {
        ElementType::Q8_0 => precision.file_type(),
        _ if has(ElementType::Nvfp4) => NVFP4_FILE,
        _ if has(ElementType::Mxfp4) => FileType::Mxfp4Moe.id(),
        _ => precision.file_type(),
    };
    if out.has_plain(FILE_TYPE_KEY) {
        out.set_plain(FILE_TYPE_KEY, number);
    }
    let (key, version) = QUANTIZATION_VERSION;
    out.set_plain(key, version);
}

/// The tensors of a plan. Tables of whole numbers stand first. Those that are already packed stand first,
/// with what scales them, and stay what they are.
pub(super) fn planned(
    mapped: Vec<(String, Weight)>,
    element_type: impl Fn(&str, &[u64]) -> ElementType,
) -> Result<Vec<PlannedTensor>, ConvertError> {
    let (mut tables, mut packed) = (Vec::new(), Vec::new());
    let mut tensors = Vec::with_capacity(mapped.len());
    let mut plan = |name: String, derivation: Derivation| {
        let tensor = planned_tensor(name, derivation, &element_type)?;
        match tensor.element_type {
            ElementType::I32 => tables.push(tensor),
            ElementType::Mxfp4 => packed.push(tensor),
            _ => tensors.push(tensor),
        }
        Ok::<_, ConvertError>(())
    };
    let mut scaled = Vec::new();
    for (name, weight) in mapped {
        match weight {
            Weight::Whole(derivation) => plan(name, derivation)?,
            Weight::Packed(weight) if weight.stays_packed() => {
                scaled.extend(blocks_and_scales(name, weight)?);
            }
            Weight::Packed(Packed { numbers, .. }) => plan(name, numbers)?,
            Weight::LowRank(LowRank { a, b, .. }) => {
                plan(format!("{name}.lora_a"), a)?;
                plan(format!("{name}.lora_b"), b)?;
            }
        }
    }
    tables.append(&mut packed);
    tables.append(&mut scaled);
    tables.append(&mut tensors);
    Ok(tables)
}

/// Puts stacks that stay packed behind all other weights. The reference converter writes them at once when
/// the last of their experts is read, or, where the configuration does not tell it how many there are, in the
/// end.
pub(super) fn packed_stacks_last(model: &Model, mapped: &mut [(String, Weight)]) {
    if model.configuration.first(&["num_local_experts", "num_experts"]).is_none() {
        mapped.sort_by_key(|(_, weight)| {
            matches!(weight, Weight::Packed(Packed { blocks, .. }) if blocks.dimensions().len() > 2)
        });
    }
}

/// The names of tensors that stay NVFP4 while their inputs are not to be rounded to four bits, sorted.
pub(super) fn with_precise_inputs(mapped: &[(String, Weight)]) -> Vec<String> {
    let precise = mapped.iter().filter(|(_, weight)| {
        matches!(weight, Weight::Packed(packed) if packed.precise_inputs && packed.stays_packed())
    });
    let mut names: Vec<String> = precise.map(|(name, _)| name.clone()).collect();
    names.sort_unstable();
    names
}

/// States of which tensors the inputs are not to be rounded to four bits (llama.cpp, `_tag_prec_a4` in
/// `conversion/base.py`).
pub(super) fn state_precise_inputs(out: &mut Parameters, names: Vec<String>) {
    if !names.is_empty() {
        let rounded = vec![false; names.len()];
        out.set_plain("general.tensor_extra.name", names);
        out.set_plain("general.tensor_extra.prec_a4", rounded);
    }
}

/// Blocks of NVFP4, and the numbers by which the runtime multiplies each matrix and its inputs where they are
/// not one (llama.cpp, `_generate_nvfp4_tensors` in `conversion/base.py`).
fn blocks_and_scales(name: String, weight: Packed) -> Result<Vec<PlannedTensor>, ConvertError> {
    let Packed { blocks, scales, input_scales, .. } = weight;
    let shape = |tensor: &str| {
        let tensor = tensor.to_owned();
        move |reason| ConvertError::Shape { tensor, reason }
    };
    let mut tensors =
        vec![PlannedTensor::new(name.clone(), ElementType::Nvfp4, blocks).map_err(shape(&name))?];
    let stem = name.strip_suffix(".weight").unwrap_or(&name);
    for (ending, numbers) in [("scale", scales), ("input_scale", input_scales)] {
        // A list is compared as NumPy does, which allows for a relative error too.
        let tolerance = if numbers.len() == 1 { 1e-6 } else { 1.1e-5 };
        if numbers.iter().all(|number| (f64::from(*number) - 1.0).abs() < tolerance) {
            continue;
        }
        let name = format!("{stem}.{ending}");
        let dimensions = [numbers.len() as u64];
        let derivation = Derivation::values(numbers, &dimensions)
            .map_err(|reason| ConvertError::Dimensions { tensor: name.clone(), reason })?;
        tensors.push(PlannedTensor::new(name.clone(), ElementType::F32, derivation).map_err(shape(&name))?);
    }
    Ok(tensors)
}

fn planned_tensor(
    name: String,
    derivation: Derivation,
    element_type: impl Fn(&str, &[u64]) -> ElementType,
) -> Result<PlannedTensor, ConvertError> {
    let derivation = if derivation.dimensions().is_empty() {
        derivation
            .reshape(&[1])
            .map_err(|reason| ConvertError::Dimensions { tensor: name.clone(), reason })?
    } else {
        derivation
    };
    let element_type = match derivation.stored_type() {
        kept @ (ElementType::Mxfp4 | ElementType::I32) => kept,
        _ => element_type(&name, &derivation.dimensions()),
    };
    PlannedTensor::new(name.clone(), element_type, derivation)
        .map_err(|reason| ConvertError::Shape { tensor: name, reason })
}

/// The files of a checkpoint as the sources of a plan.
pub(super) fn sources(checkpoint: &Checkpoint) -> Vec<SourceDescription> {
    let files = checkpoint.files.iter();
    files.map(|(label, length)| SourceDescription { label: label.clone(), length: *length }).collect()
}
