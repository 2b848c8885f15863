//! Floats of four bits (E2M1) with a scale for several of them: what MXFP4 and NVFP4 share.

use super::lane_blocks::pack;
use crate::tensor::lanes::{Lanes, Words};

/// Twice the values of the sixteen E2M1 patterns, which makes all of them whole.
const DOUBLED: [f32; 16] =
    [0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 0.0, -1.0, -2.0, -3.0, -4.0, -6.0, -8.0, -12.0];

/// What lies in the middle between neighbours of [`DOUBLED`].
const MIDDLES: [f32; 7] = [0.5, 1.5, 2.5, 3.5, 5.0, 7.0, 10.0];

/// Decodes pairs: the low four bits of byte `i` are value `i`, the high ones value `pairs.len() + i`.
pub(super) fn decode(pairs: &[u8], half_scale: f32, values: &mut [f32]) {
    let (low, high) = values.split_at_mut(pairs.len());
    for ((&pair, low), high) in pairs.iter().zip(low).zip(high) {
        *low = DOUBLED[usize::from(pair & 15)] * half_scale;
        *high = DOUBLED[usize::from(pair >> 4)] * half_scale;
    }
}

/// The patterns nearest to numbers, the smaller one where two are as near, given half of their scale.
///
/// The reference compares the distances to all sixteen values (llama.cpp, `best_index_mxfp4` in
/// `ggml/src/ggml-quants.c`). Near the middle between two of them both differences are exact, so a number
/// lies nearer to the larger exactly if it lies beyond the middle; and a middle times a scale of few bits is
/// exact.
#[inline(always)]
pub(super) fn patterns<L: Lanes, const N: usize>(elements: &[L; N], half_scale: L) -> [L::Words; N] {
    let (zero, word) = (L::splat(0.0), L::Words::splat);
    let nothing = half_scale.equal(zero);
    let mut middles = [zero; 7];
    for (scaled, middle) in middles.iter_mut().zip(MIDDLES) {
        *scaled = L::splat(middle) * half_scale;
    }
    let mut patterns = [word(0); N];
    for (pattern, element) in patterns.iter_mut().zip(elements) {
        let magnitude = element.abs();
        let mut index = word(0);
        for middle in middles {
            index = index + L::Words::select(middle.less(magnitude), word(1), word(0));
        }
        let negative = L::Words::select(element.less(zero), word(8), word(0));
        let none = nothing | index.less_signed(word(1));
        *pattern = L::Words::select(none, word(0), index + negative);
    }
    patterns
}

/// 32 patterns as sixteen bytes: byte `i` holds patterns `i` and `i + 16`.
#[inline(always)]
pub(super) fn pack_pairs<L: Lanes>(patterns: &[L::Words; 32]) -> [L::Words; 4] {
    let mut bytes = [patterns[0]; 16];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = patterns[i] | patterns[i + 16].up(4);
    }
    pack::<L>(&bytes)
}
