//! Four lanes in the instructions that every AArch64 processor has.
#![expect(unsafe_code, reason = "vectors are loaded from and stored to slices")]

use std::arch::aarch64::*;
use std::ops::Not;

use super::{Lanes, MOST_LANES, Mask, Words, operators};

/// Four numbers.
#[derive(Clone, Copy)]
pub(in crate::tensor) struct Neon(float32x4_t);

/// Four integers.
#[derive(Clone, Copy)]
pub(in crate::tensor) struct NeonWords(uint32x4_t);

/// Four truth values: all bits of a lane set or none.
#[derive(Clone, Copy)]
pub(in crate::tensor) struct NeonMask(uint32x4_t);

/// Evaluates an expression of NEON instructions on registers.
macro_rules! neon {
    ($expression:expr) => {
        // SAFETY: every AArch64 processor has NEON.
        unsafe { $expression }
    };
}

operators! { Neon:
    Add add |a, b| neon!(vaddq_f32(a, b));
    Sub sub |a, b| neon!(vsubq_f32(a, b));
    Mul mul |a, b| neon!(vmulq_f32(a, b));
    Div div |a, b| neon!(vdivq_f32(a, b));
}

operators! { NeonWords:
    Add add |a, b| neon!(vaddq_u32(a, b));
    Sub sub |a, b| neon!(vsubq_u32(a, b));
    BitAnd bitand |a, b| neon!(vandq_u32(a, b));
    BitOr bitor |a, b| neon!(vorrq_u32(a, b));
}

operators! { NeonMask:
    BitAnd bitand |a, b| neon!(vandq_u32(a, b));
    BitOr bitor |a, b| neon!(vorrq_u32(a, b));
}

impl Not for NeonMask {
    type Output = Self;

    #[inline(always)]
    fn not(self) -> Self {
        Self(neon!(vmvnq_u32(self.0)))
    }
}

impl Mask for NeonMask {
    #[inline(always)]
    fn any(self) -> bool {
        neon!(vmaxvq_u32(self.0) != 0)
    }

    #[inline(always)]
    fn bits(self) -> u32 {
        const BITS: [u32; 4] = [1, 2, 4, 8];
        // SAFETY: the array has four integers.
        unsafe { vaddvq_u32(vandq_u32(self.0, vld1q_u32(BITS.as_ptr()))) }
    }
}

/// Swaps rows and columns of four by four numbers.
#[inline(always)]
fn transpose(rows: [uint32x4_t; 4]) -> [uint32x4_t; 4] {
    let [a, b, c, d] = rows;
    neon!({
        let (a, b) = (vreinterpretq_u64_u32(a), vreinterpretq_u64_u32(b));
        let (c, d) = (vreinterpretq_u64_u32(c), vreinterpretq_u64_u32(d));
        let ac = [vreinterpretq_u32_u64(vzip1q_u64(a, c)), vreinterpretq_u32_u64(vzip2q_u64(a, c))];
        let bd = [vreinterpretq_u32_u64(vzip1q_u64(b, d)), vreinterpretq_u32_u64(vzip2q_u64(b, d))];
        [
            vtrn1q_u32(ac[0], bd[0]),
            vtrn2q_u32(ac[0], bd[0]),
            vtrn1q_u32(ac[1], bd[1]),
            vtrn2q_u32(ac[1], bd[1]),
        ]
    })
}

impl Lanes for Neon {
    const COUNT: usize = 4;

