//! The search for whole factors of the scales, or the minima, of the groups of a block (llama.cpp,
//! `make_qp_quants` in `ggml/src/ggml-quants.c`).
//!
//! Numbers that are not negative are to be written as `scale × factor` with factors from 0 to `top`. Of nine
//! scales the one with the smallest weighted error fixes the factors; then one factor at a time moves to the
//! best for the scale that all others ask for, up to five times through all of them.

use super::scale_search::NEGLIGIBLE;
use crate::tensor::lanes::{Lanes, Mask, Words};
use crate::tensor::rounding::nearest_word;

/// The factors, and their scale.
#[inline(always)]
pub(super) fn search_factors<L: Lanes, const N: usize>(
    values: &[L; N],
    weights: &[L; N],
    top: f32,
) -> ([L::Words; N], L) {
    let zero = L::splat(0.0);
    let mut largest = zero;
    for &value in values {
        largest = largest.max(value);
    }
    let mut inverse = L::splat(top) / largest;
    // Only here the reference keeps a factor in its byte without a bound.
    let mut smallest_error = zero;
    for (&value, &weight) in values.iter().zip(weights) {
        let factor = L::from_signed(nearest_word(inverse * value) & L::Words::splat(0xff));
        smallest_error = smallest_error + error(value, weight, L::splat(1.0) / inverse, factor);
    }
    for tenths in [-4, -3, -2, -1, 1, 2, 3, 4] {
        let tried = L::splat(0.1 * tenths as f32 + top) / largest;
        let mut tried_error = zero;
        for (&value, &weight) in values.iter().zip(weights) {
            let factor = bounded(tried * value, top);
            tried_error = tried_error + error(value, weight, L::splat(1.0) / tried, factor);
        }
        let better = tried_error.less(smallest_error);
        smallest_error = L::select(better, tried_error, smallest_error);
        inverse = L::select(better, tried, inverse);
    }
    let mut factors = [zero; N];
    let (mut sum_lx, mut sum_l2) = (zero, zero);
    for i in 0..N {
        let factor = bounded(inverse * values[i], top);
        sum_lx = sum_lx + weights[i] * values[i] * factor;
        sum_l2 = sum_l2 + weights[i] * factor * factor;
        factors[i] = in_byte(factor);
    }
    for _ in 0..5 {
        let mut changed = zero.less(zero);
        for i in 0..N {
            let (value, weight) = (values[i], weights[i]);
            let others_lx = sum_lx - weight * value * factors[i];
            let others_l2 = sum_l2 - weight * factors[i] * factors[i];
            let factor = bounded(value * others_l2 / others_lx, top);
            let moved_lx = others_lx + weight * value * factor;
            let moved_l2 = others_l2 + weight * factor * factor;
            let better = zero.less(others_lx)
                & zero.less(others_l2)
                & !factor.equal(factors[i])
                & (sum_lx * sum_lx * moved_l2).less(moved_lx * moved_lx * sum_l2);
            factors[i] = L::select(better, in_byte(factor), factors[i]);
            sum_lx = L::select(better, moved_lx, sum_lx);
            sum_l2 = L::select(better, moved_l2, sum_l2);
            changed = changed | better;
        }
        if !changed.any() {
            break;
        }
    }
    let negligible = largest.less(L::splat(NEGLIGIBLE));
    let scale = L::select(zero.less(sum_l2), sum_lx / sum_l2, zero);
    let mut words = [L::Words::splat(0); N];
    for (word, factor) in words.iter_mut().zip(factors) {
        *word = L::Words::select(negligible, *word, factor.truncate());
    }
    (words, L::select(negligible, zero, scale))
}

/// The nearest factor that is not above `top`.
#[inline(always)]
fn bounded<L: Lanes>(factor: L, top: f32) -> L {
    L::from_signed(nearest_word(factor).min_signed(L::Words::splat(top as u32)))
}

/// A factor as the byte that the reference keeps it in.
#[inline(always)]
fn in_byte<L: Lanes>(factor: L) -> L {
    L::from_signed(factor.truncate() & L::Words::splat(0xff))
}

/// The weighted square of the difference between a number and a factor of a scale.
#[inline(always)]
fn error<L: Lanes>(value: L, weight: L, scale: L, factor: L) -> L {
    let difference = value - scale * factor;
    weight * difference * difference
}
