//! NVFP4: floats of four bits, a scale of eight for each 16 of them, and one for all (ModelOpt,
//! `NVFP4QTensor`; compressed-tensors, `compressors/nvfp4`, which stores the reciprocal of the last). The
//! blocks become ggml's as they are, and the scale of all a tensor beside them (llama.cpp,
//! `_generate_nvfp4_tensors` in `conversion/base.py`).

use super::super::ConvertError;
use super::format::Format;
use super::settings::Settings;
use super::tensors::{Tensors, Weighed, count, expect, impossible, location, matrix, refuse, spread};
use crate::plan::{Arithmetic, Codes, Constant, Derivation, Encoding, Levels, Operation, Packing, Spread};
use crate::safetensors::{CheckpointTensor, Dtype};

pub(super) const FORMAT: Format = Format { name: "NVFP4", keeps: true, unpack };

/// What the parts of a weight are called.
struct Layout {
    codes: &'static str,
    scale: &'static str,
    input_scale: &'static str,
    /// Whether the last two are reciprocals.
    inverted: bool,
}

const LAYOUTS: [Layout; 2] = [
    Layout { codes: ".weight", scale: ".weight_scale_2", input_scale: ".input_scale", inverted: false },
    Layout {
        codes: ".weight_packed",
        scale: ".weight_global_scale",
        input_scale: ".input_global_scale",
        inverted: true,
    },
];

/// Elements that share a scale.
const GROUP: u64 = 16;

fn unpack(settings: &Settings, tensors: &mut Tensors<'_>) -> Result<(), ConvertError> {
    for layout in LAYOUTS {
        for (scales, stem) in tensors.ending(".weight_scale") {
            let Some(codes) = tensors.get(&format!("{stem}{}", layout.codes)) else { continue };
            if codes.dtype != Dtype::U8 || scales.dtype != Dtype::F8_E4M3 {
                continue;
            }
            tensors.take(&scales.name);
            let scale = tensors.need(&format!("{stem}{}", layout.scale), codes)?;
            let scale = number(tensors, scale, layout.inverted)?;
            let input_scale = tensors.take(&format!("{stem}{}", layout.input_scale));
            let input_scale =
                input_scale.map(|tensor| number(tensors, tensor, layout.inverted)).transpose()?;
            let precise = settings.algorithm_of(&module(stem)) == Some(WEIGHTS_ALONE);
            let weight = weight(codes, scales, (scale, input_scale), precise)?;
            tensors.put(format!("{stem}.weight"), codes, weight);
        }
    }
    Ok(())
}

/// ModelOpt's name for weights of four bits whose inputs have sixteen.
const WEIGHTS_ALONE: &str = "W4A16_NVFP4";

/// The module whose algorithm counts: experts have that of all of them.
fn module(stem: &str) -> String {
    let is_number = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
    match stem.split_once(".experts.") {
        Some((before, after)) => match after.split_once('.').filter(|(number, _)| is_number(number)) {
            Some((_, matrix)) => format!("{before}.experts.{matrix}"),
            None => stem.to_owned(),
        },
        None => stem.to_owned(),
    }
}

/// The number that a tensor holds, or its reciprocal.
fn number(tensors: &Tensors<'_>, tensor: &CheckpointTensor, inverted: bool) -> Result<f32, ConvertError> {
    if tensor.dtype != Dtype::F32 || count(tensor) != 1 {
        let (dtype, has) = (tensor.dtype, &tensor.dimensions);
        return Err(refuse(tensor, format!("it is {dtype} {has:?}, expected one number of F32")));
    }
    let bytes = tensors.bytes(tensor, 4)?;
    let number = bytes.first_chunk().map_or(f32::NAN, |bytes| f32::from_le_bytes(*bytes));
    let number = if inverted { 1.0 / number } else { number };
    match number.is_finite() {
        true => Ok(number),
        false => Err(refuse(tensor, format!("it comes to {number}, expected a finite number"))),
    }
}

fn weight(
    codes: &CheckpointTensor,
    scales: &CheckpointTensor,
    (scale, input_scale): (f32, Option<f32>),
    precise_inputs: bool,
) -> Result<Weighed, ConvertError> {
    let [rows, bytes] = matrix(codes)?;
    let columns = bytes.saturating_mul(2);
    if columns == 0 || !columns.is_multiple_of(GROUP) {
        let reason = format!("rows of {columns} numbers do not consist of groups of {GROUP}");
        return Err(refuse(codes, reason));
    }
    expect(scales, &[Dtype::F8_E4M3], &[rows, columns / GROUP])?;
    let dimensions = [rows, columns];
    let blocks = spread(codes, Encoding::Nvfp4 { scales: location(scales) }, &dimensions, Spread::Each)?;
    let numbers = numbers(codes, scales, scale, &dimensions)?;
    Ok(Weighed::Blocks { blocks, numbers, scale, input_scale, precise_inputs })
}

/// `code · (group's scale · scale)`.
fn numbers(
    codes: &CheckpointTensor,
    scales: &CheckpointTensor,
    scale: f32,
    dimensions: &[u64],
) -> Result<Derivation, ConvertError> {
    let floats = Codes { bits: 4, packing: Packing::in_bytes(4), levels: Levels::F4E2M1 };
    let floats = spread(codes, Encoding::Codes(floats), dimensions, Spread::Each)?;
    let of_group = Spread::Blocks { rows: 1, columns: GROUP };
    let encoding = Encoding::Codes(Codes::of_bytes(Levels::F8E4M3));
    let scales = spread(scales, encoding, dimensions, of_group)?;
    let scales = scales.map(Operation::Multiply(Constant::new(scale.into())));
    floats.with(Arithmetic::Multiply, scales).map_err(impossible(codes))
}
