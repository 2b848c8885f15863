//! Q4_1 and Q5_1: 32 levels times a scale, above a minimum.

use super::{Block, ElementType, half};

/// Bytes: `scale: f16`, `minimum: f16`, 16 × (element `i` in the low, `i + 16` in the high four bits).
pub(crate) struct Q4_1;

/// Bytes: `scale: f16`, `minimum: f16`, `fifth: u32` (the fifth bit of element `i` is bit `i`), 16 × low four bits as
/// in [`Q4_1`].
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
