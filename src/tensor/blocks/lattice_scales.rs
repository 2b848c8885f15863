//! How the formats with codebooks store the scales of their groups: four bits each, as odd multiples of one
//! F16.

use crate::tensor::lanes::{Lanes, Words};
use crate::tensor::rounding::{clamp, nearest_word, to_f16};

/// Factors from 0 to `top`, each for a scale of `2 factor + 1` units, and the F16 of the unit. The largest
/// scale becomes the largest factor; the reference then multiplies the unit by a `correction` found by
/// experiment.
#[inline(always)]
pub(super) fn odd_multiples<L: Lanes, const G: usize>(
    scales: &[L; G],
    top: i32,
    correction: f32,
) -> ([L::Words; G], L::Words) {
    let mut largest = L::splat(0.0);
    for &scale in scales {
        largest = largest.max(scale);
    }
    let unit = largest / L::splat((2 * top + 1) as f32);
    let inverse = L::splat(1.0) / unit;
    let mut factors = [L::Words::splat(0); G];
    for (factor, &scale) in factors.iter_mut().zip(scales) {
        *factor = clamp(nearest_word(L::splat(0.5) * (inverse * scale - L::splat(1.0))), 0, top);
    }
    (factors, to_f16(unit * L::splat(correction)))
}

/// Four bits each of eight words.
#[inline(always)]
pub(super) fn pack_fours<W: Words>(fours: &[W]) -> W {
    let mut packed = W::splat(0);
    for (i, &four) in fours.iter().enumerate() {
        packed = packed | four.up(4 * i as u32);
    }
    packed
}
