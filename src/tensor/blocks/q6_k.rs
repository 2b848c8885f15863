//! Q6_K: 256 numbers in 16 groups, each with a signed scale of eight bits; levels of six bits, zero in the middle.

use super::{Block, ElementType, half};

/// Bytes: 128 × two lower parts of levels, 64 × four upper parts, 16 × `scale: i8`, `scale: f16`.
///
/// For each half `h` of 128 elements: byte `64 h + i` holds the low four bits of elements `i` and `i + 64` of that
/// half for `i < 64`, and byte `32 h + i` of the upper parts the upper two bits of elements `i`, `i + 32`, `i + 64`
/// and `i + 96`, lowest bits first. Levels are stored 32 too large.
pub(crate) struct Q6K;

impl Block for Q6K {
    const TYPE: ElementType = ElementType::Q6K;

    fn decode(block: &[u8], values: &mut [f32]) {
        let scale = half(block, 208);
        for (group, values) in values.chunks_exact_mut(16).enumerate() {
            let scale = scale * f32::from(block[192 + group] as i8);
            let (half, within) = (group / 8, group % 8);
            let lower = &block[64 * half + 16 * (within % 4)..];
            let upper = &block[128 + 32 * half + 16 * (within % 2)..];
            let (lower_shift, upper_shift) = (4 * (within / 4), 2 * (within / 2));
            for (i, value) in values.iter_mut().enumerate() {
                let level = lower[i] >> lower_shift & 15 | (upper[i] >> upper_shift & 3) << 4;
                *value = scale * (f32::from(level) - 32.0);
            }
        }
    }
}
