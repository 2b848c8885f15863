//! bitsandbytes: floats of four bits (NF4, FP4) in blocks with a largest magnitude each, which may be codes
//! themselves, and integers of eight bits with a largest magnitude a row (bitsandbytes, `functional.py`).

use serde_json::{Map, Value};

use super::super::{Configuration, ConvertError};
use super::format::Format;
use super::settings::Settings;
use super::tensors::{
    Tensors, Weighed, count, expect, expect_type, impossible, location, matrix, refuse, spread,
};
use crate::plan::{Arithmetic, Codes, Constant, Derivation, Encoding, Levels, Operation, Packing, Spread};
use crate::safetensors::{CheckpointTensor, Dtype};
use crate::tensor::ElementType;

pub(super) const FORMAT: Format = Format { name: "bitsandbytes", keeps: false, unpack };

/// Kinds of floats of four bits: each has a tensor that describes the weight, under a name of its own.
const KINDS: [&str; 2] = [".quant_state.bitsandbytes__nf4", ".quant_state.bitsandbytes__fp4"];

/// The longest description that is read, in bytes; real ones have some two hundred.
const LONGEST: usize = 4096;

fn unpack(_: &Settings, tensors: &mut Tensors<'_>) -> Result<(), ConvertError> {
    for (state, name) in KINDS.iter().flat_map(|kind| tensors.ending(kind)).collect::<Vec<_>>() {
        tensors.take(&state.name);
        let weight = tensors
            .take(name)
            .ok_or_else(|| refuse(state, format!("it describes {name:?}, which is missing")))?;
        let description = Description::read(tensors.bytes(state, LONGEST)?, state)?;
        let mut need = |part: &str| tensors.need(&format!("{name}.{part}"), weight);
        let (largest, table) = (need("absmax")?, need("quant_map")?);
        let nested = match description.nested {
            None => None,
            Some(nested) => Some((nested, need("nested_absmax")?, need("nested_quant_map")?)),
        };
        let numbers = description.numbers(weight, table, largest, nested)?;
        tensors.put(name.to_owned(), weight, Weighed::Numbers(numbers));
    }
    for (scales, stem) in tensors.ending(".SCB") {
        let name = format!("{stem}.weight");
        tensors.take(&scales.name);
        let weight = tensors
            .take(&name)
            .ok_or_else(|| refuse(scales, format!("it scales {name:?}, which is missing")))?;
        if let Some(order) = tensors.take(&format!("{stem}.weight_format"))
            && tensors.bytes(order, 8)?.iter().any(|byte| *byte != 0)
        {
            let reason = "it says another order than row by row; save the model with a current bitsandbytes";
            return Err(refuse(order, reason.to_owned()));
        }
        tensors.put(name, weight, Weighed::Numbers(by_row(weight, scales)?));
    }
    Ok(())
}

/// `code · largest / 127`, where the division is a product with its reciprocal.
fn by_row(weight: &CheckpointTensor, scales: &CheckpointTensor) -> Result<Derivation, ConvertError> {
    let [rows, columns] = matrix(weight)?;
    expect(weight, &[Dtype::I8], &[rows, columns])?;
    expect(scales, &[Dtype::F32], &[rows])?;
    let dimensions = [rows, columns];
    let codes = Encoding::Codes(Codes::of_bytes(Levels::Signed));
    let codes = spread(weight, codes, &dimensions, Spread::Each)?;
    let row = Spread::Blocks { rows: 1, columns };
    let scales = spread(scales, Encoding::Plain(ElementType::F32), &dimensions, row)?;
    let numbers = codes.with(Arithmetic::Multiply, scales).map_err(impossible(weight))?;
    Ok(numbers.map(Operation::Multiply(Constant::new(1.0 / 127.0))))
}

/// What is said of a weight of floats of four bits.
struct Description {
    dimensions: Vec<u64>,
    /// Elements that share a largest magnitude.
    block: u64,
    nested: Option<Nested>,
}

