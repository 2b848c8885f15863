//! Lanes without SIMD. With one lane this is the specification of all other levels.

use std::ops::{Add, BitAnd, BitOr, Div, Mul, Not, Sub};

use super::{Lanes, MOST_LANES, Mask, Words};

/// `N` numbers, integers or truth values.
#[derive(Clone, Copy)]
pub(in crate::tensor) struct Portable<T, const N: usize>([T; N]);

/// Applies a function to each lane, or to each pair of lanes.
macro_rules! lanes {
    (|$a:ident| $body:expr) => {{
        let mut result = [Default::default(); N];
        for lane in 0..N {
            let $a = $a.0[lane];
            result[lane] = $body;
        }
        Portable(result)
    }};
    (|$a:ident, $b:ident| $body:expr) => {{
        let mut result = [Default::default(); N];
        for lane in 0..N {
            let ($a, $b) = ($a.0[lane], $b.0[lane]);
            result[lane] = $body;
        }
        Portable(result)
    }};
}

macro_rules! operators {
    ($($element:ty: $trait:ident $method:ident |$a:ident, $b:ident| $body:expr;)*) => {
        $(
            impl<const N: usize> $trait for Portable<$element, N> {
                type Output = Self;

                #[inline(always)]
                fn $method(self, other: Self) -> Self {
                    let ($a, $b) = (self, other);
                    lanes!(|$a, $b| $body)
                }
            }
        )*
    };
}

operators! {
    f32: Add add |a, b| a + b;
    f32: Sub sub |a, b| a - b;
    f32: Mul mul |a, b| a * b;
    f32: Div div |a, b| a / b;
    u32: Add add |a, b| a.wrapping_add(b);
    u32: Sub sub |a, b| a.wrapping_sub(b);
    u32: BitAnd bitand |a, b| a & b;
    u32: BitOr bitor |a, b| a | b;
    bool: BitAnd bitand |a, b| a & b;
    bool: BitOr bitor |a, b| a | b;
}

impl<const N: usize> Not for Portable<bool, N> {
    type Output = Self;

    #[inline(always)]
    fn not(self) -> Self {
        let a = self;
        lanes!(|a| !a)
    }
}

impl<const N: usize> Mask for Portable<bool, N> {
    #[inline(always)]
    fn any(self) -> bool {
        self.0.contains(&true)
    }

    #[inline(always)]
    fn bits(self) -> u32 {
        self.0.iter().rev().fold(0, |bits, &lane| bits << 1 | u32::from(lane))
    }
}

/// Takes lane by lane from one of two vectors.
#[inline(always)]
fn select<T: Copy + Default, const N: usize>(
    mask: Portable<bool, N>,
    yes: Portable<T, N>,
    no: Portable<T, N>,
) -> Portable<T, N> {
    let mut result = no.0;
    for ((result, yes), mask) in result.iter_mut().zip(yes.0).zip(mask.0) {
        if mask {
            *result = yes;
        }
    }
    Portable(result)
}

impl<const N: usize> Lanes for Portable<f32, N> {
    const COUNT: usize = N;

    type Words = Portable<u32, N>;
    type Mask = Portable<bool, N>;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self([value; N])
    }

    #[inline(always)]
    fn load(source: &[f32]) -> Self {
        let mut result = [0.0; N];
        result.copy_from_slice(&source[..N]);
        Self(result)
    }

    #[inline(always)]
    fn load4(source: &[f32], stride: usize) -> [Self; 4] {
        let mut result = [Self([0.0; N]); 4];
        for lane in 0..N {
            for (element, &value) in source[lane * stride..][..4].iter().enumerate() {
                result[element].0[lane] = value;
            }
        }
        result
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        let a = self;
        lanes!(|a| a.sqrt())
    }

    #[inline(always)]
    fn abs(self) -> Self {
        let a = self;
        lanes!(|a| a.abs())
    }

    #[inline(always)]
    fn copy_sign(self, sign: Self) -> Self {
        let a = self;
        lanes!(|a, sign| a.copysign(sign))
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        let a = self;
        lanes!(|a, other| if a < other { a } else { other })
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        let a = self;
        lanes!(|a, other| if a > other { a } else { other })
    }

    #[inline(always)]
    fn less(self, other: Self) -> Self::Mask {
        let a = self;
        lanes!(|a, other| a < other)
    }

    #[inline(always)]
    fn equal(self, other: Self) -> Self::Mask {
        let a = self;
        lanes!(|a, other| a == other)
    }

    #[inline(always)]
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self {
        select(mask, yes, no)
    }

    #[inline(always)]
    fn truncate(self) -> Self::Words {
        const BEYOND: f32 = 2_147_483_648.0; // 2^31
        let a = self;
        lanes!(|a| if (-BEYOND..BEYOND).contains(&a) { a as i32 } else { i32::MIN }.cast_unsigned())
    }

    #[inline(always)]
    fn to_bits(self) -> Self::Words {
        let a = self;
        lanes!(|a| a.to_bits())
    }

    #[inline(always)]
    fn from_bits(bits: Self::Words) -> Self {
        lanes!(|bits| f32::from_bits(bits))
    }

    #[inline(always)]
    fn from_signed(words: Self::Words) -> Self {
        lanes!(|words| words.cast_signed() as f32)
    }
}

impl<const N: usize> Words for Portable<u32, N> {
    type Mask = Portable<bool, N>;

    #[inline(always)]
    fn splat(value: u32) -> Self {
        Self([value; N])
    }

    #[inline(always)]
    fn load(source: &[u32]) -> Self {
        let mut result = [0; N];
        result.copy_from_slice(&source[..N]);
        Self(result)
    }

    #[inline(always)]
    fn up(self, count: u32) -> Self {
        let a = self;
        lanes!(|a| a << count)
    }

    #[inline(always)]
    fn down(self, count: u32) -> Self {
        let a = self;
        lanes!(|a| a >> count)
    }

    #[inline(always)]
    fn min_signed(self, other: Self) -> Self {
        let a = self;
        lanes!(|a, other| a.cast_signed().min(other.cast_signed()).cast_unsigned())
    }

    #[inline(always)]
    fn max_signed(self, other: Self) -> Self {
        let a = self;
        lanes!(|a, other| a.cast_signed().max(other.cast_signed()).cast_unsigned())
    }

    #[inline(always)]
    fn less_signed(self, other: Self) -> Self::Mask {
        let a = self;
        lanes!(|a, other| a.cast_signed() < other.cast_signed())
    }

    #[inline(always)]
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self {
        select(mask, yes, no)
    }

    #[inline(always)]
    fn store4(words: [Self; 4], output: &mut [u8], stride: usize) {
        for lane in 0..N {
            let (bytes, _) = output[lane * stride..].as_chunks_mut::<4>();
            for (word, bytes) in bytes[..4].iter_mut().enumerate() {
                *bytes = words[word].0[lane].to_le_bytes();
            }
        }
    }

    #[inline(always)]
    fn to_array(self) -> [u32; MOST_LANES] {
        let mut result = [0; MOST_LANES];
        result[..N].copy_from_slice(&self.0);
        result
    }
}
