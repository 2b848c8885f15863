//! Q4_1 and Q5_1: 32 levels times a scale, above a minimum.

use super::affine_search::{Search, Weighted, search};
use super::lane_blocks::{load, range, store_low, store4};
use super::round_symmetric::{fifth_bits, pack_nibbles};
use super::weights::weigh;
use super::{Block, ElementType, Encode, Numbers, half};
use crate::tensor::lanes::{Lanes, Words};
use crate::tensor::rounding::{divide_or_zero, to_f16};

/// Bytes: `scale: f16`, `minimum: f16`, 16 × (element `i` in the low, `i + 16` in the high four bits).
pub(crate) struct Q4_1;

/// Bytes: `scale: f16`, `minimum: f16`, `fifth: u32` (the fifth bit of element `i` is bit `i`), 16 × low four
/// bits as in [`Q4_1`].
pub(crate) struct Q5_1;

impl Block for Q4_1 {
    const TYPE: ElementType = ElementType::Q4_1;

    fn decode(block: &[u8], values: &mut [f32]) {
        let (scale, minimum) = (half(block, 0), half(block, 2));
        for (i, &pair) in block[4..].iter().enumerate() {
            values[i] = f32::from(pair & 15) * scale + minimum;
            values[i + 16] = f32::from(pair >> 4) * scale + minimum;
        }
    }
}

impl Block for Q5_1 {
    const TYPE: ElementType = ElementType::Q5_1;

    fn decode(block: &[u8], values: &mut [f32]) {
        let (scale, minimum) = (half(block, 0), half(block, 2));
        let fifth = u32::from_le_bytes([block[4], block[5], block[6], block[7]]);
        for (i, &pair) in block[8..].iter().enumerate() {
            let low = pair & 15 | ((fifth >> i & 1) << 4) as u8;
            let high = pair >> 4 | ((fifth >> (i + 16) & 1) << 4) as u8;
            values[i] = f32::from(low) * scale + minimum;
            values[i + 16] = f32::from(high) * scale + minimum;
        }
    }
}

/// The scale and the minimum as F16 in one word, and the levels, from 0 to `top`, of one block a lane.
#[inline(always)]
fn divide<L: Lanes>(elements: &[L; 32], top: f32) -> (L::Words, [L::Words; 32]) {
    let (low, high) = range(elements);
    let scale = (high - low) / L::splat(top);
    let inverse = divide_or_zero(1.0, scale);
    let highest = L::Words::splat(top as u32);
    let mut levels = [highest; 32];
    for (level, &element) in levels.iter_mut().zip(elements) {
        *level = ((element - low) * inverse + L::splat(0.5)).truncate().min_signed(highest);
    }
    (to_f16(scale) | to_f16(low).up(16), levels)
}

/// The same; with importance, scale and minimum are searched for.
#[inline(always)]
fn quantize<L: Lanes, S: Search>(numbers: Numbers<'_>) -> (L::Words, [L::Words; 32]) {
    let elements: [L; 32] = load(numbers.values, 32, 0);
    let Some(importance) = numbers.importance else {
        return divide(&elements, S::TOP);
    };
    let weights = weigh(&elements, &load(importance, 32, 0), L::load(numbers.row_mean_squares));
    let [fit] = search::<L, S, 32, 1>(&[elements], &[weights]);
    let mut levels = [L::Words::splat(0); 32];
    for (level, element) in levels.iter_mut().zip(elements) {
        *level = fit.level::<S>(element);
    }
    (to_f16(fit.scale) | to_f16(fit.minimum).up(16), levels)
}

impl Encode for Q4_1 {
    const NEEDS_ROW_MEAN: bool = true;

    #[inline(always)]
    fn encode<L: Lanes>(numbers: Numbers<'_>, blocks: &mut [u8]) {
        let (factors, levels) = quantize::<L, Weighted<15>>(numbers);
        store_low::<L>(factors, 4, blocks, 20, 0);
        store4::<L>(pack_nibbles::<L>(&levels), blocks, 20, 4);
    }
}

impl Encode for Q5_1 {
    const NEEDS_ROW_MEAN: bool = true;

    #[inline(always)]
    fn encode<L: Lanes>(numbers: Numbers<'_>, blocks: &mut [u8]) {
        let (factors, levels) = quantize::<L, Weighted<31>>(numbers);
        store_low::<L>(factors, 4, blocks, 24, 0);
        store_low::<L>(fifth_bits::<L>(&levels), 4, blocks, 24, 4);
        store4::<L>(pack_nibbles::<L>(&levels), blocks, 24, 8);
    }
}
