//! Q1_0: 128 signs times one scale.

use super::lane_blocks::{load, store_low, store4};
use super::{Block, ElementType, Encode, Numbers, half};
use crate::tensor::lanes::{Lanes, Words};
use crate::tensor::rounding::to_f16;

/// Bytes: `scale: f16`, 16 × eight signs; bit `i` of byte `j` is set where element `8 j + i` is not negative.
pub(crate) struct Q1_0;

impl Block for Q1_0 {
    const TYPE: ElementType = ElementType::Q1_0;

    fn decode(block: &[u8], values: &mut [f32]) {
        let scale = half(block, 0);
        for (i, value) in values.iter_mut().enumerate() {
            *value = if block[2 + i / 8] >> (i % 8) & 1 == 1 { scale } else { -scale };
        }
    }
}

impl Encode for Q1_0 {
    #[inline(always)]
    fn encode<L: Lanes>(Numbers { values, .. }: Numbers<'_>, blocks: &mut [u8]) {
        let (zero, word) = (L::splat(0.0), L::Words::splat);
        let mut sum = zero;
        let mut signs = [word(0); 4];
        for (quarter, signs) in signs.iter_mut().enumerate() {
            let elements: [L; 32] = load(values, 128, 32 * quarter);
            for (i, element) in elements.into_iter().enumerate() {
                sum = sum + element.abs();
                let negative = element.less(zero);
                *signs = *signs | L::Words::select(negative, word(0), word(1 << i));
            }
        }
        store_low::<L>(to_f16(sum / L::splat(128.0)), 2, blocks, 18, 0);
        store4::<L>(signs, blocks, 18, 2);
    }
}
