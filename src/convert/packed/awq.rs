//! AWQ of four bits (AutoAWQ, `modules/linear/gemm.py` and `gemv.py`). A weight is `(code − zero) · scale`.
//!
//! For `gemm` everything has the inputs as rows, and codes are packed along the outputs, eight in a word,
//! those of even outputs before those of odd ones; for `gemv` the outputs are rows and codes are packed along
//! the inputs in order.

use super::super::ConvertError;
use super::format::Format;
use super::settings::Settings;
use super::tensors::{
    FLOATS, Tensors, WORDS, Weighed, expect, float_type, impossible, matrix, refuse, spread,
};
use crate::plan::{Arithmetic, Codes, Derivation, Encoding, Levels, Packing, Spread};
use crate::safetensors::CheckpointTensor;

pub(super) const FORMAT: Format = Format { name: "AWQ", keeps: false, unpack };

/// Bits of a code, and how many a word holds.
const BITS: u32 = 4;
const WORD: u64 = 32 / BITS as u64;
const CODES: Encoding =
    Encoding::Codes(Codes { bits: BITS, packing: Packing::in_words(BITS), levels: Levels::Unsigned });

fn unpack(settings: &Settings, tensors: &mut Tensors<'_>) -> Result<(), ConvertError> {
    let weights = tensors.ending(".qweight");
    if settings.method != "awq" || weights.is_empty() {
        return Ok(());
    }
    let version = match settings.text("version")? {
        Some(version) => Some(version),
        None => settings.text("checkpoint_format")?,
    };
    let numbers = match version.map(str::to_lowercase).as_deref() {
        None | Some("gemm") => Matrix::by_inputs,
        Some("gemv") => Matrix::by_outputs,
        Some(other) => {
            return Err(ConvertError::ForeignQuantization {
                format: format!("AWQ weights in the layout {other}"),
            });
        }
    };
    settings.bits(&["bits", "w_bit"], &[BITS.into()])?;
    let group = settings.group_size(&["group_size", "q_group_size"])?;
    let values = settings.values("zero_point")?;
    if values.optional_flag("zero_point")? == Some(false) {
        return Err(values.bad("zero_point", &false, "true"));
    }
    for (weight, stem) in weights {
        tensors.take(&weight.name);
        let mut need = |part: &str| tensors.need(&format!("{stem}.{part}"), weight);
        let (zeros, scales) = (need("qzeros")?, need("scales")?);
        let numbers = numbers(&Matrix { weight, zeros, scales, group })?;
        tensors.put_last(format!("{stem}.weight"), weight, Weighed::Numbers(numbers));
    }
    Ok(())
}

/// A packed weight.
struct Matrix<'c> {
    weight: &'c CheckpointTensor,
    zeros: &'c CheckpointTensor,
    scales: &'c CheckpointTensor,
    /// Inputs of a group; all where there is no number.
    group: Option<u64>,
}

impl Matrix<'_> {
    /// The layout of `gemm`.
    fn by_inputs(&self) -> Result<Derivation, ConvertError> {
        let [inputs, words] = matrix(self.weight)?;
        let group = self.group(inputs)?;
        let (groups, outputs) = (inputs / group, words.saturating_mul(WORD));
        expect(self.weight, &WORDS, &[inputs, words])?;
        expect(self.zeros, &WORDS, &[groups, words])?;
        expect(self.scales, &FLOATS, &[groups, outputs])?;
        let shared = Spread::Blocks { rows: group, columns: 1 };
        let dimensions = [inputs, outputs];
        let in_order = |codes: Derivation| {
            let halves = codes.reshape(&[inputs, words, 2, WORD / 2])?;
            halves.permute(&[0, 1, 3, 2])?.reshape(&dimensions)
        };
        let fails = impossible(self.weight);
        let codes = in_order(spread(self.weight, CODES, &dimensions, Spread::Each)?).map_err(&fails)?;
        let zeros = in_order(spread(self.zeros, CODES, &dimensions, shared)?).map_err(&fails)?;
        let scales = spread(self.scales, Encoding::Plain(float_type(self.scales)?), &dimensions, shared)?;
        let numbers = codes.with(Arithmetic::Subtract, zeros);
        numbers.and_then(|numbers| numbers.with(Arithmetic::Multiply, scales)?.transpose(0, 1)).map_err(fails)
    }

    /// The layout of `gemv`. Rows of zeros and scales are padded to whole words, and to as many of them as
    /// its kernels read at a time.
    fn by_outputs(&self) -> Result<Derivation, ConvertError> {
        let [outputs, words] = matrix(self.weight)?;
        let inputs = words.saturating_mul(WORD);
        let group = self.group(inputs)?;
        let [_, zero_words] = matrix(self.zeros)?;
        let at_a_time = 128_u64.checked_div(group).unwrap_or(1).max(1);
        let expected = (inputs / group).div_ceil(WORD).next_multiple_of(at_a_time);
        if zero_words != expected {
            let reason = format!(
                "it has {zero_words} words a row, expected {expected} for groups of {group} (group_size)"
            );
            return Err(refuse(self.zeros, reason));
        }
        let places = zero_words.saturating_mul(WORD);
        expect(self.weight, &WORDS, &[outputs, words])?;
        expect(self.zeros, &WORDS, &[outputs, zero_words])?;
        expect(self.scales, &FLOATS, &[outputs, places])?;
        let shared = Spread::Blocks { rows: 1, columns: group };
        let padded = [outputs, places.saturating_mul(group)];
        let fails = impossible(self.weight);
        let of_groups = |tensor, encoding| {
            let derivation = spread(tensor, encoding, &padded, shared)?;
            derivation.slice(1, 0..inputs).map_err(impossible(tensor))
        };
        let codes = spread(self.weight, CODES, &[outputs, inputs], Spread::Each)?;
        let zeros = of_groups(self.zeros, CODES)?;
        let scales = of_groups(self.scales, Encoding::Plain(float_type(self.scales)?))?;
        let numbers = codes.with(Arithmetic::Subtract, zeros);
        numbers.and_then(|numbers| numbers.with(Arithmetic::Multiply, scales)).map_err(fails)
    }

    /// Inputs of a group, of which there is a whole number.
    fn group(&self, inputs: u64) -> Result<u64, ConvertError> {
        let group = self.group.unwrap_or(inputs);
        if group == 0 || !inputs.is_multiple_of(group) {
            let reason = format!("{inputs} inputs do not consist of groups of {group} (group_size)");
            return Err(refuse(self.weight, reason));
        }
        Ok(group)
    }
}
