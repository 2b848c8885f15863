//! Q2_0: 64 levels from -1 to 2 times one scale.

use super::lane_blocks::{load, store_low, store4};
use super::{Block, ElementType, Encode, Numbers, half};
use crate::tensor::lanes::{Lanes, Words};
use crate::tensor::rounding::{clamp, divide_or_zero, nearest_away, to_f16};

/// Bytes: `scale: f16`, 16 × four levels, lowest bits first, stored one too large.
pub(crate) struct Q2_0;

impl Block for Q2_0 {
    const TYPE: ElementType = ElementType::Q2_0;

    fn decode(block: &[u8], values: &mut [f32]) {
        let scale = half(block, 0);
        for (i, value) in values.iter_mut().enumerate() {
            *value = (f32::from(block[2 + i / 4] >> (2 * (i % 4)) & 3) - 1.0) * scale;
        }
    }
}

impl Encode for Q2_0 {
    #[inline(always)]
    fn encode<L: Lanes>(Numbers { values, .. }: Numbers<'_>, blocks: &mut [u8]) {
        let word = L::Words::splat;
        let elements: [L; 64] = load(values, 64, 0);
        let mut magnitude = L::splat(0.0);
        for element in elements {
            magnitude = element.abs().max(magnitude);
        }
        let inverse = divide_or_zero(1.0, magnitude);
        let mut words = [word(0); 4];
        for (word_index, elements) in elements.as_chunks::<16>().0.iter().enumerate() {
            for (i, &element) in elements.iter().enumerate() {
                let level = clamp(nearest_away(element * inverse) + word(1), 0, 3);
                words[word_index] = words[word_index] | level.up(2 * i as u32);
            }
        }
        store_low::<L>(to_f16(magnitude), 2, blocks, 18, 0);
        store4::<L>(words, blocks, 18, 2);
    }
}
