//! Roundings and casts that the kernels share, lane by lane.

use super::lanes::{Lanes, Words};

/// 1.5 × 2^23. Adding it to a number below 2^22 in magnitude rounds that to the nearest integer, half to
/// even, and leaves the integer in the low bits.
const SHIFTER: f32 = 12_582_912.0;

/// The nearest integer as a number, for magnitudes up to 2^22.
#[inline(always)]
pub(super) fn nearest<L: Lanes>(value: L) -> L {
    value + L::splat(SHIFTER) - L::splat(SHIFTER)
}

/// The nearest integer as llama.cpp takes it from the low bits of a sum (`nearest_int` in
/// `ggml/src/ggml-quants.c`): beyond 2^22, for infinity and for NaN these are whatever the sum left there.
#[inline(always)]
pub(super) fn nearest_word<L: Lanes>(value: L) -> L::Words {
    let low_bits = (value + L::splat(SHIFTER)).to_bits() & L::Words::splat(0x007f_ffff);
    low_bits - L::Words::splat(0x0040_0000)
}

/// The nearest integer, half away from zero, for magnitudes below 2^22.
#[inline(always)]
pub(super) fn nearest_away<L: Lanes>(value: L) -> L::Words {
    // The largest number below 0.5: with 0.5 itself, the number just below 0.5 would round up.
    const ALMOST_HALF: f32 = 0.499_999_97;
    (value + L::splat(ALMOST_HALF).copy_sign(value)).truncate()
}

/// A signed integer between two bounds.
#[inline(always)]
pub(super) fn clamp<W: Words>(value: W, low: i32, high: i32) -> W {
    value.min_signed(W::splat(high.cast_unsigned())).max_signed(W::splat(low.cast_unsigned()))
}

/// `numerator / denominator`, or 0 where the denominator is 0.
#[inline(always)]
pub(super) fn divide_or_zero<L: Lanes>(numerator: f32, denominator: L) -> L {
    let zero = L::splat(0.0);
    L::select(denominator.equal(zero), zero, L::splat(numerator) / denominator)
}

/// [`f32_to_f16`](super::cast::f32_to_f16) in every lane; the upper half of each word is 0.
#[inline(always)]
pub(super) fn to_f16<L: Lanes>(value: L) -> L::Words {
    let word = L::Words::splat;
    let bits = value.to_bits();
    let magnitude = value.abs();
    let not_a_number = !magnitude.equal(magnitude);
    let scaled = magnitude * L::splat(f32::from_bits(0x7780_0000)) * L::splat(f32::from_bits(0x0880_0000));
    let exponent = (magnitude.to_bits() & word(0x7f80_0000)).max_signed(word(0x3880_0000));
    let rounded = (L::from_bits(exponent + word(0x0780_0000)) + scaled).to_bits();
    let half = (rounded.down(13) & word(0x7c00)) + (rounded & word(0x0fff));
    bits.down(16) & word(0x8000) | L::Words::select(not_a_number, word(0x7e00), half)
}

/// [`f16_to_f32`](super::cast::f16_to_f32) in every lane, of the lower half of each word; the upper half is
/// 0.
#[inline(always)]
pub(super) fn from_f16<L: Lanes>(half: L::Words) -> L {
    let word = L::Words::splat;
    let magnitude = half & word(0x7fff);
    let normal = L::from_bits(magnitude.up(13) + word(0xe0 << 23)) * L::splat(f32::from_bits(0x0780_0000));
    let subnormal = L::from_bits(magnitude | word(126 << 23)) - L::splat(0.5);
    let value = L::select(magnitude.less_signed(word(0x0400)), subnormal, normal);
    L::from_bits(value.to_bits() | (half & word(0x8000)).up(16))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::cast;
    use crate::tensor::lanes::Portable;

    type One = Portable<f32, 1>;

    #[test]
    fn casts_agree_with_those_of_single_values() {
        for half in 0..=u16::MAX {
            let expected = cast::f16_to_f32(half);
            let value: One = from_f16(Words::splat(u32::from(half)));
            assert_eq!(value.to_bits().to_array()[0], expected.to_bits(), "{half:#06x}");
            assert_eq!(to_f16(value).to_array()[0], u32::from(cast::f32_to_f16(expected)));
        }
        for bits in (0..=u32::MAX).step_by(65_521) {
            let value = f32::from_bits(bits);
            assert_eq!(
                to_f16(One::splat(value)).to_array()[0],
                u32::from(cast::f32_to_f16(value)),
                "{bits:#x}"
            );
        }
    }

    #[test]
    fn halves_round_as_named() {
        let word = |words: <One as Lanes>::Words| words.to_array()[0].cast_signed();
        for (value, even, away) in
            [(0.5, 0, 1), (1.5, 2, 2), (-0.5, 0, -1), (-2.5, -2, -3), (0.499_999_97, 0, 0)]
        {
            assert_eq!(word(nearest_word(One::splat(value))), even, "{value}");
            assert_eq!(word(nearest(One::splat(value)).truncate()), even, "{value}");
            assert_eq!(word(nearest_away(One::splat(value))), away, "{value}");
        }
        assert_eq!(f32::from_bits(0.5_f32.to_bits() - 1), 0.499_999_97);
    }
}
