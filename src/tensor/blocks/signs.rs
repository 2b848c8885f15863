//! Numbers whose signs are stored apart, eight to a byte or, with an even number of negative ones, to seven
//! bits.

use crate::tensor::lanes::{Lanes, Words};

/// `N` numbers without their signs, and the signs: bit `i` of word `k` is set where number `8 k + i` was
/// negative.
pub(super) struct Unsigned<L: Lanes, const N: usize, const K: usize> {
    pub(super) numbers: [L; N],
    pub(super) signs: [L::Words; K],
}

impl<L: Lanes, const N: usize, const K: usize> Unsigned<L, N, K> {
    /// Takes the signs off.
    #[inline(always)]
    pub(super) fn new(elements: &[L; N]) -> Self {
        let (zero, word) = (L::splat(0.0), L::Words::splat);
        let mut result = Self { numbers: *elements, signs: [word(0); K] };
        for (i, number) in result.numbers.iter_mut().enumerate() {
            let negative = number.less(zero);
            *number = L::select(negative, zero - *number, *number);
            let sign = L::Words::select(negative, word(1 << (i % 8)), word(0));
            result.signs[i / 8] = result.signs[i / 8] | sign;
        }
        result
    }

    /// Takes the signs off such that the number of negative ones of every eight is even: where it is odd, the
    /// number that matters least, by weight times square, gets the wrong sign, and stays negative.
    #[inline(always)]
    pub(super) fn even(elements: &[L; N], weights: &[L; N]) -> Self {
        let (zero, word) = (L::splat(0.0), L::Words::splat);
        let mut result = Self::new(elements);
        for k in 0..K {
            let mut least = weights[8 * k] * elements[8 * k] * elements[8 * k];
            let mut least_bit = word(1);
            for i in 1..8 {
                let matters = weights[8 * k + i] * elements[8 * k + i] * elements[8 * k + i];
                let less = matters.less(least);
                least = L::select(less, matters, least);
                least_bit = L::Words::select(less, word(1 << i), least_bit);
            }
            let signs = result.signs[k];
            let flipped = L::Words::select(word(0).less_signed(parity(signs)), least_bit, word(0));
            for (i, number) in result.numbers[8 * k..][..8].iter_mut().enumerate() {
                let flips = word(0).less_signed(flipped & word(1 << i));
                *number = L::select(flips, zero - *number, *number);
            }
            // The eighth sign follows from the others.
            result.signs[k] = ((signs | flipped) - (signs & flipped)) & word(127);
        }
        result
    }

    /// The signs of groups that are `used`, 0 elsewhere. Where a scale came out `negative`, all signs are the
    /// `opposite`: the bits that all negative numbers would have set are those that are not.
    #[inline(always)]
    pub(super) fn stored(&self, used: L::Mask, negative: L::Mask, opposite: u32) -> [L::Words; K] {
        let word = L::Words::splat;
        let mut stored = self.signs;
        for signs in &mut stored {
            let turned = L::Words::select(negative, word(opposite) - *signs, *signs);
            *signs = L::Words::select(used, turned, word(0));
        }
        stored
    }

    /// The largest number.
    #[inline(always)]
    pub(super) fn largest(&self) -> L {
        let mut largest = self.numbers[0];
        for &number in &self.numbers[1..] {
            largest = largest.max(number);
        }
        largest
    }
}

/// 1 where an odd number of the lowest eight bits is set, else 0.
#[inline(always)]
fn parity<W: Words>(bits: W) -> W {
    let mut count = W::splat(0);
    for bit in 0..8 {
        count = count + (bits.down(bit) & W::splat(1));
    }
    count & W::splat(1)
}

/// The eight signs of seven bits.
pub(super) fn with_eighth(signs: u8) -> u8 {
    signs | (signs.count_ones() as u8 & 1) << 7
}

/// `value`, or its negation where bit `i` of `signs` is set.
pub(super) fn signed(value: f32, signs: u8, i: usize) -> f32 {
    if signs >> i & 1 == 1 { -value } else { value }
}