    type Words = NeonWords;
    type Mask = NeonMask;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self(neon!(vdupq_n_f32(value)))
    }

    #[inline(always)]
    fn load(source: &[f32]) -> Self {
        assert!(source.len() >= 4, "fewer numbers than lanes");
        // SAFETY: the assertion leaves four numbers.
        Self(unsafe { vld1q_f32(source.as_ptr()) })
    }

    #[inline(always)]
    fn load4(source: &[f32], stride: usize) -> [Self; 4] {
        assert!(source.len() >= 3 * stride + 4, "a block lies outside the source");
        let row = |lane: usize| {
            // SAFETY: the assertion leaves four numbers from the start of each of the four blocks.
            unsafe { vreinterpretq_u32_f32(vld1q_f32(source.as_ptr().add(lane * stride))) }
        };
        transpose([row(0), row(1), row(2), row(3)]).map(|column| Self(neon!(vreinterpretq_f32_u32(column))))
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        Self(neon!(vsqrtq_f32(self.0)))
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Self(neon!(vabsq_f32(self.0)))
    }

    #[inline(always)]
    fn copy_sign(self, sign: Self) -> Self {
        Self(neon!(vbslq_f32(vdupq_n_u32(1 << 31), sign.0, self.0)))
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        // Not `vminq_f32`: it gives NaN if either number is NaN.
        Self::select(self.less(other), self, other)
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self::select(other.less(self), self, other)
    }

    #[inline(always)]
    fn less(self, other: Self) -> NeonMask {
        NeonMask(neon!(vcltq_f32(self.0, other.0)))
    }

    #[inline(always)]
    fn equal(self, other: Self) -> NeonMask {
        NeonMask(neon!(vceqq_f32(self.0, other.0)))
    }

    #[inline(always)]
    fn select(mask: NeonMask, yes: Self, no: Self) -> Self {
        Self(neon!(vbslq_f32(mask.0, yes.0, no.0)))
    }

    #[inline(always)]
    fn truncate(self) -> NeonWords {
        // The instruction saturates and gives 0 for NaN; both differ from what the trait asks for.
        let limit = Self::splat(2_147_483_648.0);
        let fits = NeonMask(neon!(vcgeq_f32(self.0, vnegq_f32(limit.0)))) & self.less(limit);
        let truncated = NeonWords(neon!(vreinterpretq_u32_s32(vcvtq_s32_f32(self.0))));
        NeonWords::select(fits, truncated, NeonWords::splat(1 << 31))
    }

    #[inline(always)]
    fn to_bits(self) -> NeonWords {
        NeonWords(neon!(vreinterpretq_u32_f32(self.0)))
    }

    #[inline(always)]
    fn from_bits(bits: NeonWords) -> Self {
        Self(neon!(vreinterpretq_f32_u32(bits.0)))
    }

    #[inline(always)]
    fn from_signed(words: NeonWords) -> Self {
        Self(neon!(vcvtq_f32_s32(vreinterpretq_s32_u32(words.0))))
    }
}

impl Words for NeonWords {
    type Mask = NeonMask;

    #[inline(always)]
    fn splat(value: u32) -> Self {
        Self(neon!(vdupq_n_u32(value)))
    }

    #[inline(always)]
    fn load(source: &[u32]) -> Self {
        assert!(source.len() >= 4, "fewer integers than lanes");
        // SAFETY: the assertion leaves four integers.
        Self(unsafe { vld1q_u32(source.as_ptr()) })
    }

    #[inline(always)]
    fn up(self, count: u32) -> Self {
        Self(neon!(vshlq_u32(self.0, vdupq_n_s32(count.cast_signed()))))
    }

    #[inline(always)]
    fn down(self, count: u32) -> Self {
        Self(neon!(vshlq_u32(self.0, vdupq_n_s32(-count.cast_signed()))))
    }

    #[inline(always)]
    fn min_signed(self, other: Self) -> Self {
        Self(neon!({
            let (left, right) = (vreinterpretq_s32_u32(self.0), vreinterpretq_s32_u32(other.0));
            vreinterpretq_u32_s32(vminq_s32(left, right))
        }))
    }

    #[inline(always)]
    fn max_signed(self, other: Self) -> Self {
        Self(neon!({
            let (left, right) = (vreinterpretq_s32_u32(self.0), vreinterpretq_s32_u32(other.0));
            vreinterpretq_u32_s32(vmaxq_s32(left, right))
        }))
    }

    #[inline(always)]
    fn less_signed(self, other: Self) -> NeonMask {
        NeonMask(neon!(vcltq_s32(vreinterpretq_s32_u32(self.0), vreinterpretq_s32_u32(other.0))))
    }

    #[inline(always)]
    fn select(mask: NeonMask, yes: Self, no: Self) -> Self {
        Self(neon!(vbslq_u32(mask.0, yes.0, no.0)))
    }

    #[inline(always)]
    fn store4(words: [Self; 4], output: &mut [u8], stride: usize) {
        assert!(output.len() >= 3 * stride + 16, "a block lies outside the output");
        for (lane, row) in transpose(words.map(|word| word.0)).into_iter().enumerate() {
            // SAFETY: the assertion leaves sixteen bytes from the start of each of the four blocks.
            unsafe { vst1q_u8(output.as_mut_ptr().add(lane * stride), vreinterpretq_u8_u32(row)) };
        }
    }

    #[inline(always)]
    fn to_array(self) -> [u32; MOST_LANES] {
        let mut result = [0; MOST_LANES];
        // SAFETY: the array has room for four integers.
        unsafe { vst1q_u32(result.as_mut_ptr(), self.0) };
        result
    }
}
