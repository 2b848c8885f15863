//! IQ1_S and IQ1_M: 256 numbers, eight to a point of a codebook with levels -1, 0 and 1, shifted by an eighth
//! to either side.

use super::codebook::{self, Codebook, Neighbourhood};
use super::lane_blocks::{by_lane, load, pack, pick, store_low, store4};
use super::lattice_scales::odd_multiples;
use super::nearest::Target;
use super::split_search::{DOWN, SHIFT, Split, UP, search_common, search_halves};
use super::weights::{ByBlock, Weigh};
use super::{Block, ElementType, Encode, Numbers, half};
use crate::tensor::cast::f16_to_f32;
use crate::tensor::lanes::{Lanes, MOST_LANES, Mask, Words};
use crate::tensor::rounding::{clamp, nearest_word, to_f16};

/// Bytes: `scale: f16`, 32 × lower eight bits of an index, 8 × `u16`: upper three bits of four indices, a
/// factor of three bits of 32 numbers, and whether they are shifted down.
pub(crate) struct Iq1S;

/// Bytes: 32 × lower eight bits of an index, 16 × (2 × upper three bits of an index and whether it is shifted
/// down), 4 × `u16`: four factors of three bits, of 16 numbers each, and in the upper four bits of all a
/// quarter of `scale: f16`.
pub(crate) struct Iq1M;

static CODEBOOK: &Codebook = &codebook::IQ1;

fn decode_point(index: usize, down: bool, scale: f32, values: &mut [f32]) {
    let shift = if down { -SHIFT } else { SHIFT };
    for (i, value) in values.iter_mut().enumerate() {
        *value = scale * (CODEBOOK.level(index, i) as f32 - 1.0 + shift);
    }
}

impl Block for Iq1S {
    const TYPE: ElementType = ElementType::Iq1S;

    fn decode(block: &[u8], values: &mut [f32]) {
        let scale = half(block, 0);
        for (k, values) in values.chunks_exact_mut(8).enumerate() {
            let upper = u16::from_le_bytes([block[34 + k / 4 * 2], block[35 + k / 4 * 2]]);
            let scale = scale * f32::from(2 * (upper >> 12 & 7) + 1);
            let index = usize::from(block[2 + k]) | usize::from(upper >> (3 * (k % 4)) & 7) << 8;
            decode_point(index, upper & 0x8000 != 0, scale, values);
        }
    }
}

impl Block for Iq1M {
    const TYPE: ElementType = ElementType::Iq1M;

    fn decode(block: &[u8], values: &mut [f32]) {
        let words = [48, 50, 52, 54].map(|at| u16::from_le_bytes([block[at], block[at + 1]]));
        let quarters = words.iter().rev().fold(0, |scale, word| scale << 4 | word >> 12);
        let scale = f16_to_f32(quarters);
        for (k, values) in values.chunks_exact_mut(8).enumerate() {
            let group = k / 2;
            let scale = scale * f32::from(2 * (words[group / 4] >> (3 * (group % 4)) & 7) + 1);
            let upper = block[32 + group] >> (4 * (k % 2));
            let index = usize::from(block[k]) | usize::from(upper & 7) << 8;
            decode_point(index, upper & 8 != 0, scale, values);
        }
    }
}

/// Points of the codebook for a split.
struct Points<L: Lanes, const K: usize> {
    scale: L,
    /// What the points say of levels.
    words: [L::Words; K],
    indices: [L::Words; K],
}

/// What the levels of a word, shifted, are.
#[inline(always)]
fn levels_of<L: Lanes>(word: L::Words, down: L::Mask) -> [L; 8] {
    let shift = L::select(down, L::splat(-SHIFT), L::splat(SHIFT));
    let mut values = [shift; 8];
    for (place, value) in values.iter_mut().enumerate() {
        let level = word.down(4 * place as u32) & L::Words::splat(3);
        *value = L::from_signed(level) - L::splat(1.0) + shift;
    }
    values
}

