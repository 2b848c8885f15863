//! Eight lanes in the instructions of AVX2.
#![expect(unsafe_code, reason = "instructions that not every processor has; loads and stores of slices")]

use std::arch::x86_64::*;
use std::ops::Not;

use super::{Lanes, MOST_LANES, Mask, Words, operators};

/// Eight numbers. Values exist only inside functions that are entered after AVX2 was detected.
#[derive(Clone, Copy)]
pub(in crate::tensor) struct Avx2(__m256);

/// Eight integers.
#[derive(Clone, Copy)]
pub(in crate::tensor) struct Avx2Words(__m256i);

/// Eight truth values: all bits of a lane set or none.
#[derive(Clone, Copy)]
pub(in crate::tensor) struct Avx2Mask(__m256);

/// Evaluates an expression of AVX2 instructions on registers.
macro_rules! avx2 {
    ($expression:expr) => {
        // SAFETY: the types of this file are used only where AVX2 was detected.
        unsafe { $expression }
    };
}

operators! { Avx2:
    Add add |a, b| avx2!(_mm256_add_ps(a, b));
    Sub sub |a, b| avx2!(_mm256_sub_ps(a, b));
    Mul mul |a, b| avx2!(_mm256_mul_ps(a, b));
    Div div |a, b| avx2!(_mm256_div_ps(a, b));
}

operators! { Avx2Words:
    Add add |a, b| avx2!(_mm256_add_epi32(a, b));
    Sub sub |a, b| avx2!(_mm256_sub_epi32(a, b));
    BitAnd bitand |a, b| avx2!(_mm256_and_si256(a, b));
    BitOr bitor |a, b| avx2!(_mm256_or_si256(a, b));
}

operators! { Avx2Mask:
    BitAnd bitand |a, b| avx2!(_mm256_and_ps(a, b));
    BitOr bitor |a, b| avx2!(_mm256_or_ps(a, b));
}

impl Not for Avx2Mask {
    type Output = Self;

    #[inline(always)]
    fn not(self) -> Self {
        Self(avx2!(_mm256_xor_ps(self.0, _mm256_castsi256_ps(_mm256_set1_epi32(-1)))))
    }
}

impl Mask for Avx2Mask {
    #[inline(always)]
    fn any(self) -> bool {
        avx2!(_mm256_movemask_ps(self.0) != 0)
    }

    #[inline(always)]
    fn bits(self) -> u32 {
        avx2!(_mm256_movemask_ps(self.0)).cast_unsigned()
    }
}

/// Swaps rows and columns of the four by four numbers in each half.
#[inline(always)]
fn transpose(rows: [__m256; 4]) -> [__m256; 4] {
    let [a, b, c, d] = rows;
    avx2!({
        let (ab_low, ab_high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
        let (cd_low, cd_high) = (_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
        [
            _mm256_shuffle_ps::<0b01_00_01_00>(ab_low, cd_low),
            _mm256_shuffle_ps::<0b11_10_11_10>(ab_low, cd_low),
            _mm256_shuffle_ps::<0b01_00_01_00>(ab_high, cd_high),
            _mm256_shuffle_ps::<0b11_10_11_10>(ab_high, cd_high),
        ]
    })
}

impl Lanes for Avx2 {
    const COUNT: usize = 8;

    type Words = Avx2Words;
    type Mask = Avx2Mask;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self(avx2!(_mm256_set1_ps(value)))
    }

    #[inline(always)]
    fn load(source: &[f32]) -> Self {
        assert!(source.len() >= 8, "fewer numbers than lanes");
        // SAFETY: the assertion leaves eight numbers; AVX2 is there.
        Self(unsafe { _mm256_loadu_ps(source.as_ptr()) })
    }

    #[inline(always)]
    fn load4(source: &[f32], stride: usize) -> [Self; 4] {
        assert!(source.len() >= 7 * stride + 4, "a block lies outside the source");
        let mut rows = [Self::splat(0.0).0; 4];
        for (lane, row) in rows.iter_mut().enumerate() {
            // SAFETY: the assertion leaves four numbers from the start of each of the eight blocks; AVX2 is
            // there.
            *row = unsafe {
                let low = _mm_loadu_ps(source.as_ptr().add(lane * stride));
                let high = _mm_loadu_ps(source.as_ptr().add((lane + 4) * stride));
                _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(low), high)
            };
        }
        let [a, b, c, d] = transpose(rows);
        [Self(a), Self(b), Self(c), Self(d)]
    }

    #[inline(always)]
    fn lookup(table: &[f32; 8], index: Avx2Words) -> Self {
        // SAFETY: the table has eight numbers; AVX2 is there.
        let table = unsafe { _mm256_loadu_ps(table.as_ptr()) };
        Self(avx2!(_mm256_permutevar8x32_ps(table, index.0)))
    }

    #[inline(always)]
    fn smallest(self) -> f32 {
        avx2!({
            let four = _mm_min_ps(_mm256_castps256_ps128(self.0), _mm256_extractf128_ps::<1>(self.0));
            let two = _mm_min_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_min_ss(two, _mm_shuffle_ps::<1>(two, two)))
        })
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        Self(avx2!(_mm256_sqrt_ps(self.0)))
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Self(avx2!(_mm256_andnot_ps(_mm256_set1_ps(-0.0), self.0)))
    }

    #[inline(always)]
    fn copy_sign(self, sign: Self) -> Self {
        Self(avx2!(_mm256_or_ps(self.abs().0, _mm256_and_ps(_mm256_set1_ps(-0.0), sign.0))))
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        Self(avx2!(_mm256_min_ps(self.0, other.0)))
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self(avx2!(_mm256_max_ps(self.0, other.0)))
    }

    #[inline(always)]
    fn less(self, other: Self) -> Avx2Mask {
        Avx2Mask(avx2!(_mm256_cmp_ps::<_CMP_LT_OQ>(self.0, other.0)))
    }

    #[inline(always)]
    fn equal(self, other: Self) -> Avx2Mask {
        Avx2Mask(avx2!(_mm256_cmp_ps::<_CMP_EQ_OQ>(self.0, other.0)))
    }

    #[inline(always)]
    fn select(mask: Avx2Mask, yes: Self, no: Self) -> Self {
        Self(avx2!(_mm256_blendv_ps(no.0, yes.0, mask.0)))
    }

    #[inline(always)]
    fn truncate(self) -> Avx2Words {
        Avx2Words(avx2!(_mm256_cvttps_epi32(self.0)))
    }

    #[inline(always)]
    fn to_bits(self) -> Avx2Words {
        Avx2Words(avx2!(_mm256_castps_si256(self.0)))
    }

    #[inline(always)]
    fn from_bits(bits: Avx2Words) -> Self {
        Self(avx2!(_mm256_castsi256_ps(bits.0)))
    }

    #[inline(always)]
    fn from_signed(words: Avx2Words) -> Self {
        Self(avx2!(_mm256_cvtepi32_ps(words.0)))
    }
}

