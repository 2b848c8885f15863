//! MLX: codes packed along the inputs without gaps, the first in the lowest bits (MLX, `mlx.core.quantize`).
//! A weight is `code · scale + bias` for each group of inputs; other modes hold floats with scales alone.
//! Experts of a layer are one tensor.

use serde_json::Value;

use super::super::{Configuration, ConvertError};
use super::format::Format;
use super::settings::Settings;
use super::tensors::{FLOATS, Tensors, Weighed, expect, float_type, impossible, refuse, spread};
use crate::plan::{Arithmetic, Codes, Derivation, Encoding, Levels, Packing, Spread};
use crate::safetensors::{CheckpointTensor, Dtype};

pub(super) const FORMAT: Format = Format { name: "MLX", keeps: false, unpack };

/// Modes whose codes are floats: bits of a code, inputs that share a scale, what codes and scales stand for.
const FLOAT_MODES: [(&str, u32, u64, Levels, Levels); 3] = [
    ("mxfp4", 4, 32, Levels::F4E2M1, Levels::F8E8M0),
    ("mxfp8", 8, 32, Levels::F8E4M3, Levels::F8E8M0),
    ("nvfp4", 4, 16, Levels::F4E2M1, Levels::F8E4M3),
];

/// Bits and inputs of a group that MLX has.
const BITS: [u64; 6] = [2, 3, 4, 5, 6, 8];
const GROUPS: [u64; 4] = [16, 32, 64, 128];

fn unpack(settings: &Settings, tensors: &mut Tensors<'_>) -> Result<(), ConvertError> {
    if settings.method != "mlx" {
        return Ok(());
    }
    for (scales, stem) in tensors.ending(".scales") {
        tensors.take(&scales.name);
        let name = format!("{stem}.weight");
        let weight = tensors
            .take(&name)
            .ok_or_else(|| refuse(scales, format!("it scales {name:?}, which is missing")))?;
        let values = of_module(settings.values("bits")?, stem)?;
        let numbers = match values.text_value("mode")?.unwrap_or("affine") {
            "affine" => {
                let biases = tensors.need(&format!("{stem}.biases"), weight)?;
                affine(&values, weight, scales, biases)?
            }
            mode => floats(mode, &values, weight, scales)?,
        };
        put_each(tensors, name, weight, numbers)?;
    }
    let stacked: Vec<_> =
        tensors.ending(".weight").into_iter().filter(|(_, stem)| stem.contains(STACK)).collect();
    for (weight, _) in stacked {
        let plain = Encoding::Plain(float_type(weight)?);
        let numbers = spread(weight, plain, &weight.dimensions, Spread::Each)?;
        put_each(tensors, weight.name.clone(), weight, numbers)?;
    }
    Ok(())
}

/// What is said of the weight of a module: settings of its own, or those of all.
fn of_module(values: &Configuration, module: &str) -> Result<Configuration, ConvertError> {
    let Some(mut own) = values.part(module) else { return Ok(values.clone()) };
    for key in ["bits", "group_size", "mode"] {
        if let Some(value) = values.value(key).filter(|_| !own.has(key)) {
            own.set(key, value.clone());
        }
    }
    Ok(own)
}

/// A number of the settings that is one of those that MLX has.
fn one_of(values: &Configuration, key: &str, allowed: &[u64]) -> Result<u64, ConvertError> {
    let number = values.integer(key)?;
    match allowed.contains(&number) {
        true => Ok(number),
        false => Err(values.bad(key, &number, &format!("one of {allowed:?}"))),
    }
}

/// `code · scale + bias`.
fn affine(
    values: &Configuration,
    weight: &CheckpointTensor,
    scales: &CheckpointTensor,
    biases: &CheckpointTensor,
) -> Result<Derivation, ConvertError> {
    let bits = one_of(values, "bits", &BITS)? as u32;
    let group = one_of(values, "group_size", &GROUPS)?;
    let (dimensions, groups) = sizes(weight, bits, group)?;
    expect(scales, &FLOATS, &groups)?;
    expect(biases, &FLOATS, &groups)?;
    let codes = Codes { bits, packing: Packing::across_words(bits), levels: Levels::Unsigned };
    let codes = spread(weight, Encoding::Codes(codes), &dimensions, Spread::Each)?;
    let shared = Spread::Blocks { rows: 1, columns: group };
    let scales = spread(scales, Encoding::Plain(float_type(scales)?), &dimensions, shared)?;
    let biases = spread(biases, Encoding::Plain(float_type(biases)?), &dimensions, shared)?;
    let numbers = codes.with(Arithmetic::Multiply, scales);
    numbers.and_then(|numbers| numbers.with(Arithmetic::Add, biases)).map_err(impossible(weight))
}

