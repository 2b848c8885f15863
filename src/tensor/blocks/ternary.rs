//! TQ1_0 and TQ2_0: 256 levels from -1 to 1 times one scale, five or four of them a byte.

use super::lane_blocks::{load, pack, store_low, store4};
use super::{Block, ElementType, Encode, Numbers, half};
use crate::tensor::lanes::{Lanes, Words};
use crate::tensor::rounding::{divide_or_zero, nearest_away, to_f16};

/// Bytes: 48 × five levels, 4 × four levels, `scale: f16`.
///
/// A byte holds levels as a fraction in base 3, the first level as its first digit, of 256 parts, rounded up:
/// the digits come out again as the carries of multiplications by 3. Byte `i` of the first 32 holds elements
/// `i`, `i + 32`, … of the first 160; byte `i` of the next 16 elements `i`, `i + 16`, … of the next 80; byte
/// `i` of the last four elements `i`, `i + 4`, … of the last 16, and a digit 0.
pub(crate) struct Tq1_0;

/// Bytes: 64 × four levels, `scale: f16`; byte `32 h + i` holds elements `128 h + i`, `+ 32`, `+ 64` and `+
/// 96`, lowest bits first, stored one too large.
pub(crate) struct Tq2_0;

/// The sections of a TQ1_0 block: its first byte, its bytes, and how many digits of each byte are used.
const SECTIONS: [(usize, usize, usize); 3] = [(0, 32, 5), (32, 16, 5), (48, 4, 4)];

impl Block for Tq1_0 {
    const TYPE: ElementType = ElementType::Tq1_0;

    fn decode(block: &[u8], values: &mut [f32]) {
        const POWERS: [u8; 5] = [1, 3, 9, 27, 81];
        let scale = half(block, 52);
        let mut rest = values;
        for (first, bytes, digits) in SECTIONS {
            for power in &POWERS[..digits] {
                let (section, after) = rest.split_at_mut(bytes);
                for (value, byte) in section.iter_mut().zip(&block[first..]) {
                    let fraction = u16::from(byte.wrapping_mul(*power));
                    *value = (f32::from((fraction * 3) >> 8) - 1.0) * scale;
                }
                rest = after;
            }
        }
    }
}

impl Block for Tq2_0 {
    const TYPE: ElementType = ElementType::Tq2_0;

    fn decode(block: &[u8], values: &mut [f32]) {
        let scale = half(block, 64);
        for (part, values) in values.chunks_exact_mut(32).enumerate() {
            let bytes = &block[32 * (part / 4)..];
            for (value, byte) in values.iter_mut().zip(bytes) {
                *value = (f32::from(byte >> (2 * (part % 4)) & 3) - 1.0) * scale;
            }
        }
    }
}

/// The largest magnitude of each block.
#[inline(always)]
fn magnitude<L: Lanes>(values: &[f32]) -> L {
    let mut magnitude = L::splat(0.0);
    for first in (0..256).step_by(16) {
        for element in load::<L, 16>(values, 256, first) {
            magnitude = magnitude.max(element.abs());
        }
    }
    magnitude
}

/// The stored levels of `N` elements from `first` on: 0, 1 and 2. What overflows counts as level 0, stored as
/// 1 with further bits that must be cut off.
#[inline(always)]
fn levels<L: Lanes, const N: usize>(values: &[f32], first: usize, inverse: L) -> [L::Words; N] {
    let elements: [L; N] = load(values, 256, first);
    let mut levels = [L::Words::splat(1); N];
    for (level, element) in levels.iter_mut().zip(elements) {
        *level = nearest_away(element * inverse) + *level;
    }
    levels
}

/// The byte of digits in base 3, rounded up.
#[inline(always)]
fn fraction<L: Lanes>(number: L::Words) -> L::Words {
    // The smallest byte that is at least `number / 243`, of 256 parts: a whole division, with half a unit for
    // safety.
    let scaled = (number & L::Words::splat(0xff)).up(8) + L::Words::splat(242);
    ((L::from_signed(scaled) + L::splat(0.5)) * L::splat(1.0 / 243.0)).truncate()
}

#[inline(always)]
fn times_three<W: Words>(number: W) -> W {
    number + number + number
}

impl Encode for Tq1_0 {
    #[inline(always)]
    fn encode<L: Lanes>(Numbers { values, .. }: Numbers<'_>, blocks: &mut [u8]) {
        const BYTES: usize = 54;
        let scale: L = magnitude(values);
        let inverse = divide_or_zero(1.0, scale);
        for (first_byte, first, stride) in [(0, 0, 32), (16, 16, 32), (32, 160, 16)] {
            let mut numbers = [L::Words::splat(0); 16];
            for digit in 0..5 {
                let levels: [L::Words; 16] = levels(values, first + digit * stride, inverse);
                for (number, level) in numbers.iter_mut().zip(levels) {
                    *number = times_three(*number) + level;
                }
            }
            for number in &mut numbers {
                *number = fraction::<L>(*number);
            }
            store4::<L>(pack::<L>(&numbers), blocks, BYTES, first_byte);
        }
        let mut numbers = [L::Words::splat(0); 4];
        for digit in 0..4 {
            let levels: [L::Words; 4] = levels(values, 240 + digit * 4, inverse);
            for (number, level) in numbers.iter_mut().zip(levels) {
                *number = times_three(*number) + level;
            }
        }
        let mut last = L::Words::splat(0);
        for (i, number) in numbers.into_iter().enumerate() {
            last = last | fraction::<L>(times_three(number)).up(8 * i as u32);
        }
        store_low::<L>(last, 4, blocks, BYTES, 48);
        store_low::<L>(to_f16(scale), 2, blocks, BYTES, 52);
    }
}

impl Encode for Tq2_0 {
    #[inline(always)]
    fn encode<L: Lanes>(Numbers { values, .. }: Numbers<'_>, blocks: &mut [u8]) {
        const BYTES: usize = 66;
        let scale: L = magnitude(values);
        let inverse = divide_or_zero(1.0, scale);
        for quarter in 0..4 {
            let first = 128 * (quarter / 2) + 16 * (quarter % 2);
            let mut bytes = [L::Words::splat(0); 16];
            for part in 0..4 {
                let levels: [L::Words; 16] = levels(values, first + 32 * part, inverse);
                for (byte, level) in bytes.iter_mut().zip(levels) {
                    *byte = *byte | (level & L::Words::splat(3)).up(2 * part as u32);
                }
            }
            store4::<L>(pack::<L>(&bytes), blocks, BYTES, 16 * quarter);
        }
        store_low::<L>(to_f16(scale), 2, blocks, BYTES, 64);
    }
}