/// What is said of largest magnitudes that are codes.
#[derive(Debug, Clone, Copy)]
struct Nested {
    /// Magnitudes that share a largest one of theirs.
    block: u64,
    /// What all of them are less than they are.
    offset: f64,
}

impl Description {
    fn read(json: &[u8], state: &CheckpointTensor) -> Result<Self, ConvertError> {
        let values: Map<String, Value> = serde_json::from_slice(json)
            .map_err(|error| refuse(state, format!("it does not describe a weight in JSON: {error}")))?;
        let values = Configuration::new(&state.name, values);
        let block = |key: &str| match values.integer(key)? {
            0 => Err(values.bad(key, &0, "a positive number")),
            block => Ok(block),
        };
        let dimensions = values.integers("shape")?.ok_or_else(|| values.missing(&["shape"]))?;
        let nested = match values.value("nested_blocksize") {
            None => None,
            Some(_) => {
                let offset = values.number("nested_offset")?;
                Some(Nested { block: block("nested_blocksize")?, offset })
            }
        };
        Ok(Self { dimensions, block: block("blocksize")?, nested })
    }

    /// `table[code] · largest`, over all elements in a row.
    fn numbers(
        &self,
        weight: &CheckpointTensor,
        table: &CheckpointTensor,
        largest: &CheckpointTensor,
        nested: Option<(Nested, &CheckpointTensor, &CheckpointTensor)>,
    ) -> Result<Derivation, ConvertError> {
        let elements = self.dimensions.iter().try_fold(1_u64, |all, length| all.checked_mul(*length));
        // Bytes may be stored as elements of another type.
        let bytes = count(weight).checked_mul(weight.dtype.bitsize() as u64 / 8);
        let elements = elements.filter(|elements| *elements > 0 && Some(elements.div_ceil(2)) == bytes);
        let elements = elements.ok_or_else(|| {
            let (has, shape) = (&weight.dimensions, &self.dimensions);
            refuse(weight, format!("its shape {has:?} does not hold a weight {shape:?} of 4 bits"))
        })?;
        expect(table, &[Dtype::F32], &[16])?;
        let packing = Packing { high_first: true, ..Packing::in_bytes(4) };
        let codes = Codes { bits: 4, packing, levels: Levels::Table(location(table)) };
        let codes = spread(weight, Encoding::Codes(codes), &[elements], Spread::Each)?;
        let blocks = elements.div_ceil(self.block);
        let of_block = |block| Spread::Blocks { rows: 1, columns: block };
        let plain = Encoding::Plain(ElementType::F32);
        let fails = impossible(weight);
        let largest = match nested {
            None => {
                expect(largest, &[Dtype::F32], &[blocks])?;
                spread(largest, plain, &[elements], of_block(self.block))?
            }
            Some((nested, outer, table)) => {
                expect(largest, &[Dtype::U8], &[blocks])?;
                expect(table, &[Dtype::F32], &[256])?;
                expect(outer, &[Dtype::F32], &[blocks.div_ceil(nested.block)])?;
                let codes = Encoding::Codes(Codes::of_bytes(Levels::Table(location(table))));
                let codes = spread(largest, codes, &[elements], of_block(self.block))?;
                let outer_block = self.block.saturating_mul(nested.block);
                let outer = spread(outer, plain, &[elements], of_block(outer_block))?;
                let product = codes.with(Arithmetic::Multiply, outer).map_err(&fails)?;
                product.map(Operation::Add(Constant::new(nested.offset)))
            }
        };
        expect_type(weight, &[Dtype::U8, Dtype::I8, Dtype::BF16, Dtype::F16, Dtype::F32])?;
        let numbers = codes.with(Arithmetic::Multiply, largest);
        numbers.and_then(|numbers| numbers.reshape(&self.dimensions)).map_err(fails)
    }
}
