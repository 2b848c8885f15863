//! Which element type each tensor of the model gets (llama.cpp, `conversion/base.py`, `prepare_tensors`).

use super::weight::Weight;
use super::weights::StoredWeight;
use crate::quantize::FileType;
use crate::safetensors::Dtype;
use crate::tensor::ElementType;

/// The element type of large tensors; small ones are F32 whatever is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OutputType {
    /// What the checkpoint has: BF16 stays BF16, everything else becomes F16.
    #[default]
    Auto,
    /// The same for a model that is quantized next, but F32 if F16 would round a tensor of it: quantization
    /// should see values in full.
    Unrounded,
    /// 32-bit floats.
    F32,
    /// 16-bit floats.
    F16,
    /// 16-bit floats with the range of F32.
    Bf16,
    /// 8-bit blocks; tensors whose rows do not consist of whole blocks become F16.
    Q8_0,
}

/// The type of large tensors, now that the checkpoint is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Precision(pub(super) ElementType);

/// Names, without layer and ending, of tensors that are F32 for their precision.
const ALWAYS_F32: [&str; 20] = [
    "ffn_gate_inp",
    "ffn_gate_inp_shexp",
    "position_embd",
    "token_types",
    "ssm_conv1d",
    "ssm_conv1d_q",
    "ssm_conv1d_k",
    "ssm_conv1d_v",
    "shortconv.conv",
    "v.position_embd",
    "a.position_embd",
    "altup_correct_coef",
    "altup_predict_coef",
    "indexer.proj",
    "time_mix_first",
    "time_mix_w1",
    "time_mix_w2",
    "time_mix_decay_w1",
    "time_mix_decay_w2",
    "time_mix_lerp_fused",
];

impl OutputType {
    /// Settles [`Auto`](Self::Auto): the first matrix in a 16-bit type decides.
    pub(super) fn settle<'w>(self, weights: impl IntoIterator<Item = &'w StoredWeight>) -> Precision {
        let of_checkpoint = || {
            let mut matrices = weights.into_iter().filter(|weight| weight.dimensions().len() >= 2);
            matrices.find_map(|weight| match weight.dtype() {
                Dtype::BF16 => Some(ElementType::Bf16),
                Dtype::F16 => Some(ElementType::F16),
                _ => None,
            })
        };
        Precision(match self {
            OutputType::Auto | OutputType::Unrounded => of_checkpoint().unwrap_or(ElementType::F16),
            OutputType::F32 => ElementType::F32,
            OutputType::F16 => ElementType::F16,
            OutputType::Bf16 => ElementType::Bf16,
            OutputType::Q8_0 => ElementType::Q8_0,
        })
    }
}

impl Precision {
    /// The precision that what was asked for comes to, now that the tensors of the model are known.
    pub(super) fn for_tensors(self, asked: OutputType, tensors: &[(String, Weight)]) -> Self {
        let is_rounded = |(name, weight): &(String, Weight)| match weight {
            Weight::Whole(derivation) => {
                derivation.stored_type() == ElementType::F32
                    && self.of(name, &derivation.dimensions(), None) == ElementType::F16
            }
            // What stays packed is not rounded.
            Weight::Packed(_) | Weight::LowRank(_) => false,
        };
        match asked {
            OutputType::Unrounded if tensors.iter().any(is_rounded) => Self(ElementType::F32),
            _ => self,
        }
    }

    /// The number of this type in `general.file_type`.
    pub(super) fn file_type(self) -> u32 {
        match self.0 {
            ElementType::F32 => FileType::F32,
            ElementType::Q8_0 => FileType::Q8_0,
            ElementType::Bf16 => FileType::Bf16,
            _ => FileType::F16,
        }
        .id()
    }

    /// The type of one tensor with these dimensions, slowest first. `forced` is what its family wants.
    pub(super) fn of(self, name: &str, dimensions: &[u64], forced: Option<ElementType>) -> ElementType {
        if dimensions.len() <= 1 || name.ends_with("_norm.weight") {
            return ElementType::F32;
        }
        let chosen = match forced {
            Some(forced) => forced,
            None if stays_f32(name) => ElementType::F32,
            None => self.0,
        };
        let columns = dimensions.last().copied().unwrap_or(1);
        let fits = columns.is_multiple_of(chosen.block_len() as u64);
        if fits { chosen } else { ElementType::F16 }
    }
}

fn stays_f32(name: &str) -> bool {
    let endings = [".weight", ".lora_a", ".lora_b"];
    if !endings.iter().any(|ending| name.ends_with(ending)) {
        return true;
    }
    let Some(stem) = name.strip_suffix(".weight") else { return false };
    let inner =
        stem.strip_prefix("blk.").and_then(|rest| rest.split_once('.')).map_or(stem, |(_, inner)| inner);
    ALWAYS_F32.contains(&inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_delicate_tensors_are_f32() {
        let precision = Precision(ElementType::F16);
        assert_eq!(precision.of("blk.0.attn_q.weight", &[4, 4], None), ElementType::F16);
        assert_eq!(precision.of("blk.0.attn_q.bias", &[4], None), ElementType::F32);
        assert_eq!(precision.of("blk.0.ffn_gate_exps.bias", &[4, 4], None), ElementType::F32);
        assert_eq!(precision.of("blk.10.ffn_gate_inp.weight", &[4, 4], None), ElementType::F32);
        assert_eq!(precision.of("blk.0.ssm_norm.weight", &[4, 4], None), ElementType::F32);
        let precision = Precision(ElementType::Q8_0);
        assert_eq!(precision.of("blk.0.attn_q.weight", &[4, 64], None), ElementType::Q8_0);
        assert_eq!(precision.of("blk.0.attn_q.weight", &[4, 48], None), ElementType::F16);
    }
}
