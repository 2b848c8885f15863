//! Q8_0: 32 signed bytes times one scale.

use super::lane_blocks::{load, pack, store_low, store4};
use super::{Block, ElementType, Encode, Numbers, half};
use crate::tensor::lanes::{Lanes, Words};
use crate::tensor::rounding::{divide_or_zero, nearest_away, to_f16};

/// Bytes: `scale: f16`, 32 × `level: i8`.
pub(crate) struct Q8_0;

impl Block for Q8_0 {
    const TYPE: ElementType = ElementType::Q8_0;

    fn decode(block: &[u8], values: &mut [f32]) {
        let scale = half(block, 0);
        for (value, &level) in values.iter_mut().zip(&block[2..]) {
            *value = f32::from(level as i8) * scale;
        }
    }
}

impl Encode for Q8_0 {
    #[inline(always)]
    fn encode<L: Lanes>(Numbers { values, .. }: Numbers<'_>, blocks: &mut [u8]) {
        let elements: [L; 32] = load(values, 32, 0);
        let mut magnitude = L::splat(0.0);
        for element in elements {
            magnitude = magnitude.max(element.abs());
        }
        let scale = magnitude / L::splat(127.0);
        let inverse = divide_or_zero(1.0, scale);
        store_low::<L>(to_f16(scale), 2, blocks, 34, 0);
        for (half, elements) in elements.as_chunks::<16>().0.iter().enumerate() {
            let low_byte = L::Words::splat(0xff);
            let mut levels = [low_byte; 16];
            for (level, &element) in levels.iter_mut().zip(elements) {
                *level = nearest_away(element * inverse) & low_byte;
            }
            store4::<L>(pack::<L>(&levels), blocks, 34, 2 + 16 * half);
        }
    }
}