/// Moves what does not belong to the codebook to the best neighbours, which changes the best scale.
#[inline(always)]
fn settle<L: Lanes, const N: usize, const K: usize, const H: usize>(
    neighbourhood: &Neighbourhood,
    numbers: &[L; N],
    weights: &[L; N],
    split: &Split<L, N, H>,
) -> Points<L, K> {
    let zero = L::splat(0.0);
    let (number_rows, weight_rows) = (by_lane(numbers), by_lane(weights));
    let scales = split.scale.to_bits().to_array();
    let mut words = [L::Words::splat(0); K];
    let mut indices = words;
    let mut any_moved = zero.less(zero);
    for k in 0..K {
        let mut point = zero;
        for &level in split.levels[8 * k..][..8].iter().rev() {
            point = point * L::splat(3.0) + level;
        }
        let points = point.truncate().to_array();
        let down = split.down[k * H / K].bits();
        let mut found = [0; MOST_LANES];
        for lane in 0..L::COUNT {
            let levels = if down >> lane & 1 == 1 { &DOWN } else { &UP };
            let numbers: [f32; 8] = pick(&number_rows, 8 * k, lane);
            let target = Target::new(&numbers, &pick(&weight_rows, 8 * k, lane), levels);
            let scale = f32::from_bits(scales[lane]);
            found[lane] = target.nearest::<L, 8>(neighbourhood, points[lane], scale);
        }
        words[k] = L::Words::load(&found);
        indices[k] = neighbourhood.indices::<L, 8>(words[k]);
        any_moved = any_moved | words[k].less_signed(L::Words::splat(0));
    }
    let (mut sum_qx, mut sum_q2) = (zero, zero);
    for k in 0..K {
        for (i, value) in levels_of::<L>(words[k], split.down[k * H / K]).into_iter().enumerate() {
            let weighted = weights[8 * k + i] * value;
            sum_qx = sum_qx + weighted * numbers[8 * k + i];
            sum_q2 = sum_q2 + weighted * value;
        }
    }
    let changed = any_moved & zero.less(sum_qx) & zero.less(sum_q2);
    Points { scale: L::select(changed, sum_qx / sum_q2, split.scale), words, indices }
}

/// The largest magnitude of numbers.
#[inline(always)]
fn magnitude<L: Lanes, const N: usize>(numbers: &[L; N]) -> L {
    let mut magnitude = numbers[0].abs();
    for number in &numbers[1..] {
        magnitude = magnitude.max(number.abs());
    }
    magnitude
}

impl Encode for Iq1S {
    const NEEDS_IMPORTANCE: bool = true;

    #[inline(always)]
    fn encode<L: Lanes>(numbers: Numbers<'_>, blocks: &mut [u8]) {
        const BYTES: usize = 50;
        let (zero, word) = (L::splat(0.0), L::Words::splat);
        let neighbourhood = CODEBOOK.neighbourhood();
        let by_block = ByBlock::<L>::new(numbers, 2.0 / 256.0, 0.0);
        let mut scales = [zero; 8];
        let mut upper = [word(0); 8];
        for group in 0..8 {
            let elements: [L; 32] = load(numbers.values, 256, 32 * group);
            let weights = by_block.of(32 * group, &elements);
            let split = search_common(&elements, &weights);
            let points: Points<L, 4> = settle(neighbourhood, &elements, &weights, &split);
            let used = !magnitude(&elements).less(L::splat(1e-12)) & split.found;
            scales[group] = L::select(used, points.scale, zero);
            let mut lower = word(0);
            for (k, index) in points.indices.into_iter().enumerate() {
                lower = lower | (index & word(255)).up(8 * k as u32);
                upper[group] = upper[group] | index.down(8).up(3 * k as u32);
            }
            upper[group] = upper[group] | L::Words::select(split.down[0], word(0x8000), word(0));
            upper[group] = L::Words::select(used, upper[group], word(0));
            store_low::<L>(L::Words::select(used, lower, word(0)), 4, blocks, BYTES, 2 + 4 * group);
        }
        let (factors, scale) = odd_multiples(&scales, 7, 1.125);
        store_low::<L>(scale, 2, blocks, BYTES, 0);
        for group in 0..8 {
            store_low::<L>(upper[group] | factors[group].up(12), 2, blocks, BYTES, 34 + 2 * group);
        }
    }
}

