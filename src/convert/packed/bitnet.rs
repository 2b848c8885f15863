//! BitNet b1.58 as Hugging Face packs it: four ternary numbers a byte, of rows a quarter of the matrix apart,
//! and one scale by which they are divided (transformers, `integrations/bitnet.py`; llama.cpp,
//! `conversion/base.py`).

use super::super::ConvertError;
use super::format::Format;
use super::settings::Settings;
use super::tensors::{Tensors, Weighed, count, expect_type, float_type, impossible, matrix, refuse, spread};
use crate::plan::{Arithmetic, Codes, Constant, Derivation, Encoding, Levels, Operation, Packing, Spread};
use crate::safetensors::{CheckpointTensor, Dtype};

pub(super) const FORMAT: Format = Format { name: "BitNet", keeps: false, unpack };

fn unpack(settings: &Settings, tensors: &mut Tensors<'_>) -> Result<(), ConvertError> {
    if settings.method != "bitnet" {
        return Ok(());
    }
    for (scale, stem) in tensors.ending(".weight_scale") {
        let name = format!("{stem}.weight");
        tensors.take(&scale.name);
        let weight = tensors
            .take(&name)
            .ok_or_else(|| refuse(scale, format!("it scales {name:?}, which is missing")))?;
        let numbers = ternary(weight, scale)?;
        tensors.put(name, weight, Weighed::Numbers(numbers));
    }
    Ok(())
}

/// `(code − 1) / scale`.
fn ternary(weight: &CheckpointTensor, scale: &CheckpointTensor) -> Result<Derivation, ConvertError> {
    expect_type(weight, &[Dtype::U8])?;
    let [quarter, columns] = matrix(weight)?;
    if count(scale) != 1 {
        return Err(refuse(scale, format!("its shape is {:?}, expected one number", scale.dimensions)));
    }
    let codes = Codes { bits: 2, packing: Packing::in_bytes(2), levels: Levels::Unsigned };
    let codes = spread(weight, Encoding::Codes(codes), &[quarter, columns, 4], Spread::Each)?;
    let rows = quarter.saturating_mul(4);
    let all = Spread::Blocks { rows, columns };
    let scale = spread(scale, Encoding::Plain(float_type(scale)?), &[rows, columns], all)?;
    let codes = codes.permute(&[2, 0, 1]).and_then(|codes| codes.reshape(&[rows, columns]));
    let numbers = codes.map(|codes| codes.map(Operation::Add(Constant::new(-1.0))));
    numbers.and_then(|numbers| numbers.with(Arithmetic::Divide, scale)).map_err(impossible(weight))
}
