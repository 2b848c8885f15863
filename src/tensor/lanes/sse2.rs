//! Four lanes in the instructions that every x86-64 processor has.
#![expect(unsafe_code, reason = "vectors are loaded from and stored to slices")]

use std::arch::x86_64::*;
use std::ops::Not;

use super::{Lanes, MOST_LANES, Mask, Words, operators};

/// Four numbers.
#[derive(Clone, Copy)]
pub(in crate::tensor) struct Sse2(__m128);

/// Four integers.
#[derive(Clone, Copy)]
pub(in crate::tensor) struct Sse2Words(__m128i);

/// Four truth values: all bits of a lane set or none.
#[derive(Clone, Copy)]
pub(in crate::tensor) struct Sse2Mask(__m128);

/// Evaluates an expression of SSE2 instructions on registers.
macro_rules! sse2 {
    ($expression:expr) => {
        // SAFETY: every x86-64 processor has SSE2.
        unsafe { $expression }
    };
}

operators! { Sse2:
    Add add |a, b| sse2!(_mm_add_ps(a, b));
    Sub sub |a, b| sse2!(_mm_sub_ps(a, b));
    Mul mul |a, b| sse2!(_mm_mul_ps(a, b));
    Div div |a, b| sse2!(_mm_div_ps(a, b));
}

operators! { Sse2Words:
    Add add |a, b| sse2!(_mm_add_epi32(a, b));
    Sub sub |a, b| sse2!(_mm_sub_epi32(a, b));
    BitAnd bitand |a, b| sse2!(_mm_and_si128(a, b));
    BitOr bitor |a, b| sse2!(_mm_or_si128(a, b));
}

operators! { Sse2Mask:
    BitAnd bitand |a, b| sse2!(_mm_and_ps(a, b));
    BitOr bitor |a, b| sse2!(_mm_or_ps(a, b));
}

impl Not for Sse2Mask {
    type Output = Self;

    #[inline(always)]
    fn not(self) -> Self {
        Self(sse2!(_mm_xor_ps(self.0, _mm_castsi128_ps(_mm_set1_epi32(-1)))))
    }
}

impl Mask for Sse2Mask {
    #[inline(always)]
    fn any(self) -> bool {
        sse2!(_mm_movemask_ps(self.0) != 0)
    }

    #[inline(always)]
    fn bits(self) -> u32 {
        sse2!(_mm_movemask_ps(self.0)).cast_unsigned()
    }
}

/// Swaps rows and columns of four by four numbers.
#[inline(always)]
fn transpose(rows: [__m128; 4]) -> [__m128; 4] {
    let [a, b, c, d] = rows;
    sse2!({
        let (ab_low, ab_high) = (_mm_unpacklo_ps(a, b), _mm_unpackhi_ps(a, b));
        let (cd_low, cd_high) = (_mm_unpacklo_ps(c, d), _mm_unpackhi_ps(c, d));
        [
            _mm_movelh_ps(ab_low, cd_low),
            _mm_movehl_ps(cd_low, ab_low),
            _mm_movelh_ps(ab_high, cd_high),
            _mm_movehl_ps(cd_high, ab_high),
        ]
    })
}

impl Lanes for Sse2 {
    const COUNT: usize = 4;