impl Encode for Iq1M {
    #[inline(always)]
    fn encode<L: Lanes>(numbers: Numbers<'_>, blocks: &mut [u8]) {
        const BYTES: usize = 56;
        let (zero, word) = (L::splat(0.0), L::Words::splat);
        let neighbourhood = CODEBOOK.neighbourhood();
        let weigh = ByBlock::<L>::new(numbers, 2.0 / 256.0, 0.0);
        let mut scales = [zero; 16];
        let mut words = [[word(0); 2]; 16];
        let mut downs = [[zero.less(zero); 2]; 16];
        let mut lower = [word(0); 32];
        let mut upper = [word(0); 16];
        let mut largest = zero;
        for group in 0..16 {
            let elements: [L; 16] = load(numbers.values, 256, 16 * group);
            let weights = weigh.of(16 * group, &elements);
            let split = search_halves(&elements, &weights);
            let points: Points<L, 2> = settle(neighbourhood, &elements, &weights, &split);
            let used = !magnitude(&elements).less(L::splat(1e-7)) & split.found;
            scales[group] = L::select(used, points.scale, zero);
            largest = largest.max(scales[group]);
            for k in 0..2 {
                downs[group][k] = split.down[k] & used;
                words[group][k] = L::Words::select(used, points.words[k], word(neighbourhood.origin()));
                let index = L::Words::select(used, points.indices[k], word(0));
                let down = L::Words::select(downs[group][k], word(8), word(0));
                lower[2 * group + k] = index & word(255);
                upper[group] = upper[group] | (index.down(8) | down).up(4 * k as u32);
            }
        }
        // With the factors of the groups known, the scale of the block is the best for all of its numbers.
        let unit = largest / L::splat(15.0);
        let inverse = L::splat(1.0) / unit;
        let mut packed = [word(0); 4];
        let (mut sum_qx, mut sum_q2) = (zero, zero);
        for group in 0..16 {
            let scaled = L::splat(0.5) * (inverse * scales[group] - L::splat(1.0));
            let factor = clamp(nearest_word(scaled), 0, 7);
            packed[group / 4] = packed[group / 4] | factor.up(3 * (group % 4) as u32);
            let multiple = L::from_signed(factor + factor + word(1));
            let elements: [L; 16] = load(numbers.values, 256, 16 * group);
            let weights = weigh.of(16 * group, &elements);
            for k in 0..2 {
                for (i, value) in levels_of::<L>(words[group][k], downs[group][k]).into_iter().enumerate() {
                    let value = value * multiple;
                    let weighted = weights[8 * k + i] * value;
                    sum_qx = sum_qx + weighted * elements[8 * k + i];
                    sum_q2 = sum_q2 + weighted * value;
                }
            }
        }
        let unit = L::select(zero.less(sum_q2), sum_qx / sum_q2, unit);
        let blank = largest.equal(zero);
        let scale = L::Words::select(blank, word(0), to_f16(unit * L::splat(1.1125)));
        for (i, packed) in packed.iter_mut().enumerate() {
            *packed = *packed | (scale.down(4 * i as u32) & word(15)).up(12);
        }
        for (half, lower) in lower.as_chunks::<16>().0.iter().enumerate() {
            store4::<L>(pack::<L>(lower), blocks, BYTES, 16 * half);
        }
        store4::<L>(pack::<L>(&upper), blocks, BYTES, 32);
        store_low::<L>(packed[0] | packed[1].up(16), 4, blocks, BYTES, 48);
        store_low::<L>(packed[2] | packed[3].up(16), 4, blocks, BYTES, 52);
    }
}
