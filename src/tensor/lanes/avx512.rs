//! Sixteen lanes in the instructions of AVX-512.
#![expect(unsafe_code, reason = "instructions that not every processor has; loads and stores of slices")]

use std::arch::x86_64::*;

use super::{Lanes, MOST_LANES, Mask, Words, operators};

/// Sixteen numbers. Values exist only inside functions that are entered after AVX-512 F, BW, DQ and VL were
/// detected.
#[derive(Clone, Copy)]
pub(in crate::tensor) struct Avx512(__m512);

/// Sixteen integers.
#[derive(Clone, Copy)]
pub(in crate::tensor) struct Avx512Words(__m512i);

/// Evaluates an expression of AVX-512 instructions on registers.
macro_rules! avx512 {
    ($expression:expr) => {
        // SAFETY: the types of this file are used only where AVX-512 was detected.
        unsafe { $expression }
    };
}

operators! { Avx512:
    Add add |a, b| avx512!(_mm512_add_ps(a, b));
    Sub sub |a, b| avx512!(_mm512_sub_ps(a, b));
    Mul mul |a, b| avx512!(_mm512_mul_ps(a, b));
    Div div |a, b| avx512!(_mm512_div_ps(a, b));
}

operators! { Avx512Words:
    Add add |a, b| avx512!(_mm512_add_epi32(a, b));
    Sub sub |a, b| avx512!(_mm512_sub_epi32(a, b));
    BitAnd bitand |a, b| avx512!(_mm512_and_si512(a, b));
    BitOr bitor |a, b| avx512!(_mm512_or_si512(a, b));
}

/// Sixteen truth values: one bit a lane.
impl Mask for __mmask16 {
    #[inline(always)]
    fn any(self) -> bool {
        self != 0
    }

    #[inline(always)]
    fn bits(self) -> u32 {
        u32::from(self)
    }
}

