//! The search for the scale and the minimum of a group (llama.cpp, `make_qkx2_quants` and `make_qkx3_quants`
//! in `ggml/src/ggml-quants.c`).
//!
//! A group of numbers `x` with weights `w` is to be written as `scale × level + minimum` with `minimum ≤ 0`
//! and levels from 0 to `TOP`. Each trial divides the way from the minimum to the largest number into a
//! slightly different number of steps, which fixes the levels; the best scale and minimum for those levels
//! follow by weighted least squares. A trial with a smaller penalty than all before wins, and the next ones
//! start from its minimum.

use super::lane_blocks::range;
use crate::tensor::lanes::{Lanes, Mask};
use crate::tensor::rounding::nearest;

/// What differs between the formats that search for scale and minimum.
pub(super) trait Search {
    /// The highest level.
    const TOP: f32;
    /// How far the number of steps of the first trial lies from `TOP`.
    const FIRST: f32;
    /// How many trials there are.
    const TRIALS: usize;
    /// How many steps more than the one before each trial has.
    const FINENESS: f32 = 0.1;

    /// The penalty of a difference before it is weighted.
    #[inline(always)]
    fn penalty<L: Lanes>(difference: L) -> L {
        difference * difference
    }
}

/// The search with importance, for levels up to `TOP`: of every format the same.
pub(super) struct Weighted<const TOP: u8>;

impl<const TOP: u8> Search for Weighted<TOP> {
    const TOP: f32 = TOP as f32;
    const FIRST: f32 = -0.9;
    const TRIALS: usize = 37;
    const FINENESS: f32 = 0.05;
}

/// The outcome of a search.
#[derive(Clone, Copy)]
pub(super) struct Fit<L> {
    /// The scale.
    pub(super) scale: L,
    /// The minimum, at most 0.
    pub(super) minimum: L,
    /// The weighted sum of penalties.
    error: L,
    /// What to multiply a number's distance from `origin` by to get its level.
    inverse: L,
    /// The minimum that the winning trial started from.
    origin: L,
}

impl<L: Lanes> Fit<L> {
    /// What an array is filled with before its first search.
    #[inline(always)]
    pub(super) fn empty() -> Self {
        let zero = L::splat(0.0);
        Self { scale: zero, minimum: zero, error: zero, inverse: zero, origin: zero }
    }

    /// The level of a number of the group that this search chose.
    #[inline(always)]
    pub(super) fn level<S: Search>(&self, element: L) -> L::Words {
        level::<L, S>(self.inverse, self.origin, element).truncate()
    }
}

/// A level as a number.
///
/// The plain rounding is enough: a trial starts from a minimum that fitted the numbers better than the range
/// itself, so no number lies 2^22 steps below it, and none lies above the steps of the trial.
#[inline(always)]
fn level<L: Lanes, S: Search>(inverse: L, origin: L, element: L) -> L {
    nearest(inverse * (element - origin)).min(L::splat(S::TOP)).max(L::splat(0.0))
}

/// `steps / range` for finding levels. If the quotient overflows, the reference finds level 0 for every
/// number, because of what its rounding makes of infinity and NaN; a factor of 0 does the same.
#[inline(always)]
fn finite<L: Lanes>(inverse: L) -> L {
    L::select(inverse.abs().less(L::splat(f32::INFINITY)), inverse, L::splat(0.0))
}

/// Searches for the scale and minimum of each of `G` groups of `N` numbers. The groups do not depend on each
/// other, and so do not wait for each other's sums.
#[inline(always)]
pub(super) fn search<L: Lanes, S: Search, const N: usize, const G: usize>(
    elements: &[[L; N]; G],
    weights: &[[L; N]; G],
) -> [Fit<L>; G] {
    let zero = L::splat(0.0);
    let (mut high, mut sum_w, mut sum_x) = ([zero; G], [zero; G], [zero; G]);
    let mut fits = [Fit::empty(); G];
    for g in 0..G {
        let (lowest, highest) = range(&elements[g]);
        high[g] = highest;
        sum_w[g] = weights[g][0];
        sum_x[g] = weights[g][0] * elements[g][0];
        for i in 1..N {
            sum_w[g] = sum_w[g] + weights[g][i];
            sum_x[g] = sum_x[g] + weights[g][i] * elements[g][i];
        }
        let minimum = zero.min(lowest);
        let inverse = L::splat(S::TOP) / (highest - minimum);
        let scale = L::splat(1.0) / inverse;
        let inverse = finite(inverse);
        let mut error = zero;
        for i in 0..N {
            let level = level::<L, S>(inverse, minimum, elements[g][i]);
            let difference = scale * level + minimum - elements[g][i];
            error = error + weights[g][i] * S::penalty(difference);
        }
        fits[g] = Fit { scale, minimum, error, inverse, origin: minimum };
    }
    let mut levels = [[zero; G]; N];
    for trial in 0..S::TRIALS {
        let steps = L::splat(S::FIRST + S::FINENESS * trial as f32 + S::TOP);
        let (mut origin, mut inverse) = ([zero; G], [zero; G]);
        for g in 0..G {
            origin[g] = fits[g].minimum;
            inverse[g] = finite(steps / (high[g] - origin[g]));
        }
        let (mut sum_l, mut sum_l2, mut sum_xl) = ([zero; G], [zero; G], [zero; G]);
        for (i, levels) in levels.iter_mut().enumerate() {
            for g in 0..G {
                let level = level::<L, S>(inverse[g], origin[g], elements[g][i]);
                let weighted = weights[g][i] * level;
                sum_l[g] = sum_l[g] + weighted;
                sum_l2[g] = sum_l2[g] + weighted * level;
                sum_xl[g] = sum_xl[g] + weighted * elements[g][i];
                levels[g] = level;
            }
        }
        let (mut scale, mut minimum, mut solvable) = ([zero; G], [zero; G], [zero.less(zero); G]);
        for g in 0..G {
            let determinant = sum_w[g] * sum_l2[g] - sum_l[g] * sum_l[g];
            solvable[g] = zero.less(determinant);
            scale[g] = (sum_w[g] * sum_xl[g] - sum_x[g] * sum_l[g]) / determinant;
            minimum[g] = (sum_l2[g] * sum_x[g] - sum_l[g] * sum_xl[g]) / determinant;
            let above = zero.less(minimum[g]);
            if above.any() {
                minimum[g] = L::select(above, zero, minimum[g]);
                scale[g] = L::select(above, sum_xl[g] / sum_l2[g], scale[g]);
            }
        }
        let mut error = [zero; G];
        for (i, levels) in levels.iter().enumerate() {
            for g in 0..G {
                let difference = scale[g] * levels[g] + minimum[g] - elements[g][i];
                error[g] = error[g] + weights[g][i] * S::penalty(difference);
            }
        }
        for g in 0..G {
            let better = error[g].less(fits[g].error) & solvable[g];
            fits[g].error = L::select(better, error[g], fits[g].error);
            fits[g].scale = L::select(better, scale[g], fits[g].scale);
            fits[g].minimum = L::select(better, minimum[g], fits[g].minimum);
            fits[g].inverse = L::select(better, inverse[g], fits[g].inverse);
            fits[g].origin = L::select(better, origin[g], fits[g].origin);
        }
    }
    fits
}
