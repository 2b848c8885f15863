//! MXFP4: 32 floats of four bits (E2M1) with a common power of two (E8M0), of the OCP microscaling
//! specification.

use super::e2m1::{decode, pack_pairs, patterns};
use super::lane_blocks::{load, store_low, store4};
use super::{Block, ElementType, Encode, Numbers};
use crate::tensor::lanes::{Lanes, Words};

/// Bytes: `exponent`, 16 × (element `i` in the low, `i + 16` in the high four bits).
pub(crate) struct Mxfp4;

impl Block for Mxfp4 {
    const TYPE: ElementType = ElementType::Mxfp4;

    fn decode(block: &[u8], values: &mut [f32]) {
        decode(&block[1..], half_power_of_two(block[0]), values);
    }
}

/// 2^(exponent - 128): half of what an E8M0 stands for, subnormal for the two smallest exponents.
fn half_power_of_two(exponent: u8) -> f32 {
    let exponent = u32::from(exponent);
    f32::from_bits(if exponent < 2 { 0x0020_0000 << exponent } else { (exponent - 1) << 23 })
}

impl Encode for Mxfp4 {
    #[inline(always)]
    fn encode<L: Lanes>(Numbers { values, .. }: Numbers<'_>, blocks: &mut [u8]) {
        let word = L::Words::splat;
        let elements: [L; 32] = load(values, 32, 0);
        let mut magnitude = L::splat(0.0);
        for element in elements {
            magnitude = element.abs().max(magnitude);
        }
        let exponent = (floor_log2(magnitude) + word(125)) & word(0xff);
        let exponent = L::Words::select(L::splat(0.0).less(magnitude), exponent, word(0));
        let subnormal = L::Words::select(exponent.less_signed(word(1)), word(0x0020_0000), word(0x0040_0000));
        let normal = (exponent - word(1)).up(23);
        let half_scale = L::from_bits(L::Words::select(exponent.less_signed(word(2)), subnormal, normal));
        store_low::<L>(exponent, 1, blocks, 17, 0);
        store4::<L>(pack_pairs::<L>(&patterns(&elements, half_scale)), blocks, 17, 1);
    }
}

/// The whole part of the logarithm of positive numbers, as the C library's `log2f` has it: the logarithm of
/// the few largest numbers below a power of two is rounded up to that of the power itself.
#[inline(always)]
fn floor_log2<L: Lanes>(value: L) -> L::Words {
    let word = L::Words::splat;
    let tiny = value.less(L::splat(f32::MIN_POSITIVE));
    let bits = L::select(tiny, value * L::splat(4_294_967_296.0), value).to_bits();
    let floor = bits.down(23) - L::Words::select(tiny, word(127 + 32), word(127));
    // How far below the next power of two, in units of the last place.
    let below = word(0x0080_0000) - (bits & word(0x007f_ffff));
    // The spacing of numbers as large as the logarithm decides: of those next to 2^j and 2^(j + 1), or above
    // -2^(j + 1), the last 2^j ln(2) round.
    let next = floor + word(1);
    let size = L::Words::select(word(0).less_signed(next), floor, word(0) - next);
    let spacing = L::from_bits(L::from_signed(size).to_bits() & word(0x7f80_0000));
    let rounded = (spacing * L::splat(std::f32::consts::LN_2)).truncate();
    L::Words::select(rounded.less_signed(below), floor, next)
}
