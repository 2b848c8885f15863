//! IQ4_NL and IQ4_XS: levels of four bits that stand for sixteen unevenly spaced values.

use super::lane_blocks::{extreme, load, pack, store_low, store4};
use super::scale_search::NEGLIGIBLE;
use super::weights::{ByBlock, Weigh, squares, sum, weigh};
use super::{Block, ElementType, Encode, Numbers, half};
use crate::tensor::lanes::{Lanes, Words};
use crate::tensor::rounding::{clamp, nearest_word, to_f16};

/// Bytes: `scale: f16`, 16 × (element `i` in the low, `i + 16` in the high four bits).
pub(crate) struct Iq4Nl;

/// Bytes: `scale: f16`, `upper: u16` (two upper bits of the scale of each of 8 groups, the first lowest), 4 ×
/// lower four bits of the scales of two groups, 8 × 16 × two levels as in [`Iq4Nl`]. Scales are stored 32 too
/// large.
pub(crate) struct Iq4Xs;

/// What the levels stand for (llama.cpp, `kvalues_iq4nl` in `ggml/src/ggml-common.h`).
const VALUES: [f32; 16] = [
    -127.0, -104.0, -83.0, -65.0, -49.0, -35.0, -22.0, -10.0, 1.0, 13.0, 25.0, 38.0, 53.0, 69.0, 89.0, 113.0,
];

/// Trials on either side of the plain scale.
const REACH: i32 = 7;

fn decode(pairs: &[u8], scale: f32, values: &mut [f32]) {
    for (i, &pair) in pairs.iter().enumerate() {
        values[i] = scale * VALUES[usize::from(pair & 15)];
        values[i + 16] = scale * VALUES[usize::from(pair >> 4)];
    }
}

impl Block for Iq4Nl {
    const TYPE: ElementType = ElementType::Iq4Nl;

    fn decode(block: &[u8], values: &mut [f32]) {
        decode(&block[2..], half(block, 0), values);
    }
}

impl Block for Iq4Xs {
    const TYPE: ElementType = ElementType::Iq4Xs;

    fn decode(block: &[u8], values: &mut [f32]) {
        let scale = half(block, 0);
        let upper = u16::from_le_bytes([block[2], block[3]]);
        for (group, values) in values.chunks_exact_mut(32).enumerate() {
            let lower = block[4 + group / 2] >> (4 * (group % 2)) & 15;
            let factor = lower | ((upper >> (2 * group) & 3) << 4) as u8;
            decode(&block[8 + 16 * group..][..16], scale * (f32::from(factor) - 32.0), values);
        }
    }
}

/// Half way between two neighbouring values. The reference compares the distances to both, which are exact
/// this near to the middle: the middle itself belongs to the larger value.
const fn middle(index: usize) -> f32 {
    (VALUES[index] + VALUES[index + 1]) / 2.0
}

/// The nearest of the values.
#[inline(always)]
fn nearest_value<L: Lanes>(number: L) -> L {
    let mut value = L::splat(VALUES[15]);
    for index in (0..15).rev() {
        value = L::select(number.less(L::splat(middle(index))), L::splat(VALUES[index]), value);
    }
    value
}

/// The level of the nearest of the values.
#[inline(always)]
fn nearest_level<L: Lanes>(number: L) -> L::Words {
    let word = L::Words::splat;
    let mut level = word(15);
    for index in (0..15).rev() {
        level = L::Words::select(number.less(L::splat(middle(index))), word(index as u32), level);
    }
    level
}

