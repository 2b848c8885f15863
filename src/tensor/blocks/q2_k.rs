//! Q2_K: 256 numbers in 16 groups, each with a scale and a minimum of four bits; levels of two bits.

use super::affine_search::{Fit, Search, search};
use super::lane_blocks::{load, pack, store_low, store4};
use super::{Block, ElementType, Encode, half};
use crate::tensor::lanes::{Lanes, Mask, Words};
use crate::tensor::rounding::{clamp, divide_or_zero, from_f16, nearest_word, to_f16};

/// Bytes: 16 × (scale in the low, minimum in the high four bits), 64 × four levels, `scale: f16`, `minimum: f16`.
///
/// Byte `32 h + i` of the levels holds those of elements `128 h + i`, `+ 32`, `+ 64` and `+ 96`, lowest bits first.
pub(crate) struct Q2K;

impl Block for Q2K {
    const TYPE: ElementType = ElementType::Q2K;

    fn decode(block: &[u8], values: &mut [f32]) {
        let (scale, minimum) = (half(block, 80), half(block, 82));
        for (group, values) in values.chunks_exact_mut(16).enumerate() {
            let factors = block[group];
            let (scale, minimum) = (scale * f32::from(factors & 15), minimum * f32::from(factors >> 4));
            let levels = &block[16 + 32 * (group / 8) + 16 * (group % 2)..];
            let shift = 2 * (group / 2 % 4);
            for (value, &level) in values.iter_mut().zip(levels) {
                *value = scale * f32::from(level >> shift & 3) - minimum;
            }
        }
    }
}

impl Search for Q2K {
    const TOP: f32 = 3.0;
    const FIRST: f32 = -0.5;
    const TRIALS: usize = 16;

    #[inline(always)]
    fn penalty<L: Lanes>(difference: L) -> L {
        difference.abs()
    }
}

/// What the numbers weigh in the search: their magnitude.
#[inline(always)]
fn weights<L: Lanes>(elements: &[L; 16]) -> [L; 16] {
    let mut weights = *elements;
    for weight in &mut weights {
        *weight = weight.abs();
    }
    weights
}

/// The factors of 16 groups, four bits unless something went wrong, and the F16 that they are multiples of.
#[inline(always)]
fn factors<L: Lanes>(values: &[L; 16]) -> ([L::Words; 16], L::Words) {
    let mut largest = L::splat(0.0);
    for &value in values {
        largest = value.max(largest);
    }
    let inverse = divide_or_zero(15.0, largest);
    let mut factors = [L::Words::splat(0); 16];
    for (factor, &value) in factors.iter_mut().zip(values) {
        *factor = nearest_word(inverse * value);
    }
    (factors, to_f16(largest / L::splat(15.0)))
}

impl Encode for Q2K {
    #[inline(always)]
    fn encode<L: Lanes>(values: &[f32], blocks: &mut [u8]) {
        const BYTES: usize = 84;
        let zero = L::splat(0.0);
        let mut fits = [Fit::<L>::empty(); 16];
        let (mut scales, mut depths) = ([zero; 16], [zero; 16]);
        for (pair, fits) in fits.as_chunks_mut::<2>().0.iter_mut().enumerate() {
            let elements: [[L; 16]; 2] = [load(values, 256, 32 * pair), load(values, 256, 32 * pair + 16)];
            *fits = search::<L, Self, 16, 2>(&elements, &[weights(&elements[0]), weights(&elements[1])]);
        }
        for (group, fit) in fits.iter().enumerate() {
            (scales[group], depths[group]) = (fit.scale, zero - fit.minimum);
        }
        let (scale_factors, scale) = factors(&scales);
        let (depth_factors, depth) = factors(&depths);
        let mut factor_bytes = scale_factors;
        for (byte, &factor) in factor_bytes.iter_mut().zip(&depth_factors) {
            *byte = (*byte | factor.up(4)) & L::Words::splat(0xff);
        }
        store4::<L>(pack::<L>(&factor_bytes), blocks, BYTES, 0);
        store_low::<L>(scale | depth.up(16), 4, blocks, BYTES, 80);

        let (scale, depth): (L, L) = (from_f16(scale), from_f16(depth));
        for quarter in 0..4 {
            let (half, first) = (quarter / 2, quarter % 2);
            let mut bytes = [L::Words::splat(0); 16];
            for part in 0..4 {
                let group = 8 * half + 2 * part + first;
                let elements: [L; 16] = load(values, 256, 16 * group);
                let scale = scale * L::from_signed(factor_bytes[group] & L::Words::splat(15));
                let depth = depth * L::from_signed(factor_bytes[group].down(4));
                let kept = scale.equal(zero);
                for (byte, &element) in bytes.iter_mut().zip(&elements) {
                    let mut level = clamp(nearest_word((element + depth) / scale), 0, 3);
                    if kept.any() {
                        level = L::Words::select(kept, fits[group].level::<Self>(element), level);
                    }
                    *byte = *byte | level.up(2 * part as u32);
                }
            }
            store4::<L>(pack::<L>(&bytes), blocks, BYTES, 16 + 16 * quarter);
        }
    }
}
