//! GPTQ: codes packed along the inputs, zeros packed along the outputs, a scale for each group of inputs
//! (GPTQModel, `nn_modules/qlinear`; llama.cpp, `dequant_gptq` in `conversion/base.py`).
//!
//! A weight is `(code − zero) · scale`, transposed. Files whose `checkpoint_format` is `gptq`, or that name
//! none, hold the zeros less one. With `desc_act` a list says to which group each input belongs.

use super::super::ConvertError;
use super::format::Format;
use super::settings::Settings;
use super::tensors::{
    FLOATS, Tensors, WORDS, Weighed, expect, float_type, impossible, location, matrix, refuse, spread,
};
use crate::plan::{Arithmetic, Codes, Constant, Derivation, Encoding, Levels, Operation, Packing, Spread};
use crate::safetensors::{CheckpointTensor, Dtype};

pub(super) const FORMAT: Format = Format { name: "GPTQ", keeps: false, unpack };

/// Formats of checkpoints with this layout, and whether each holds zeros less one.
const LAYOUTS: [(&str, bool); 2] = [("gptq", true), ("gptq_v2", false)];

fn unpack(settings: &Settings, tensors: &mut Tensors<'_>) -> Result<(), ConvertError> {
    let weights = tensors.ending(".qweight");
    if settings.method != "gptq" || weights.is_empty() {
        return Ok(());
    }
    let stated = settings.text("checkpoint_format")?.unwrap_or(LAYOUTS[0].0);
    let layout = LAYOUTS.iter().find(|(name, _)| *name == stated);
    let (_, less_one) = layout.ok_or_else(|| ConvertError::ForeignQuantization {
        format: format!("GPTQ weights in the layout {stated}"),
    })?;
    let bits = settings.bits(&["bits", "w_bit"], &[2, 3, 4, 8])?;
    let group = settings.group_size(&["group_size", "q_group_size"])?;
    let ordered = settings.values("desc_act")?.flag("desc_act")?;
    for (weight, stem) in weights {
        tensors.take(&weight.name);
        let mut need = |part: &str| tensors.need(&format!("{stem}.{part}"), weight);
        let (zeros, scales) = (need("qzeros")?, need("scales")?);
        let list = format!("{stem}.g_idx");
        // Without the list the order of the inputs is lost.
        let groups = if ordered { Some(tensors.need(&list, weight)?) } else { tensors.take(&list) };
        let numbers = Matrix { weight, zeros, scales, groups, bits, group, less_one: *less_one }.numbers()?;
        tensors.put_last(format!("{stem}.weight"), weight, Weighed::Numbers(numbers));
    }
    Ok(())
}

/// A packed weight.
struct Matrix<'c> {
    weight: &'c CheckpointTensor,
    zeros: &'c CheckpointTensor,
    scales: &'c CheckpointTensor,
    /// The group of each input.
    groups: Option<&'c CheckpointTensor>,
    bits: u32,
    /// Inputs of a group; all where there is no number.
    group: Option<u64>,
    less_one: bool,
}

impl Matrix<'_> {
    fn numbers(&self) -> Result<Derivation, ConvertError> {
        let packing = Packing::across_words(self.bits);
        let [words, outputs] = matrix(self.weight)?;
        if words == 0 || words % packing.words != 0 || outputs == 0 || outputs % packing.codes != 0 {
            let reason = format!(
                "its shape {:?} does not hold codes of {} bits; does quantization_config belong to it?",
                self.weight.dimensions, self.bits
            );
            return Err(refuse(self.weight, reason));
        }
        let blocks = words / packing.words;
        let inputs = blocks * packing.codes;
        let group = self.group.unwrap_or(inputs);
        let [groups, _] = matrix(self.scales)?;
        if self.groups.is_none() && groups != inputs.div_ceil(group) {
            let reason = format!(
                "it has {groups} rows, expected {} for {inputs} inputs in groups of {group} (group_size)",
                inputs.div_ceil(group)
            );
            return Err(refuse(self.scales, reason));
        }
        expect(self.weight, &WORDS, &[words, outputs])?;
        expect(self.scales, &FLOATS, &[groups, outputs])?;
        let zero_words = outputs / packing.codes * packing.words;
        expect(self.zeros, &WORDS, &[groups, zero_words])?;
        let shared = match self.groups {
            None => Spread::Blocks { rows: group, columns: 1 },
            Some(list) => {
                expect(list, &[Dtype::I32], &[inputs])?;
                Spread::Chosen { axis: 0, numbers: location(list), count: groups }
            }
        };

        let codes = |packing| Codes { bits: self.bits, packing, levels: Levels::Unsigned };
        let abreast = Packing { abreast: outputs, ..packing };
        let (dimensions, fails) = ([inputs, outputs], impossible(self.weight));
        let weight = spread(
            self.weight,
            Encoding::Codes(codes(abreast)),
            &[blocks, outputs, packing.codes],
            Spread::Each,
        )?;
        let weight = weight.permute(&[0, 2, 1]).and_then(|codes| codes.reshape(&dimensions));
        let zeros = spread(self.zeros, Encoding::Codes(codes(packing)), &dimensions, shared)?;
        let zeros = if self.less_one { zeros.map(Operation::Add(Constant::new(1.0))) } else { zeros };
        let scales = Encoding::Plain(float_type(self.scales)?);
        let scales = spread(self.scales, scales, &dimensions, shared)?;
        weight
            .and_then(|weight| weight.with(Arithmetic::Subtract, zeros)?.with(Arithmetic::Multiply, scales))
            .and_then(|numbers| numbers.transpose(0, 1))
            .map_err(fails)
    }
}
