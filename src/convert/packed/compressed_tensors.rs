//! Integers as compressed-tensors packs them (`pack-quantized`): codes along the inputs, zeros along the
//! outputs, a scale for each row or for each group of inputs (compressed-tensors,
//! `compressors/pack_quantized`; llama.cpp, `dequant_packed` in `conversion/base.py`).
//!
//! A weight is `(code − zero) · scale`; without zeros the zero is half the range. Words hold as many codes as
//! fit, or, since version 0.13, codes without gaps.

use serde_json::Value;

use super::super::{Configuration, ConvertError};
use super::format::Format;
use super::settings::Settings;
use super::tensors::{
    FLOATS, Tensors, Weighed, expect, expect_type, float_type, impossible, location, matrix,
};
use super::tensors::{refuse, spread};
use crate::plan::{Arithmetic, Codes, Constant, Derivation, Encoding, Levels, Operation, Packing, Spread};
use crate::safetensors::{CheckpointTensor, Dtype};

pub(super) const FORMAT: Format = Format { name: "compressed-tensors", keeps: false, unpack };

fn unpack(settings: &Settings, tensors: &mut Tensors<'_>) -> Result<(), ConvertError> {
    let packed = tensors.ending(".weight_packed");
    let packed: Vec<_> = packed.into_iter().filter(|(tensor, _)| tensor.dtype == Dtype::I32).collect();
    if packed.is_empty() {
        return Ok(());
    }
    let schemes = schemes(settings.values("config_groups")?)?;
    for (weight, stem) in packed {
        tensors.take(&weight.name);
        let mut need = |part: &str| tensors.need(&format!("{stem}.weight_{part}"), weight);
        let (scales, shape) = (need("scale")?, need("shape")?);
        let shape = shape_of(tensors, shape)?;
        let zeros = tensors.take(&format!("{stem}.weight_zero_point"));
        let groups = tensors.take(&format!("{stem}.weight_g_idx"));
        let scheme = fitting(&schemes, weight, scales, shape)?;
        // Both can be told from the tensors, and lost with them.
        if zeros.is_none() && !scheme.symmetric {
            tensors.need(&format!("{stem}.weight_zero_point"), weight)?;
        }
        if groups.is_none() && scheme.regrouped {
            tensors.need(&format!("{stem}.weight_g_idx"), weight)?;
        }
        let numbers = Matrix { weight, scales, zeros, groups, shape, scheme }.numbers()?;
        tensors.put_last(format!("{stem}.weight"), weight, Weighed::Numbers(numbers));
    }
    Ok(())
}

/// How the weights of a group of modules are packed.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Scheme {
    bits: u32,
    /// Inputs that share a scale; all where there is no number.
    group: Option<u64>,
    symmetric: bool,
    /// Whether a list says to which group each input belongs.
    regrouped: bool,
}

/// The schemes that the groups of a configuration have.
fn schemes(settings: &Configuration) -> Result<Vec<Scheme>, ConvertError> {
    let groups = settings.value("config_groups").ok_or_else(|| settings.missing(&["config_groups"]))?;
    let groups = groups.as_object().ok_or_else(|| settings.bad("config_groups", groups, "an object"))?;
    let mut schemes = Vec::new();
    for (name, group) in groups {
        let label = format!("config.json, quantization_config, config_groups, {name}, weights");
        let Some(Value::Object(weights)) = group.get("weights") else { continue };
        let weights = Configuration::new(&label, weights.clone());
        if weights.text_value("type")?.is_some_and(|kind| kind != "int") {
            continue;
        }
        let bits = weights.integer("num_bits")?;
        if !(1..=8).contains(&bits) {
            return Err(weights.bad("num_bits", &bits, "1 to 8"));
        }
        let group = match weights.value("group_size") {
            None => None,
            Some(size) if size.as_i64() == Some(-1) => None,
            Some(size) => match weights.as_integer("group_size", size)? {
                0 => return Err(weights.bad("group_size", size, "a positive number")),
                size => Some(size),
            },
        };
        let symmetric = weights.optional_flag("symmetric")?.unwrap_or(true);
        let regrouped = weights.value("actorder").and_then(Value::as_str) == Some("group");
        schemes.push(Scheme { bits: bits as u32, group, symmetric, regrouped });
    }
    Ok(schemes)
}

/// Rows and columns before packing.
fn shape_of(tensors: &Tensors<'_>, shape: &CheckpointTensor) -> Result<[u64; 2], ConvertError> {
    expect(shape, &[Dtype::I64, Dtype::I32], &[2])?;
    let bytes = tensors.bytes(shape, 16)?;
    let numbers: Vec<i64> = match shape.dtype {
        Dtype::I64 => bytes.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect(),
        _ => bytes.as_chunks().0.iter().map(|bytes| i32::from_le_bytes(*bytes).into()).collect(),
    };
    let sizes: Vec<u64> = numbers
        .iter()
        .filter_map(|number| u64::try_from(*number).ok().filter(|size| (1..=u32::MAX.into()).contains(size)))
        .collect();
    <[u64; 2]>::try_from(sizes).map_err(|_| refuse(shape, format!("it says {numbers:?}, expected two sizes")))
}