/// `code · scale` of floats.
fn floats(
    mode: &str,
    values: &Configuration,
    weight: &CheckpointTensor,
    scales: &CheckpointTensor,
) -> Result<Derivation, ConvertError> {
    let known = FLOAT_MODES.iter().find(|(name, ..)| *name == mode);
    let (_, bits, group, levels, scale_levels) =
        *known.ok_or_else(|| values.bad("mode", &Value::from(mode), "affine, mxfp4, mxfp8 or nvfp4"))?;
    let (dimensions, groups) = sizes(weight, bits, group)?;
    expect(scales, &[Dtype::U8], &groups)?;
    let codes = Codes { bits, packing: Packing::in_words(bits), levels };
    let codes = spread(weight, Encoding::Codes(codes), &dimensions, Spread::Each)?;
    let shared = Spread::Blocks { rows: 1, columns: group };
    let scales = spread(scales, Encoding::Codes(Codes::of_bytes(scale_levels)), &dimensions, shared)?;
    codes.with(Arithmetic::Multiply, scales).map_err(impossible(weight))
}

/// The dimensions of a weight, and those of what its groups share.
fn sizes(weight: &CheckpointTensor, bits: u32, group: u64) -> Result<(Vec<u64>, Vec<u64>), ConvertError> {
    let fails = || {
        let has = &weight.dimensions;
        refuse(weight, format!("its shape {has:?} does not hold codes of {bits} bits in groups of {group}"))
    };
    let [before @ .., words] = weight.dimensions.as_slice() else { return Err(fails()) };
    let inputs =
        words.checked_mul(32).filter(|all| all.is_multiple_of(bits.into())).map(|all| all / u64::from(bits));
    let inputs = inputs.filter(|inputs| *inputs > 0 && inputs.is_multiple_of(group)).ok_or_else(fails)?;
    if weight.dtype != Dtype::U32 {
        return Err(refuse(weight, format!("its element type is {}, expected U32", weight.dtype)));
    }
    Ok(([before, &[inputs]].concat(), [before, &[inputs / group]].concat()))
}

/// What stands in the names of stacked experts.
const STACK: &str = ".switch_mlp.";

/// The most experts of a layer; released models have 512.
const MOST_EXPERTS: u64 = 4096;

/// Puts a weight, or those of the experts that it stacks under the names that they have elsewhere.
fn put_each(
    tensors: &mut Tensors<'_>,
    name: String,
    weight: &CheckpointTensor,
    numbers: Derivation,
) -> Result<(), ConvertError> {
    let Some((before, after)) = name.split_once(STACK) else {
        tensors.put(name, weight, Weighed::Numbers(numbers));
        return Ok(());
    };
    let [experts, _, _] = numbers.dimensions()[..] else {
        return Err(refuse(
            weight,
            format!("its shape is {:?}, expected a stack of experts", weight.dimensions),
        ));
    };
    if experts > MOST_EXPERTS {
        return Err(refuse(weight, format!("it stacks {experts} experts, more than {MOST_EXPERTS}")));
    }
    for expert in 0..experts {
        let numbers = numbers.clone().select(0, expert).map_err(impossible(weight))?;
        let after = if before.ends_with(".block_sparse_moe") { by_number(after) } else { after };
        tensors.put(format!("{before}.experts.{expert}.{after}"), weight, Weighed::Numbers(numbers));
    }
    Ok(())
}

/// The names of matrices in the mixtures that number theirs.
fn by_number(matrix: &str) -> &str {
    match matrix {
        "gate_proj.weight" => "w1.weight",
        "down_proj.weight" => "w2.weight",
        "up_proj.weight" => "w3.weight",
        other => other,
    }
}
