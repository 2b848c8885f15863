//! Q4_0 and Q5_0: 32 levels times one scale, zero in the middle.

use super::{Block, ElementType, half};

/// Bytes: `scale: f16`, 16 × (element `i` in the low, `i + 16` in the high four bits).
pub(crate) struct Q4_0;

/// Bytes: `scale: f16`, `fifth: u32` (the fifth bit of element `i` is bit `i`), 16 × low four bits as in [`Q4_0`].
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
