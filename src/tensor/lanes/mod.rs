//! Vectors of numbers, one lane a block.
//!
//! A kernel is written once over [`Lanes`]. Every lane holds the number at the same place of *another block*
//! and goes through exactly the operations of the scalar algorithm, in the same order, each rounded by
//! itself; so the result does not depend on the number of lanes. [`Portable`] with one lane is the
//! specification; the others are the same functions in the instructions of a processor.
//!
//! Every function of a kernel is `#[inline(always)]` and only the outermost one, where the level is chosen,
//! carries `#[target_feature]`: the instructions then all end up in a function that may use them.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;
#[cfg(target_arch = "x86_64")]
mod sse2;

use std::ops::{Add, BitAnd, BitOr, Div, Mul, Not, Sub};

#[cfg(target_arch = "x86_64")]
pub(super) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(super) use avx512::Avx512;
#[cfg(target_arch = "aarch64")]
pub(super) use neon::Neon;
pub(super) use portable::Portable;
#[cfg(target_arch = "x86_64")]
pub(super) use sse2::Sse2;

/// The largest number of lanes of any level.
pub(super) const MOST_LANES: usize = 16;

/// A vector of 32-bit floats. Arithmetic is that of IEEE 754, rounded to nearest even, never fused.
pub(super) trait Lanes:
    Copy + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self>
{
    /// The number of lanes: 1, 4, 8 or 16.
    const COUNT: usize;

    /// As many 32-bit integers.
    type Words: Words<Mask = Self::Mask>;

    /// As many truth values.
    type Mask: Mask;

    /// The same number in every lane.
    fn splat(value: f32) -> Self;

    /// One number a lane: the first [`COUNT`](Self::COUNT) of `source`.
    fn load(source: &[f32]) -> Self;

    /// Four consecutive numbers of each block: element `e` of the result holds, in lane `n`,
    /// `source[n * stride + e]`.
    fn load4(source: &[f32], stride: usize) -> [Self; 4];

    /// `table[index % 8]` in every lane; the bits of `index` above the third may be anything but the fourth,
    /// which is not set.
    #[inline(always)]
    fn lookup(table: &[f32; 8], index: Self::Words) -> Self {
        let mut values = [0.0; MOST_LANES];
        for (value, index) in values.iter_mut().zip(index.to_array()).take(Self::COUNT) {
            *value = table[index as usize & 7];
        }
        Self::load(&values)
    }

    /// The smallest number of all lanes, if all are numbers.
    #[inline(always)]
    fn smallest(self) -> f32 {
        let numbers = self.to_bits().to_array();
        let numbers = numbers[..Self::COUNT].iter().map(|&bits| f32::from_bits(bits));
        numbers.fold(f32::INFINITY, |smallest, number| if number < smallest { number } else { smallest })
    }

    /// The square root.
    fn sqrt(self) -> Self;

    /// The number without its sign.
    fn abs(self) -> Self;

    /// The magnitude of `self` with the sign of `sign`.
    fn copy_sign(self, sign: Self) -> Self;

    /// `self < other ? self : other`: `other` if either is not a number.
    fn min(self, other: Self) -> Self;

    /// `self > other ? self : other`: `other` if either is not a number.
    fn max(self, other: Self) -> Self;

    /// `self < other`: false if either is not a number.
    fn less(self, other: Self) -> Self::Mask;

    /// `self == other`: false if either is not a number.
    fn equal(self, other: Self) -> Self::Mask;

    /// `yes` where the mask is true, `no` elsewhere.
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;

    /// The number without its fraction. What lies beyond 32 bits, or is not a number, gives `i32::MIN`.
    fn truncate(self) -> Self::Words;

    /// The pattern of bits.
    fn to_bits(self) -> Self::Words;

    /// The number of a pattern of bits.
    fn from_bits(bits: Self::Words) -> Self;

    /// The nearest number to a signed integer.
    fn from_signed(words: Self::Words) -> Self;
}

/// A vector of 32-bit integers with wrapping arithmetic.
pub(super) trait Words:
    Copy + Add<Output = Self> + Sub<Output = Self> + BitAnd<Output = Self> + BitOr<Output = Self>
{
    /// As many truth values.
    type Mask: Mask;

    /// The same integer in every lane.
    fn splat(value: u32) -> Self;

    /// One integer a lane: as many of `source` as there are lanes.
    fn load(source: &[u32]) -> Self;

    /// All bits moved up by `count < 32`, a constant at every call.
    fn up(self, count: u32) -> Self;

    /// All bits moved down by `count < 32`, a constant at every call; zeros come in.
    fn down(self, count: u32) -> Self;

    /// The smaller one, as signed integers.
    fn min_signed(self, other: Self) -> Self;

    /// The larger one, as signed integers.
    fn max_signed(self, other: Self) -> Self;

    /// `self < other`, as signed integers.
    fn less_signed(self, other: Self) -> Self::Mask;

    /// `yes` where the mask is true, `no` elsewhere.
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;

    /// Writes sixteen bytes to each block: `words[w]` of lane `n`, little-endian, to
    /// `output[n * stride + 4 * w..]`.
    fn store4(words: [Self; 4], output: &mut [u8], stride: usize);

    /// The integers in the order of the lanes; what follows the last lane is zero.
    fn to_array(self) -> [u32; MOST_LANES];
}

/// A vector of truth values.
pub(super) trait Mask:
    Copy + BitAnd<Output = Self> + BitOr<Output = Self> + Not<Output = Self>
{
    /// Whether any lane is true.
    fn any(self) -> bool;

    /// One bit a lane, the first lowest, set where the lane is true.
    fn bits(self) -> u32;
}

/// Implements binary operators of a newtype by an expression over the two inner values.
macro_rules! operators {
    ($type:ident: $($trait:ident $method:ident |$left:ident, $right:ident| $body:expr;)*) => {
        $(
            impl std::ops::$trait for $type {
                type Output = Self;

                #[inline(always)]
                fn $method(self, other: Self) -> Self {
                    let ($left, $right) = (self.0, other.0);
                    Self($body)
                }
            }
        )*
    };
}
use operators;
