//! Q3_K: 256 numbers in 16 groups, each with a signed scale of six bits; levels of three bits, zero in the middle.

use super::{Block, ElementType, half};

/// Bytes: 32 × eight third bits, 64 × four lower parts of levels, 12 × parts of scales, `scale: f16`.
///
/// - Bit `k` of byte `i` is the third bit of element `32 k + i`; it is set where the level is not negative.
/// - Byte `32 h + i` of the levels holds those of elements `128 h + i`, `+ 32`, `+ 64` and `+ 96`, lowest bits first.
/// - Scales are stored 32 too large. Byte `g < 8` holds the low four bits of the scales of groups `g` and `g + 8`;
///   byte `8 + i` holds the upper two bits of the scales of groups `i`, `i + 4`, `i + 8` and `i + 12`.
pub(crate) struct Q3K;

impl Block for Q3K {
    const TYPE: ElementType = ElementType::Q3K;

    fn decode(block: &[u8], values: &mut [f32]) {
        let scale = half(block, 108);
        let factors = &block[96..108];
        for (group, values) in values.chunks_exact_mut(16).enumerate() {
            let low = factors[group % 8] >> (4 * (group / 8)) & 15;
            let high = factors[8 + group % 4] >> (2 * (group / 4)) & 3;
            let scale = scale * (f32::from(high << 4 | low) - 32.0);
            let thirds = &block[16 * (group % 2)..];
            let levels = &block[32 + 32 * (group / 8) + 16 * (group % 2)..];
            let shift = 2 * (group / 2 % 4);
            for (i, value) in values.iter_mut().enumerate() {
                let level = levels[i] >> shift & 3 | (thirds[i] >> (group / 2) & 1) << 2;
                *value = scale * (f32::from(level) - 4.0);
            }
        }
    }
}
