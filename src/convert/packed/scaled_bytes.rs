//! Weights of one byte a number, with scales that multiply them: FP8 as DeepSeek, Mistral, ModelOpt and
//! compressed-tensors store it, and integers of eight bits (llama.cpp, `dequant_model` in
//! `conversion/base.py`).

use serde_json::Value;

use super::super::{Configuration, ConvertError};
use super::format::Format;
use super::settings::Settings;
use super::tensors::{FLOATS, Tensors, Weighed, count, expect_type, float_type, impossible, location};
use super::tensors::{refuse, spread};
use crate::plan::{Arithmetic, Codes, Derivation, Encoding, Levels, Spread, Stored};
use crate::safetensors::{CheckpointTensor, Dtype};

pub(super) const FORMAT: Format = Format { name: "8 bits with scales", keeps: false, unpack };

/// Scales of activations and caches, of which nothing is made.
const UNUSED: [&str; 8] = [
    ".activation_scale",
    "_activation_scale",
    ".input_scale",
    ".output_scale",
    ".k_scale",
    ".v_scale",
    ".qscale_act",
    ".input_zero_point",
];

/// Endings of the names of scales, and what stands for each in the name of the weight.
const SCALES: [(&str, &str); 4] = [
    ("_scale_inv", ""),
    (".weight_scale", ".weight"),
    (".qscale_weight", ".weight"),
    (PLAIN_SCALE, ".weight"),
];

/// What DeepSeek V4 calls scales, and others what is no scale of a weight.
const PLAIN_SCALE: &str = ".scale";

/// Numbers of one byte without scales.
pub(in crate::convert) fn plain_bytes(dtype: Dtype) -> Option<Encoding> {
    let levels = match dtype {
        Dtype::F8_E4M3 => Levels::F8E4M3,
        Dtype::F8_E5M2 => Levels::F8E5M2,
        _ => return None,
    };
    Some(Encoding::Codes(Codes::of_bytes(levels)))
}

fn unpack(settings: &Settings, tensors: &mut Tensors<'_>) -> Result<(), ConvertError> {
    for suffix in UNUSED {
        for (tensor, _) in tensors.ending(suffix) {
            tensors.take(&tensor.name);
        }
    }
    let block = settings.optional().map_or(Ok(None), block_size)?;
    let asymmetric = settings.optional().is_some_and(is_asymmetric);
    for (suffix, ending) in SCALES {
        for (scales, stem) in tensors.ending(suffix) {
            let name = format!("{stem}{ending}");
            let is_scaled = || tensors.get(&name).is_some_and(|weight| plain_bytes(weight.dtype).is_some());
            if suffix == PLAIN_SCALE && !is_scaled() {
                continue;
            }
            tensors.take(&scales.name);
            let weight = tensors
                .take(&name)
                .ok_or_else(|| refuse(scales, format!("it scales {name:?}, which is missing")))?;
            let zeros = format!("{name}_zero_point");
            let zeros = match asymmetric && weight.dtype == Dtype::I8 {
                true => Some(tensors.need(&zeros, weight)?),
                false => tensors.take(&zeros),
            };
            let numbers = match tensors.is_stored_by_rank(&name) {
                true => by_rank(weight, scales)?,
                false => scaled(weight, scales, zeros, block)?,
            };
            tensors.put(name, weight, Weighed::Numbers(numbers));
        }
    }
    if settings.method.is_empty() {
        return Ok(());
    }
    // Where nothing is said of scales, these are the numbers themselves.
    let lost = tensors.ending(".weight").into_iter().map(|(tensor, _)| tensor);
    match lost.into_iter().find(|tensor| plain_bytes(tensor.dtype).is_some()) {
        None => Ok(()),
        Some(weight) => {
            let reason =
                format!("its scales are missing ({}); config.json says {}", SCALES[1].0, settings.method);
            Err(refuse(weight, reason))
        }
    }
}

/// Whether all groups of a configuration of compressed-tensors have zeros beside their scales.
fn is_asymmetric(settings: &Configuration) -> bool {
    let groups = settings.value("config_groups").and_then(Value::as_object);
    let has_zeros = |group: &Value| {
        group.get("weights").and_then(|weights| weights.get("symmetric")) == Some(&Value::Bool(false))
    };
    groups.is_some_and(|groups| !groups.is_empty() && groups.values().all(has_zeros))
}

/// Rows and columns that share a scale, where the configuration says so: for all weights, or
/// (compressed-tensors) for those of the first group.
fn block_size(settings: &Configuration) -> Result<Option<(u64, u64)>, ConvertError> {
    let groups = settings.value("config_groups").and_then(Value::as_object);
    let group = groups.and_then(|groups| groups.values().next()).and_then(|group| group.get("weights"));
    let grouped = group.and_then(|weights| weights.get("block_structure")).filter(|block| !block.is_null());
    let stated = settings.value("weight_block_size").map(|block| ("weight_block_size", block));
    let Some((key, block)) = stated.or_else(|| grouped.map(|block| ("block_structure", block))) else {
        return Ok(None);
    };
    let sides: Option<Vec<u64>> =
        block.as_array().and_then(|sides| sides.iter().map(Value::as_u64).collect());
    match sides.as_deref() {
        Some([rows, columns]) if *rows > 0 && *columns > 0 => Ok(Some((*rows, *columns))),
        _ => Err(settings.bad(key, block, "two positive numbers")),
    }
}

