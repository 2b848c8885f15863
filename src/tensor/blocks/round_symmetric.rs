//! Q4_0 and Q5_0: 32 levels times one scale, zero in the middle.

use super::lane_blocks::{extreme, load, pack, store_low, store4};
use super::scale_search::search_steps;
use super::weights::weigh;
use super::{Block, ElementType, Encode, Numbers, half};
use crate::tensor::lanes::{Lanes, Words};
use crate::tensor::rounding::{divide_or_zero, to_f16};

/// Bytes: `scale: f16`, 16 × (element `i` in the low, `i + 16` in the high four bits).
pub(crate) struct Q4_0;

/// Bytes: `scale: f16`, `fifth: u32` (the fifth bit of element `i` is bit `i`), 16 × low four bits as in
/// [`Q4_0`].
pub(crate) struct Q5_0;

impl Block for Q4_0 {
    const TYPE: ElementType = ElementType::Q4_0;

    fn decode(block: &[u8], values: &mut [f32]) {
        let scale = half(block, 0);
        for (i, &pair) in block[2..].iter().enumerate() {
            values[i] = (f32::from(pair & 15) - 8.0) * scale;
            values[i + 16] = (f32::from(pair >> 4) - 8.0) * scale;
        }
    }
}

impl Block for Q5_0 {
    const TYPE: ElementType = ElementType::Q5_0;

    fn decode(block: &[u8], values: &mut [f32]) {
        let scale = half(block, 0);
        let fifth = u32::from_le_bytes([block[2], block[3], block[4], block[5]]);
        for (i, &pair) in block[6..].iter().enumerate() {
            let low = pair & 15 | ((fifth >> i & 1) << 4) as u8;
            let high = pair >> 4 | ((fifth >> (i + 16) & 1) << 4) as u8;
            values[i] = (f32::from(low) - 16.0) * scale;
            values[i + 16] = (f32::from(high) - 16.0) * scale;
        }
    }
}

/// The scale as F16 and the levels of one block a lane; the extreme element gets level 0, zero gets level
/// `middle`.
#[inline(always)]
fn divide<L: Lanes>(elements: &[L; 32], middle: f32) -> (L::Words, [L::Words; 32]) {
    let (_, extreme) = extreme(elements);
    let scale = extreme * L::splat(-1.0 / middle);
    let inverse = divide_or_zero(1.0, scale);
    let highest = L::Words::splat((2.0 * middle) as u32 - 1);
    let mut levels = [highest; 32];
    for (level, &element) in levels.iter_mut().zip(elements) {
        *level = (element * inverse + L::splat(middle + 0.5)).truncate().min_signed(highest);
    }
    (to_f16(scale), levels)
}

/// The same; with importance, the scale is searched for.
#[inline(always)]
fn quantize<L: Lanes>(numbers: Numbers<'_>, middle: f32) -> (L::Words, [L::Words; 32]) {
    let elements: [L; 32] = load(numbers.values, 32, 0);
    let Some(importance) = numbers.importance else {
        return divide(&elements, middle);
    };
    let weights = weigh(&elements, &load(importance, 32, 0), L::load(numbers.row_mean_squares));
    let fit = search_steps(&elements, &weights, middle);
    let (none, middle_level) = (L::Words::splat(0), L::Words::splat(middle as u32));
    let mut levels = [none; 32];
    for (level, element) in levels.iter_mut().zip(elements) {
        *level = L::Words::select(fit.zero, none, fit.level(element, middle) + middle_level);
    }
    (to_f16(fit.scale), levels)
}

impl Encode for Q4_0 {
    const NEEDS_ROW_MEAN: bool = true;

    #[inline(always)]
    fn encode<L: Lanes>(numbers: Numbers<'_>, blocks: &mut [u8]) {
        let (scale, levels) = quantize::<L>(numbers, 8.0);
        store_low::<L>(scale, 2, blocks, 18, 0);
        store4::<L>(pack_nibbles::<L>(&levels), blocks, 18, 2);
    }
}

impl Encode for Q5_0 {
    const NEEDS_ROW_MEAN: bool = true;

    #[inline(always)]
    fn encode<L: Lanes>(numbers: Numbers<'_>, blocks: &mut [u8]) {
        let (scale, levels) = quantize::<L>(numbers, 16.0);
        store_low::<L>(scale, 2, blocks, 22, 0);
        store_low::<L>(fifth_bits::<L>(&levels), 4, blocks, 22, 2);
        store4::<L>(pack_nibbles::<L>(&levels), blocks, 22, 6);
    }
}

/// The low four bits of 32 levels: byte `i` holds those of levels `i` and `i + 16`.
#[inline(always)]
pub(super) fn pack_nibbles<L: Lanes>(levels: &[L::Words; 32]) -> [L::Words; 4] {
    let low_bits = L::Words::splat(15);
    let mut bytes = [low_bits; 16];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = levels[i] & low_bits | (levels[i + 16] & low_bits).up(4);
    }
    pack::<L>(&bytes)
}

/// The fifth bits of 32 levels below 32: bit `i` is that of level `i`.
#[inline(always)]
pub(super) fn fifth_bits<L: Lanes>(levels: &[L::Words; 32]) -> L::Words {
    let mut bits = L::Words::splat(0);
    for (i, level) in levels.iter().enumerate() {
        bits = bits | (level.down(4) & L::Words::splat(1)).up(i as u32);
    }
    bits
}