/// The scale of a group, of the fifteen tried around the one that makes the extreme number the smallest
/// value, for which `(Σ w x v)² / Σ w v²` is largest (llama.cpp, `quantize_row_iq4_nl_impl` in
/// `ggml/src/ggml-quants.c`).
#[inline(always)]
fn search<L: Lanes>(elements: &[L; 32], weights: &[L; 32]) -> L {
    let zero = L::splat(0.0);
    let (magnitude, extreme) = extreme(elements);
    let plain = (zero - extreme) / L::splat(VALUES[0]);
    let (sum_vx, sum_v2) = sums(elements, weights, L::splat(1.0) / plain);
    let mut scale = L::select(zero.less(sum_v2), sum_vx / sum_v2, zero);
    let mut best = scale * sum_vx;
    for trial in -REACH..=REACH {
        let inverse = L::splat(trial as f32 + VALUES[0]) / extreme;
        let (sum_vx, sum_v2) = sums(elements, weights, inverse);
        let better = zero.less(sum_v2) & (best * sum_v2).less(sum_vx * sum_vx);
        let tried = sum_vx / sum_v2;
        scale = L::select(better, tried, scale);
        best = L::select(better, tried * sum_vx, best);
    }
    L::select(magnitude.less(L::splat(NEGLIGIBLE)), zero, scale)
}

/// `Σ w v x` and `Σ w v²` for the values nearest to `inverse × x`.
#[inline(always)]
fn sums<L: Lanes>(elements: &[L; 32], weights: &[L; 32], inverse: L) -> (L, L) {
    let (mut sum_vx, mut sum_v2) = (L::splat(0.0), L::splat(0.0));
    for (&element, &weight) in elements.iter().zip(weights) {
        let value = nearest_value(inverse * element);
        let weighted = weight * value;
        sum_vx = sum_vx + weighted * element;
        sum_v2 = sum_v2 + weighted * value;
    }
    (sum_vx, sum_v2)
}

/// The levels of a group for a scale, as sixteen bytes.
#[inline(always)]
fn levels<L: Lanes>(elements: &[L; 32], scale: L) -> [L::Words; 4] {
    let zero = L::splat(0.0);
    let inverse = L::select(scale.equal(zero), zero, L::splat(1.0) / scale);
    let mut bytes = [L::Words::splat(0); 16];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte =
            nearest_level::<L>(inverse * elements[i]) | nearest_level::<L>(inverse * elements[i + 16]).up(4);
    }
    pack::<L>(&bytes)
}

impl Encode for Iq4Nl {
    #[inline(always)]
    fn encode<L: Lanes>(numbers: Numbers<'_>, blocks: &mut [u8]) {
        let elements: [L; 32] = load(numbers.values, 32, 0);
        let squares = squares(&elements);
        let weights = match numbers.importance {
            Some(importance) => {
                weigh(&elements, &load(importance, 32, 0), sum(&squares) * L::splat(2.0 / 32.0))
            }
            None => squares,
        };
        let scale = search(&elements, &weights);
        store_low::<L>(to_f16(scale), 2, blocks, 18, 0);
        store4::<L>(levels(&elements, scale), blocks, 18, 2);
    }
}

impl Encode for Iq4Xs {
    #[inline(always)]
    fn encode<L: Lanes>(numbers: Numbers<'_>, blocks: &mut [u8]) {
        const BYTES: usize = 136;
        let (zero, word) = (L::splat(0.0), L::Words::splat);
        let weigh = ByBlock::new(numbers, 2.0 / 256.0, 0.0);
        let mut scales = [zero; 8];
        for (group, scale) in scales.iter_mut().enumerate() {
            let elements: [L; 32] = load(numbers.values, 256, 32 * group);
            *scale = search(&elements, &weigh.of(32 * group, &elements));
        }
        let (_, largest) = extreme(&scales);
        let scale = largest / L::splat(-32.0);
        let inverse = L::select(scale.equal(zero), zero, L::splat(1.0) / scale);
        let (mut lower, mut upper) = (word(0), word(0));
        for (group, &searched) in scales.iter().enumerate() {
            let factor = clamp(nearest_word(inverse * searched), -32, 31);
            let elements: [L; 32] = load(numbers.values, 256, 32 * group);
            let levels = levels(&elements, scale * L::from_signed(factor));
            store4::<L>(levels, blocks, BYTES, 8 + 16 * group);
            let stored = factor + word(32);
            lower = lower | (stored & word(15)).up(4 * group as u32);
            upper = upper | stored.down(4).up(2 * group as u32);
        }
        store_low::<L>(to_f16(scale) | upper.up(16), 4, blocks, BYTES, 0);
        store_low::<L>(lower, 4, blocks, BYTES, 4);
    }
}
