//! Q4_K and Q5_K: 256 numbers in 8 groups, each with a scale and a minimum of six bits; levels of four or five bits.

use super::{Block, ElementType, half};

/// Bytes: `scale: f16`, `minimum: f16`, 12 × parts of scales and minima, 128 × two levels.
///
/// - Byte `32 h + i` of the levels holds those of elements `64 h + i` (low four bits) and `64 h + 32 + i`.
/// - Of the twelve bytes, byte `g < 4` holds the scale of group `g` in its low six bits, byte `4 + g` the minimum.
///   Byte `8 + i` holds the low four bits of the scale and of the minimum of group `4 + i`, whose upper two bits are
///   the upper two bits of bytes `i` and `4 + i`.
pub(crate) struct Q4K;

/// Bytes: as [`Q4K`], but with 32 × eight fifth bits before the levels: bit `k` of byte `i` belongs to element
/// `32 k + i`.
pub(crate) struct Q5K;

/// The scale and the minimum of a group, of the twelve bytes that hold them.
fn factors(packed: &[u8], group: usize) -> (f32, f32) {
    let (scale, minimum) = if group < 4 {
        (packed[group] & 63, packed[group + 4] & 63)
    } else {
        let low = packed[group + 4];
        (low & 15 | packed[group - 4] >> 6 << 4, low >> 4 | packed[group] >> 6 << 4)
    };
    (f32::from(scale), f32::from(minimum))
}

/// Decodes a block of either type; `fifth` gives the fifth bit, in its place, of an element.
#[inline(always)]
fn decode(block: &[u8], levels: &[u8], values: &mut [f32], fifth: impl Fn(usize, usize) -> u8) {
    let (scale, minimum) = (half(block, 0), half(block, 2));
    for (group, values) in values.chunks_exact_mut(32).enumerate() {
        let (scale_factor, minimum_factor) = factors(&block[4..16], group);
        let (scale, minimum) = (scale * scale_factor, minimum * minimum_factor);
        let levels = &levels[32 * (group / 2)..];
        let shift = 4 * (group % 2);
        for (i, value) in values.iter_mut().enumerate() {
            *value = scale * f32::from(levels[i] >> shift & 15 | fifth(group, i)) - minimum;
        }
    }
}

impl Block for Q4K {
    const TYPE: ElementType = ElementType::Q4K;

    fn decode(block: &[u8], values: &mut [f32]) {
        decode(block, &block[16..], values, |_, _| 0);
    }
}

impl Block for Q5K {
    const TYPE: ElementType = ElementType::Q5K;

    fn decode(block: &[u8], values: &mut [f32]) {
        let fifths = &block[16..48];
        decode(block, &block[48..], values, |group, i| (fifths[i] >> group & 1) << 4);
    }
}