/// Swaps rows and columns of the four by four numbers in each quarter.
#[inline(always)]
fn transpose(rows: [__m512; 4]) -> [__m512; 4] {
    let [a, b, c, d] = rows;
    avx512!({
        let (ab_low, ab_high) = (_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
        let (cd_low, cd_high) = (_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
        [
            _mm512_shuffle_ps::<0b01_00_01_00>(ab_low, cd_low),
            _mm512_shuffle_ps::<0b11_10_11_10>(ab_low, cd_low),
            _mm512_shuffle_ps::<0b01_00_01_00>(ab_high, cd_high),
            _mm512_shuffle_ps::<0b11_10_11_10>(ab_high, cd_high),
        ]
    })
}

impl Lanes for Avx512 {
    const COUNT: usize = 16;

    type Words = Avx512Words;
    type Mask = __mmask16;

    #[inline(always)]
    fn splat(value: f32) -> Self {
        Self(avx512!(_mm512_set1_ps(value)))
    }

    #[inline(always)]
    fn load(source: &[f32]) -> Self {
        assert!(source.len() >= 16, "fewer numbers than lanes");
        // SAFETY: the assertion leaves sixteen numbers; AVX-512 is there.
        Self(unsafe { _mm512_loadu_ps(source.as_ptr()) })
    }

    #[inline(always)]
    fn load4(source: &[f32], stride: usize) -> [Self; 4] {
        assert!(source.len() >= 15 * stride + 4, "a block lies outside the source");
        let mut rows = [Self::splat(0.0).0; 4];
        for (lane, row) in rows.iter_mut().enumerate() {
            // SAFETY: the assertion leaves four numbers from the start of each of the sixteen blocks; AVX-512
            // is there.
            *row = unsafe {
                let start = source.as_ptr().add(lane * stride);
                let row = _mm512_castps128_ps512(_mm_loadu_ps(start));
                let row = _mm512_insertf32x4::<1>(row, _mm_loadu_ps(start.add(4 * stride)));
                let row = _mm512_insertf32x4::<2>(row, _mm_loadu_ps(start.add(8 * stride)));
                _mm512_insertf32x4::<3>(row, _mm_loadu_ps(start.add(12 * stride)))
            };
        }
        let [a, b, c, d] = transpose(rows);
        [Self(a), Self(b), Self(c), Self(d)]
    }

    #[inline(always)]
    fn lookup(table: &[f32; 8], index: Avx512Words) -> Self {
        // SAFETY: the table has eight numbers; AVX-512 is there.
        let table = unsafe { _mm512_castps256_ps512(_mm256_loadu_ps(table.as_ptr())) };
        Self(avx512!(_mm512_permutexvar_ps(index.0, table)))
    }

    #[inline(always)]
    fn smallest(self) -> f32 {
        avx512!(_mm512_reduce_min_ps(self.0))
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        Self(avx512!(_mm512_sqrt_ps(self.0)))
    }

    #[inline(always)]
    fn abs(self) -> Self {
        Self(avx512!(_mm512_abs_ps(self.0)))
    }

    #[inline(always)]
    fn copy_sign(self, sign: Self) -> Self {
        Self(avx512!({
            let bit = _mm512_set1_ps(-0.0);
            _mm512_or_ps(_mm512_andnot_ps(bit, self.0), _mm512_and_ps(bit, sign.0))
        }))
    }

    #[inline(always)]
    fn min(self, other: Self) -> Self {
        Self(avx512!(_mm512_min_ps(self.0, other.0)))
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        Self(avx512!(_mm512_max_ps(self.0, other.0)))
    }

    #[inline(always)]
    fn less(self, other: Self) -> __mmask16 {
        avx512!(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(self.0, other.0))
    }

    #[inline(always)]
    fn equal(self, other: Self) -> __mmask16 {
        avx512!(_mm512_cmp_ps_mask::<_CMP_EQ_OQ>(self.0, other.0))
    }

    #[inline(always)]
    fn select(mask: __mmask16, yes: Self, no: Self) -> Self {
        Self(avx512!(_mm512_mask_blend_ps(mask, no.0, yes.0)))
    }

    #[inline(always)]
    fn truncate(self) -> Avx512Words {
        Avx512Words(avx512!(_mm512_cvttps_epi32(self.0)))
    }

    #[inline(always)]
    fn to_bits(self) -> Avx512Words {
        Avx512Words(avx512!(_mm512_castps_si512(self.0)))
    }

    #[inline(always)]
    fn from_bits(bits: Avx512Words) -> Self {
        Self(avx512!(_mm512_castsi512_ps(bits.0)))
    }

    #[inline(always)]
    fn from_signed(words: Avx512Words) -> Self {
        Self(avx512!(_mm512_cvtepi32_ps(words.0)))
    }
}

impl Words for Avx512Words {
    type Mask = __mmask16;

    #[inline(always)]
    fn splat(value: u32) -> Self {
        Self(avx512!(_mm512_set1_epi32(value.cast_signed())))
    }

    #[inline(always)]
    fn load(source: &[u32]) -> Self {
        assert!(source.len() >= 16, "fewer integers than lanes");
        // SAFETY: the assertion leaves sixteen integers; AVX-512 is there.
        Self(unsafe { _mm512_loadu_si512(source.as_ptr().cast()) })
    }

    #[inline(always)]
    fn up(self, count: u32) -> Self {
        Self(avx512!(_mm512_sll_epi32(self.0, _mm_cvtsi32_si128(count.cast_signed()))))
    }

    #[inline(always)]
    fn down(self, count: u32) -> Self {
        Self(avx512!(_mm512_srl_epi32(self.0, _mm_cvtsi32_si128(count.cast_signed()))))
    }

    #[inline(always)]
    fn min_signed(self, other: Self) -> Self {
        Self(avx512!(_mm512_min_epi32(self.0, other.0)))
    }

    #[inline(always)]
    fn max_signed(self, other: Self) -> Self {
        Self(avx512!(_mm512_max_epi32(self.0, other.0)))
    }

    #[inline(always)]
    fn less_signed(self, other: Self) -> __mmask16 {
        avx512!(_mm512_cmplt_epi32_mask(self.0, other.0))
    }

    #[inline(always)]
    fn select(mask: __mmask16, yes: Self, no: Self) -> Self {
        Self(avx512!(_mm512_mask_blend_epi32(mask, no.0, yes.0)))
    }

    #[inline(always)]
    fn store4(words: [Self; 4], output: &mut [u8], stride: usize) {
        assert!(output.len() >= 15 * stride + 16, "a block lies outside the output");
        let [a, b, c, d] = words;
        let rows =
            [Avx512::from_bits(a).0, Avx512::from_bits(b).0, Avx512::from_bits(c).0, Avx512::from_bits(d).0];
        for (lane, row) in transpose(rows).into_iter().enumerate() {
            // SAFETY: the assertion leaves sixteen bytes from the start of each of the sixteen blocks;
            // AVX-512 is there.
            unsafe {
                let start = output.as_mut_ptr().add(lane * stride);
                _mm_storeu_ps(start.cast(), _mm512_castps512_ps128(row));
                _mm_storeu_ps(start.add(4 * stride).cast(), _mm512_extractf32x4_ps::<1>(row));
                _mm_storeu_ps(start.add(8 * stride).cast(), _mm512_extractf32x4_ps::<2>(row));
                _mm_storeu_ps(start.add(12 * stride).cast(), _mm512_extractf32x4_ps::<3>(row));
            }
        }
    }

    #[inline(always)]
    fn to_array(self) -> [u32; MOST_LANES] {
        let mut result = [0; MOST_LANES];
        // SAFETY: the array has room for sixteen integers; AVX-512 is there.
        unsafe { _mm512_storeu_si512(result.as_mut_ptr().cast(), self.0) };
        result
    }
}
