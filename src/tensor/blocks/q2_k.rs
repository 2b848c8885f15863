//! Q2_K: 256 numbers in 16 groups, each with a scale and a minimum of four bits; levels of two bits.

use super::{Block, ElementType, half};

/// Bytes: 16 × (scale in the low, minimum in the high four bits), 64 × four levels, `scale: f16`, `minimum: f16`.
///
/// Byte `32 h + i` of the levels holds those of elements `128 h + i`, `+ 32`, `+ 64` and `+ 96`, lowest bits first.
pub(crate) struct Q2K;

impl Block for Q2K {
    const TYPE: ElementType = ElementType::Q2K;

    fn decode(block: &[u8], values: &mut [f32]) {
        let (scale, minimum) = (half(block, 80), half(block, 82));
        for (group, values) in values.chunks_exact_mut(16).enumerate() {
            let factors = block[group];
            let (scale, minimum) = (scale * f32::from(factors & 15), minimum * f32::from(factors >> 4));
            let levels = &block[16 + 32 * (group / 8) + 16 * (group % 2)..];
            let shift = 2 * (group / 2 % 4);
            for (value, &level) in values.iter_mut().zip(levels) {
                *value = scale * f32::from(level >> shift & 3) - minimum;
            }
        }
    }
}