/// `(weight − zeros) · scales`.
fn scaled(
    weight: &CheckpointTensor,
    scales: &CheckpointTensor,
    zeros: Option<&CheckpointTensor>,
    block: Option<(u64, u64)>,
) -> Result<Derivation, ConvertError> {
    let dimensions = &weight.dimensions;
    let shared = layout(weight, scales, block)?;
    let numbers = spread(weight, weight_encoding(weight)?, dimensions, Spread::Each)?;
    let numbers = match zeros {
        None => numbers,
        Some(zeros) => {
            expect_type(zeros, &[Dtype::I8])?;
            if zeros.dimensions != scales.dimensions {
                let reason = format!("its shape is {:?}, expected {:?}", zeros.dimensions, scales.dimensions);
                return Err(refuse(zeros, reason));
            }
            let zeros = spread(zeros, weight_encoding(zeros)?, dimensions, shared)?;
            numbers.with(Arithmetic::Subtract, zeros).map_err(impossible(weight))?
        }
    };
    let scales = spread(scales, scale_encoding(scales)?, dimensions, shared)?;
    numbers.with(Arithmetic::Multiply, scales).map_err(impossible(weight))
}

fn weight_encoding(weight: &CheckpointTensor) -> Result<Encoding, ConvertError> {
    match weight.dtype {
        Dtype::I8 => Ok(Encoding::Codes(Codes::of_bytes(Levels::Signed))),
        dtype => plain_bytes(dtype).ok_or_else(|| {
            refuse(weight, format!("its element type is {dtype}; only F8_E4M3, F8_E5M2 and I8 have scales"))
        }),
    }
}

fn scale_encoding(scales: &CheckpointTensor) -> Result<Encoding, ConvertError> {
    match scales.dtype {
        // As MX formats have them.
        Dtype::F8_E8M0 | Dtype::U8 => Ok(Encoding::Codes(Codes::of_bytes(Levels::F8E8M0))),
        _ => Ok(Encoding::Plain(float_type(scales)?)),
    }
}

/// How the scales lie over the last two dimensions of the weight.
fn layout(
    weight: &CheckpointTensor,
    scales: &CheckpointTensor,
    block: Option<(u64, u64)>,
) -> Result<Spread, ConvertError> {
    let fails = || {
        let (scales_have, weight_has) = (&scales.dimensions, &weight.dimensions);
        refuse(scales, format!("scales {scales_have:?} do not fit a weight {weight_has:?}"))
    };
    let [matrices @ .., rows, columns] = weight.dimensions.as_slice() else { return Err(fails()) };
    let (rows, columns) = (*rows, *columns);
    let count = count(scales);
    let matrices = matrices.iter().fold(1_u64, |count, length| count.saturating_mul(*length));
    let groups = scales.dimensions.last().copied().unwrap_or(1);
    let block = match block {
        Some(block) => block,
        // One scale a matrix, one a row, or several a row.
        None if count == matrices => (rows, columns),
        None if Some(count) == matrices.checked_mul(rows) => (1, columns),
        None if groups > 0 && columns.is_multiple_of(groups) => (1, columns / groups),
        None => return Err(fails()),
    };
    let blocks = |length: u64, side: u64| (side > 0).then(|| length.div_ceil(side));
    let expected = blocks(rows, block.0).zip(blocks(columns, block.1));
    let expected = expected.and_then(|(down, across)| down.checked_mul(across)?.checked_mul(matrices));
    if expected != Some(count) {
        return Err(fails());
    }
    Ok(Spread::Blocks { rows: block.0, columns: block.1 })
}

/// The rows and columns that share a scale in weights that are stored rank by rank.
const RANK_BLOCK: u64 = 128;

/// A weight `[rows, columns]` as `[ranks, rows of a rank, columns]`. How many ranks there were follows from
/// the number of scales, since each rank's last block is cut off (llama.cpp, `conversion/mimo.py`).
fn by_rank(weight: &CheckpointTensor, scales: &CheckpointTensor) -> Result<Derivation, ConvertError> {
    let fails = || {
        let (scales_have, weight_has) = (&scales.dimensions, &weight.dimensions);
        let reason = format!(
            "scales {scales_have:?} of blocks of {RANK_BLOCK} do not fit a weight {weight_has:?} stored by 8 \
             ranks or by 4"
        );
        refuse(scales, reason)
    };
    let ([rows, columns], [scale_rows, scale_columns]) = (&weight.dimensions[..], &scales.dimensions[..])
    else {
        return Err(fails());
    };
    let fits = |ranks: &u64| {
        let own = rows / ranks;
        rows % ranks == 0 && own > 0 && own.div_ceil(RANK_BLOCK).saturating_mul(*ranks) == *scale_rows
    };
    let ranks = [8, 4].into_iter().find(fits).ok_or_else(fails)?;
    expect_type(scales, &FLOATS)?;
    if weight.dtype != Dtype::F8_E4M3 || columns.div_ceil(RANK_BLOCK) != *scale_columns {
        return Err(fails());
    }
    let own = rows / ranks;
    // The part of a tensor that a rank has, whose elements are so long.
    let part = |tensor: &CheckpointTensor, encoding: Encoding, elements: u64, rank: u64, spread: Spread| {
        let mut location = location(tensor);
        location.offset += rank.saturating_mul(elements) * (tensor.dtype.bitsize() / 8) as u64;
        Derivation::stored(Stored { location, encoding, dimensions: vec![own, *columns], spread })
    };
    let shared = Spread::Blocks { rows: RANK_BLOCK, columns: RANK_BLOCK };
    let (weights, scales_are) = (weight_encoding(weight)?, scale_encoding(scales)?);
    let parts = (0..ranks).map(|rank| {
        let own_scales = (scale_rows / ranks).saturating_mul(*scale_columns);
        let numbers = part(weight, weights.clone(), own.saturating_mul(*columns), rank, Spread::Each)?;
        numbers.with(Arithmetic::Multiply, part(scales, scales_are.clone(), own_scales, rank, shared)?)
    });
    parts.collect::<Result<Vec<_>, _>>().and_then(Derivation::stack).map_err(impossible(weight))
}