/// The scheme that a weight was packed by: the one whose sizes it has.
fn fitting(
    schemes: &[Scheme],
    weight: &CheckpointTensor,
    scales: &CheckpointTensor,
    shape: [u64; 2],
) -> Result<Scheme, ConvertError> {
    let [packed_rows, words] = matrix(weight)?;
    let [scale_rows, groups] = matrix(scales)?;
    let [rows, columns] = shape;
    let fits = |scheme: &&Scheme| {
        packed_rows == rows
            && scale_rows == rows
            && packing(scheme.bits, columns, words).is_some()
            && groups == columns.div_ceil(scheme.group.unwrap_or(columns))
    };
    let mut fitting = schemes.iter().filter(fits);
    let found = fitting.next().ok_or_else(|| {
        let stated: Vec<String> = schemes
            .iter()
            .map(|scheme| match scheme.group {
                Some(group) => format!("{} bits in groups of {group}", scheme.bits),
                None => format!("{} bits, one scale a row", scheme.bits),
            })
            .collect();
        let (has, scales_have, stated) = (&weight.dimensions, &scales.dimensions, stated.join("; "));
        refuse(
            weight,
            format!(
                "its shape {has:?} with scales {scales_have:?} does not hold {shape:?} numbers as \
                 config.json says ({stated})"
            ),
        )
    })?;
    match fitting.find(|other| *other != found) {
        None => Ok(*found),
        Some(_) => Err(refuse(weight, "two groups of config.json fit it".to_owned())),
    }
}

/// How so many codes lie in so many words.
fn packing(bits: u32, codes: u64, words: u64) -> Option<Packing> {
    let (separate, joined) = (Packing::in_words(bits), Packing::across_words(bits));
    if words == codes.div_ceil(separate.codes) {
        return Some(separate);
    }
    // What is cut off in the middle of a string cannot be told from the next row.
    (codes.is_multiple_of(joined.codes) && words == codes / joined.codes * joined.words).then_some(joined)
}

/// A packed weight.
struct Matrix<'c> {
    weight: &'c CheckpointTensor,
    scales: &'c CheckpointTensor,
    zeros: Option<&'c CheckpointTensor>,
    /// The group of each input, where inputs were put in another order.
    groups: Option<&'c CheckpointTensor>,
    shape: [u64; 2],
    scheme: Scheme,
}

impl Matrix<'_> {
    fn numbers(&self) -> Result<Derivation, ConvertError> {
        let Self { weight, shape: [rows, columns], scheme: Scheme { bits, .. }, .. } = *self;
        let [_, words] = matrix(weight)?;
        let fails = impossible(weight);
        let packing = packing(bits, columns, words)
            .ok_or_else(|| refuse(weight, format!("{words} words do not hold {columns} codes")))?;
        expect_type(self.scales, &FLOATS)?;
        let padded = words / packing.words * packing.codes;
        let codes = Codes { bits, packing, levels: Levels::Unsigned };
        let codes = spread(weight, Encoding::Codes(codes), &[rows, padded], Spread::Each)?;
        let codes = codes.slice(1, 0..columns).map_err(&fails)?;
        let numbers = match self.zeros {
            None => codes.map(Operation::Add(Constant::new(-f64::from(1 << (bits - 1))))),
            Some(zeros) => codes.with(Arithmetic::Subtract, self.zeros(zeros)?).map_err(&fails)?,
        };
        let scales = Encoding::Plain(float_type(self.scales)?);
        let scales = spread(self.scales, scales, &[rows, columns], self.shared(true)?)?;
        numbers.with(Arithmetic::Multiply, scales).map_err(&fails)
    }

    /// The zeros of all elements. They are packed along the rows.
    fn zeros(&self, zeros: &CheckpointTensor) -> Result<Derivation, ConvertError> {
        let ([rows, columns], bits) = (self.shape, self.scheme.bits);
        let [words, groups] = matrix(zeros)?;
        let [_, expected] = matrix(self.scales)?;
        let packing = packing(bits, rows, words).filter(|_| groups == expected);
        let packing = packing.ok_or_else(|| {
            let has = &zeros.dimensions;
            refuse(
                zeros,
                format!("its shape {has:?} does not hold {rows} zeros for each of {expected} groups"),
            )
        })?;
        expect_type(zeros, &[Dtype::I32])?;
        let blocks = words / packing.words;
        let codes = Codes { bits, packing: Packing { abreast: groups, ..packing }, levels: Levels::Unsigned };
        let dimensions = [blocks, columns, packing.codes];
        let derivation = spread(zeros, Encoding::Codes(codes), &dimensions, self.shared(false)?)?;
        let derivation = derivation.permute(&[0, 2, 1]);
        derivation
            .and_then(|derivation| derivation.reshape(&[blocks * packing.codes, columns])?.slice(0, 0..rows))
            .map_err(impossible(zeros))
    }

    /// Which elements share a number: along the last axis, or along the last but one.
    fn shared(&self, along_last: bool) -> Result<Spread, ConvertError> {
        let [_, columns] = self.shape;
        let [_, count] = matrix(self.scales)?;
        if let Some(list) = self.groups {
            expect(list, &[Dtype::I32], &[columns])?;
            return Ok(Spread::Chosen { axis: 1, numbers: location(list), count });
        }
        let group = self.scheme.group.unwrap_or(columns);
        Ok(match along_last {
            true => Spread::Blocks { rows: 1, columns: group },
            false => Spread::Blocks { rows: group, columns: 1 },
        })
    }
}
