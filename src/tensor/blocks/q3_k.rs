//! Q3_K: 256 numbers in 16 groups, each with a signed scale of six bits; levels of three bits, zero in the
//! middle.

use super::lane_blocks::{extreme, load, pack, store_low, store4};
use super::scale_search::{descend, search_steps};
use super::weights::{ByBlock, Weigh, sum};
use super::{Block, ElementType, Encode, Numbers, half};
use crate::tensor::lanes::{Lanes, Words};
use crate::tensor::rounding::{clamp, from_f16, nearest_word, to_f16};

/// Bytes: 32 × eight third bits, 64 × four lower parts of levels, 12 × parts of scales, `scale: f16`.
///
/// - Bit `k` of byte `i` is the third bit of element `32 k + i`; it is set where the level is not negative.
/// - Byte `32 h + i` of the levels holds those of elements `128 h + i`, `+ 32`, `+ 64` and `+ 96`, lowest
///   bits first.
/// - Scales are stored 32 too large. Byte `g < 8` holds the low four bits of the scales of groups `g` and `g
///   + 8`; byte `8 + i` holds the upper two bits of the scales of groups `i`, `i + 4`, `i + 8` and `i + 12`.
pub(crate) struct Q3K;

/// Levels reach from `-REACH` to `REACH - 1`.
const REACH: f32 = 4.0;

impl Block for Q3K {
    const TYPE: ElementType = ElementType::Q3K;

    fn decode(block: &[u8], values: &mut [f32]) {
        let scale = half(block, 108);
        let factors = &block[96..108];
        for (group, values) in values.chunks_exact_mut(16).enumerate() {
            let low = factors[group % 8] >> (4 * (group / 8)) & 15;
            let high = factors[8 + group % 4] >> (2 * (group / 4)) & 3;
            let scale = scale * (f32::from(high << 4 | low) - 32.0);
            let thirds = &block[16 * (group % 2)..];
            let levels = &block[32 + 32 * (group / 8) + 16 * (group % 2)..];
            let shift = 2 * (group / 2 % 4);
            for (i, value) in values.iter_mut().enumerate() {
                let level = levels[i] >> shift & 3 | (thirds[i] >> (group / 2) & 1) << 2;
                *value = scale * (f32::from(level) - 4.0);
            }
        }
    }
}

/// The scales of six bits, 32 too large, of 16 groups, and the F16 that they are multiples of.
#[inline(always)]
fn factors<L: Lanes>(scales: &[L; 16]) -> ([L::Words; 16], L::Words) {
    let zero = L::splat(0.0);
    let (_, largest) = extreme(scales);
    let none = largest.equal(zero);
    let inverse = L::splat(-32.0) / largest;
    let mut factors = [L::Words::splat(0); 16];
    for (factor, &scale) in factors.iter_mut().zip(scales) {
        let stored = clamp(nearest_word(inverse * scale), -32, 31) + L::Words::splat(32);
        *factor = L::Words::select(none, L::Words::splat(0), stored);
    }
    (factors, to_f16(L::select(none, zero, L::splat(1.0) / inverse)))
}

/// The twelve bytes of the scales.
#[inline(always)]
fn pack_factors<L: Lanes>(factors: &[L::Words; 16]) -> [L::Words; 3] {
    let low_bits = L::Words::splat(15);
    let mut words = [L::Words::splat(0); 3];
    for i in 0..4 {
        let at = 8 * i as u32;
        for (word, first) in words[..2].iter_mut().zip([i, i + 4]) {
            *word = *word | (factors[first] & low_bits | (factors[first + 8] & low_bits).up(4)).up(at);
        }
        for part in 0..4 {
            words[2] = words[2] | factors[4 * part + i].down(4).up(at + 2 * part as u32);
        }
    }
    words
}

/// Writes blocks: the stored factors of their scales, the scale of these, and the levels nearest to the
/// numbers; where a scale is 0, those of the search.
#[inline(always)]
fn write<L: Lanes>(
    values: &[f32],
    levels: &[[L; 16]; 16],
    factors: &[L::Words; 16],
    scale: L::Words,
    blocks: &mut [u8],
) {
    const BYTES: usize = 110;
    let zero = L::splat(0.0);
    for (word, bytes) in pack_factors::<L>(factors).into_iter().enumerate() {
        store_low::<L>(bytes, 4, blocks, BYTES, 96 + 4 * word);
    }
    store_low::<L>(scale, 2, blocks, BYTES, 108);

    let scale: L = from_f16(scale);
    let word = L::Words::splat;
    for first in 0..2 {
        let mut thirds = [word(0); 16];
        for half in 0..2 {
            let mut bytes = [word(0); 16];
            for part in 0..4 {
                let group = 8 * half + 2 * part + first;
                let elements: [L; 16] = load(values, 256, 16 * group);
                let scale = scale * L::from_signed(factors[group] - word(32));
                let kept = scale.equal(zero);
                for i in 0..16 {
                    let level = clamp(nearest_word(elements[i] / scale), -4, 3);
                    let level = L::Words::select(kept, levels[group][i].truncate(), level) + word(4);
                    thirds[i] = thirds[i] | level.down(2).up((4 * half + part) as u32);
                    bytes[i] = bytes[i] | (level & word(3)).up(2 * part as u32);
                }
            }
            store4::<L>(pack::<L>(&bytes), blocks, BYTES, 32 + 32 * half + 16 * first);
        }
        store4::<L>(pack::<L>(&thirds), blocks, BYTES, 16 * first);
    }
}

/// Quantizes without importance.
#[inline(always)]
fn encode<L: Lanes>(values: &[f32], blocks: &mut [u8]) {
    let zero = L::splat(0.0);
    let mut scales = [zero; 16];
    let mut levels = [[zero; 16]; 16];
    for group in 0..16 {
        (scales[group], levels[group]) = descend(&load(values, 256, 16 * group), REACH);
    }
    let (factors, scale) = factors(&scales);
    write(values, &levels, &factors, scale, blocks);
}

impl Encode for Q3K {
    #[inline(always)]
    fn encode<L: Lanes>(numbers: Numbers<'_>, blocks: &mut [u8]) {
        if numbers.importance.is_none() {
            return encode::<L>(numbers.values, blocks);
        }
        let zero = L::splat(0.0);
        let by_block = ByBlock::<L>::new(numbers, 2.0 / 256.0, 0.0);
        let (mut scales, mut sums) = ([zero; 16], [zero; 16]);
        let mut levels = [[zero; 16]; 16];
        for group in 0..16 {
            let elements: [L; 16] = load(numbers.values, 256, 16 * group);
            let weights = by_block.of(16 * group, &elements);
            let fit = search_steps(&elements, &weights, REACH);
            (scales[group], sums[group]) = (fit.scale, sum(&weights));
            for (level, element) in levels[group].iter_mut().zip(elements) {
                *level = L::select(fit.zero, L::splat(-REACH), L::from_signed(fit.level(element, REACH)));
            }
        }
        // The scales are written with the same search.
        let fit = search_steps(&scales, &sums, 32.0);
        let mut factors = [L::Words::splat(0); 16];
        for (factor, scale) in factors.iter_mut().zip(scales) {
            let stored = fit.level(scale, 32.0) + L::Words::splat(32);
            *factor = L::Words::select(fit.zero, L::Words::splat(0), stored);
        }
        write(numbers.values, &levels, &factors, to_f16(fit.scale), blocks);
    }
}