    type Words = Sse2Words;
    type Mask = Sse2Mask;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self(sse2!(_mm_set1_ps(value)))
    }

    #[inline(always)]
    fn load(source: &[f32]) -> Self {
        assert!(source.len() >= 4, "fewer numbers than lanes");
        // SAFETY: the assertion leaves four numbers.
        Self(unsafe { _mm_loadu_ps(source.as_ptr()) })
    }

    #[inline(always)]
    fn load4(source: &[f32], stride: usize) -> [Self; 4] {
        assert!(source.len() >= 3 * stride + 4, "a block lies outside the source");
        let row = |lane: usize| {
            // SAFETY: the assertion leaves four numbers from the start of each of the four blocks.
            unsafe { _mm_loadu_ps(source.as_ptr().add(lane * stride)) }
        };
        transpose([row(0), row(1), row(2), row(3)]).map(Self)
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        Self(sse2!(_mm_sqrt_ps(self.0)))
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Self(sse2!(_mm_andnot_ps(_mm_set1_ps(-0.0), self.0)))
    }

    #[inline(always)]
    fn copy_sign(self, sign: Self) -> Self {
        Self(sse2!(_mm_or_ps(self.abs().0, _mm_and_ps(_mm_set1_ps(-0.0), sign.0))))
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        Self(sse2!(_mm_min_ps(self.0, other.0)))
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self(sse2!(_mm_max_ps(self.0, other.0)))
    }

    #[inline(always)]
    fn less(self, other: Self) -> Sse2Mask {
        Sse2Mask(sse2!(_mm_cmplt_ps(self.0, other.0)))
    }

    #[inline(always)]
    fn equal(self, other: Self) -> Sse2Mask {
        Sse2Mask(sse2!(_mm_cmpeq_ps(self.0, other.0)))
    }

    #[inline(always)]
    fn select(mask: Sse2Mask, yes: Self, no: Self) -> Self {
        Self(sse2!(_mm_or_ps(_mm_and_ps(mask.0, yes.0), _mm_andnot_ps(mask.0, no.0))))
    }

    #[inline(always)]
    fn truncate(self) -> Sse2Words {
        Sse2Words(sse2!(_mm_cvttps_epi32(self.0)))
    }

    #[inline(always)]
    fn to_bits(self) -> Sse2Words {
        Sse2Words(sse2!(_mm_castps_si128(self.0)))
    }

    #[inline(always)]
    fn from_bits(bits: Sse2Words) -> Self {
        Self(sse2!(_mm_castsi128_ps(bits.0)))
    }

    #[inline(always)]
    fn from_signed(words: Sse2Words) -> Self {
        Self(sse2!(_mm_cvtepi32_ps(words.0)))
    }
}

impl Words for Sse2Words {
    type Mask = Sse2Mask;

    #[inline(always)]
    fn splat(value: u32) -> Self {
        Self(sse2!(_mm_set1_epi32(value.cast_signed())))
    }

    #[inline(always)]
    fn load(source: &[u32]) -> Self {
        assert!(source.len() >= 4, "fewer integers than lanes");
        // SAFETY: the assertion leaves four integers.
        Self(unsafe { _mm_loadu_si128(source.as_ptr().cast()) })
    }

    #[inline(always)]
    fn up(self, count: u32) -> Self {
        Self(sse2!(_mm_sll_epi32(self.0, _mm_cvtsi32_si128(count.cast_signed()))))
    }

    #[inline(always)]
    fn down(self, count: u32) -> Self {
        Self(sse2!(_mm_srl_epi32(self.0, _mm_cvtsi32_si128(count.cast_signed()))))
    }

    #[inline(always)]
    fn min_signed(self, other: Self) -> Self {
        Self::select(self.less_signed(other), self, other)
    }

    #[inline(always)]
    fn max_signed(self, other: Self) -> Self {
        Self::select(other.less_signed(self), self, other)
    }

    #[inline(always)]
    fn less_signed(self, other: Self) -> Sse2Mask {
        Sse2Mask(sse2!(_mm_castsi128_ps(_mm_cmplt_epi32(self.0, other.0))))
    }

    #[inline(always)]
    fn select(mask: Sse2Mask, yes: Self, no: Self) -> Self {
        Sse2::select(mask, Sse2::from_bits(yes), Sse2::from_bits(no)).to_bits()
    }

    #[inline(always)]
    fn store4(words: [Self; 4], output: &mut [u8], stride: usize) {
        assert!(output.len() >= 3 * stride + 16, "a block lies outside the output");
        let columns = words.map(|word| Sse2::from_bits(word).0);
        for (lane, row) in transpose(columns).into_iter().enumerate() {
            // SAFETY: the assertion leaves sixteen bytes from the start of each of the four blocks.
            unsafe { _mm_storeu_ps(output.as_mut_ptr().add(lane * stride).cast(), row) };
        }
    }

    #[inline(always)]
    fn to_array(self) -> [u32; MOST_LANES] {
        let mut result = [0; MOST_LANES];
        // SAFETY: the array has room for four integers.
        unsafe { _mm_storeu_si128(result.as_mut_ptr().cast(), self.0) };
        result
    }
}
