//! NVFP4: 64 floats of four bits (E2M1) in four groups, each with a scale of eight bits (E4M3 without sign).

use super::e2m1::{decode, pack_pairs, patterns};
use super::lane_blocks::{load, store_low, store4};
use super::{Block, ElementType, Encode, Numbers};
use crate::tensor::lanes::{Lanes, Words};
use crate::tensor::rounding::clamp;

/// Bytes: 4 × `scale`, then for each group 8 × (element `i` in the low, `i + 8` in the high four bits).
pub(crate) struct Nvfp4;

impl Block for Nvfp4 {
    const TYPE: ElementType = ElementType::Nvfp4;

    fn decode(block: &[u8], values: &mut [f32]) {
        let (scales, pairs) = block.split_at(4);
        for ((&scale, pairs), values) in scales.iter().zip(pairs.chunks(8)).zip(values.chunks_mut(16)) {
            decode(pairs, half_scale(scale), values);
        }
    }
}

/// Half of what a scale stands for: 4 bits of exponent, which is 8 too large for the half, and 3 of mantissa.
/// The pattern of NaN stands for zero (llama.cpp, `ggml_ue4m3_to_fp32` in `ggml/src/ggml-impl.h`).
fn half_scale(scale: u8) -> f32 {
    const SUBNORMAL_STEP: f32 = 1.0 / 1024.0;
    let (exponent, mantissa) = (u32::from(scale >> 3 & 15), u32::from(scale & 7));
    match (scale, exponent) {
        (0x7f, _) => 0.0,
        (_, 0) => mantissa as f32 * SUBNORMAL_STEP,
        _ => f32::from_bits((exponent + 119) << 23 | mantissa << 20),
    }
}

/// The pattern of a scale nearest to a number, and half of what it stands for (llama.cpp,
/// `ggml_fp32_to_ue4m3`).
#[inline(always)]
fn scale<L: Lanes>(value: L) -> (L::Words, L) {
    let word = L::Words::splat;
    let value = L::splat(448.0).min(value);
    let small = value.less(L::splat(1.0 / 64.0));
    let steps = clamp((value * L::splat(512.0) + L::splat(0.5)).truncate(), 0, 7);
    // Exponent and three bits of mantissa, rounded by the fourth; the exponent is 120 less than that of the
    // F32.
    let bits = value.to_bits();
    let rounded = bits.down(20) + (bits.down(19) & word(1)) - word(120 << 3);
    // Whatever has the largest exponent becomes the largest number.
    let rounded = L::Words::select(word(0x77).less_signed(rounded), word(0x7e), rounded);
    let pattern = L::Words::select(small, steps, rounded);
    let subnormal = L::from_signed(pattern) * L::splat(1.0 / 1024.0);
    let normal = L::from_bits((pattern + word(119 << 3)).up(20));
    (pattern, L::select(pattern.less_signed(word(8)), subnormal, normal))
}

impl Encode for Nvfp4 {
    #[inline(always)]
    fn encode<L: Lanes>(Numbers { values, .. }: Numbers<'_>, blocks: &mut [u8]) {
        let mut scales = L::Words::splat(0);
        for pair in 0..2 {
            // The patterns of two groups are 16 bytes: those of both first halves, then those of both second
            // ones.
            let mut in_pairs = [L::Words::splat(0); 32];
            for part in 0..2 {
                let group = 2 * pair + part;
                let elements: [L; 16] = load(values, 64, 16 * group);
                let mut magnitude = L::splat(0.0);
                for element in elements {
                    magnitude = element.abs().max(magnitude);
                }
                let (pattern, half_scale) = scale(magnitude / L::splat(6.0));
                scales = scales | pattern.up(8 * group as u32);
                let patterns = patterns(&elements, half_scale);
                in_pairs[8 * part..][..8].copy_from_slice(&patterns[..8]);
                in_pairs[16 + 8 * part..][..8].copy_from_slice(&patterns[8..]);
            }
            store4::<L>(pack_pairs::<L>(&in_pairs), blocks, 36, 4 + 16 * pair);
        }
        store_low::<L>(scales, 4, blocks, 36, 0);
    }
}