impl Words for Avx2Words {
    type Mask = Avx2Mask;

    #[inline(always)]
    fn splat(value: u32) -> Self {
        Self(avx2!(_mm256_set1_epi32(value.cast_signed())))
    }

    #[inline(always)]
    fn load(source: &[u32]) -> Self {
        assert!(source.len() >= 8, "fewer integers than lanes");
        // SAFETY: the assertion leaves eight integers; AVX2 is there.
        Self(unsafe { _mm256_loadu_si256(source.as_ptr().cast()) })
    }

    #[inline(always)]
    fn up(self, count: u32) -> Self {
        Self(avx2!(_mm256_sll_epi32(self.0, _mm_cvtsi32_si128(count.cast_signed()))))
    }

    #[inline(always)]
    fn down(self, count: u32) -> Self {
        Self(avx2!(_mm256_srl_epi32(self.0, _mm_cvtsi32_si128(count.cast_signed()))))
    }

    #[inline(always)]
    fn min_signed(self, other: Self) -> Self {
        Self(avx2!(_mm256_min_epi32(self.0, other.0)))
    }

    #[inline(always)]
    fn max_signed(self, other: Self) -> Self {
        Self(avx2!(_mm256_max_epi32(self.0, other.0)))
    }

    #[inline(always)]
    fn less_signed(self, other: Self) -> Avx2Mask {
        Avx2Mask(avx2!(_mm256_castsi256_ps(_mm256_cmpgt_epi32(other.0, self.0))))
    }

    #[inline(always)]
    fn select(mask: Avx2Mask, yes: Self, no: Self) -> Self {
        Avx2::select(mask, Avx2::from_bits(yes), Avx2::from_bits(no)).to_bits()
    }

    #[inline(always)]
    fn store4(words: [Self; 4], output: &mut [u8], stride: usize) {
        assert!(output.len() >= 7 * stride + 16, "a block lies outside the output");
        let [a, b, c, d] = words;
        let rows = [Avx2::from_bits(a).0, Avx2::from_bits(b).0, Avx2::from_bits(c).0, Avx2::from_bits(d).0];
        for (lane, row) in transpose(rows).into_iter().enumerate() {
            // SAFETY: the assertion leaves sixteen bytes from the start of each of the eight blocks; AVX2 is
            // there.
            unsafe {
                let start = output.as_mut_ptr();
                _mm_storeu_ps(start.add(lane * stride).cast(), _mm256_castps256_ps128(row));
                _mm_storeu_ps(start.add((lane + 4) * stride).cast(), _mm256_extractf128_ps::<1>(row));
            }
        }
    }

    #[inline(always)]
    fn to_array(self) -> [u32; MOST_LANES] {
        let mut result = [0; MOST_LANES];
        // SAFETY: the array has room for eight integers; AVX2 is there.
        unsafe { _mm256_storeu_si256(result.as_mut_ptr().cast(), self.0) };
        result
    }
}
