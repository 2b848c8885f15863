//! The searches for the scale of a group whose levels lie around zero (llama.cpp, `make_qx_quants` and
//! `make_q3_quants` in `ggml/src/ggml-quants.c`).
//!
//! A group of numbers `x` with weights `w` is to be written as `scale × level` with levels from `-reach` to
//! `reach - 1`. The best scale for given levels is `Σ w x l / Σ w l²`, and the error falls as `(Σ w x l)² / Σ
//! w l²` grows. Without importance the weights are `x²`.

use super::lane_blocks::extreme;
use crate::tensor::lanes::{Lanes, Mask};
use crate::tensor::rounding::{nearest, nearest_word};

/// Groups whose numbers are all smaller count as zero.
pub(super) const NEGLIGIBLE: f32 = 1e-15;

/// A level as a number.
#[inline(always)]
fn clamp<L: Lanes>(level: L, reach: f32) -> L {
    L::splat(reach - 1.0).min(level).max(L::splat(-reach))
}

/// The outcome of [`search_steps`].
#[derive(Clone, Copy)]
pub(super) struct Fit<L: Lanes> {
    /// The scale; its sign is that which gives the extreme number the level `-reach`.
    pub(super) scale: L,
    /// Whether the whole group counts as zero.
    pub(super) zero: L::Mask,
    /// What to multiply a number by to get its level.
    inverse: L,
}

impl<L: Lanes> Fit<L> {
    /// What an array is filled with before its first search.
    #[inline(always)]
    pub(super) fn empty() -> Self {
        let zero = L::splat(0.0);
        Self { scale: zero, zero: zero.equal(zero), inverse: zero }
    }

    /// The level that this search chose for a number, from `-reach` up.
    #[inline(always)]
    pub(super) fn level(&self, element: L, reach: f32) -> L::Words {
        clamp(nearest(self.inverse * element), reach).truncate()
    }
}

/// Divides the reach of the extreme number into nineteen slightly different numbers of steps and keeps the
/// best.
#[inline(always)]
pub(super) fn search_steps<L: Lanes, const N: usize>(
    elements: &[L; N],
    weights: &[L; N],
    reach: f32,
) -> Fit<L> {
    let zero = L::splat(0.0);
    let (magnitude, extreme) = extreme(elements);
    let mut weighted = [zero; N];
    for i in 0..N {
        weighted[i] = weights[i] * elements[i];
    }
    let group = Steps { elements, weights, weighted: &weighted, extreme, reach };
    let (inverse, sum_lx, sum_l2) = group.trials([0]);
    let scale = L::select(sum_l2[0].equal(zero), zero, sum_lx[0] / sum_l2[0]);
    let mut best = Best { score: scale * sum_lx[0], scale, inverse: inverse[0] };
    for tenths in (-9..0).step_by(3) {
        group.improve([tenths, tenths + 1, tenths + 2], &mut best);
    }
    for tenths in (1..10).step_by(3) {
        group.improve([tenths, tenths + 1, tenths + 2], &mut best);
    }
    let negligible = magnitude.less(L::splat(NEGLIGIBLE));
    Fit { scale: L::select(negligible, zero, best.scale), zero: negligible, inverse: best.inverse }
}

/// A group with what all trials need of it.
struct Steps<'a, L, const N: usize> {
    elements: &'a [L; N],
    weights: &'a [L; N],
    /// Weights times elements.
    weighted: &'a [L; N],
    extreme: L,
    reach: f32,
}

/// The best trial so far.
struct Best<L> {
    score: L,
    scale: L,
    inverse: L,
}

impl<L: Lanes, const N: usize> Steps<'_, L, N> {
    /// Makes `T` trials at once; each has `reach` and so many tenths steps.
    #[inline(always)]
    fn trials<const T: usize>(&self, tenths: [i32; T]) -> ([L; T], [L; T], [L; T]) {
        let zero = L::splat(0.0);
        let mut inverse = [zero; T];
        for t in 0..T {
            inverse[t] = L::splat(-(self.reach + 0.1 * tenths[t] as f32)) / self.extreme;
        }
        let (mut sum_lx, mut sum_l2) = ([zero; T], [zero; T]);
        for i in 0..N {
            for t in 0..T {
                let level = clamp(nearest(inverse[t] * self.elements[i]), self.reach);
                sum_lx[t] = sum_lx[t] + self.weighted[i] * level;
                sum_l2[t] = sum_l2[t] + self.weights[i] * level * level;
            }
        }
        (inverse, sum_lx, sum_l2)
    }

    /// Makes `T` trials and keeps those that are better, in order.
    #[inline(always)]
    fn improve<const T: usize>(&self, tenths: [i32; T], best: &mut Best<L>) {
        let (inverse, sum_lx, sum_l2) = self.trials(tenths);
        for t in 0..T {
            let better = L::splat(0.0).less(sum_l2[t]) & (best.score * sum_l2[t]).less(sum_lx[t] * sum_lx[t]);
            let scale = sum_lx[t] / sum_l2[t];
            best.scale = L::select(better, scale, best.scale);
            best.score = L::select(better, scale * sum_lx[t], best.score);
            best.inverse = L::select(better, inverse[t], best.inverse);
        }
    }
}

/// Starts from the levels of the plain scale and moves one level at a time to the best for the scale that all
/// other numbers ask for, up to five times through the group.
///
/// Gives the scale, and the levels as numbers from `-reach` up. A group that counts as zero has scale 0 and,
/// as in the reference, the lowest level everywhere.
#[inline(always)]
pub(super) fn descend<L: Lanes, const N: usize>(elements: &[L; N], reach: f32) -> (L, [L; N]) {
    let zero = L::splat(0.0);
    let (magnitude, extreme) = extreme(elements);
    let negligible = magnitude.less(L::splat(NEGLIGIBLE));
    let inverse = L::splat(-reach) / extreme;
    let mut terms = [Term { level: zero, lx: zero, l2: zero }; N];
    let (mut sum_lx, mut sum_l2) = (zero, zero);
    for (term, &element) in terms.iter_mut().zip(elements) {
        *term = Term::new(element, clamp(nearest(inverse * element), reach));
        sum_lx = sum_lx + term.lx;
        sum_l2 = sum_l2 + term.l2;
    }
    for _ in 0..5 {
        let mut changed = zero.less(zero);
        for (term, &element) in terms.iter_mut().zip(elements) {
            let (others_lx, others_l2) = (sum_lx - term.lx, sum_l2 - term.l2);
            let product = element * others_l2;
            if !term.may_move(product, others_lx, reach).any() {
                continue;
            }
            let quotient = L::from_signed(nearest_word(product / others_lx));
            let moved = Term::new(element, clamp(quotient, reach));
            let (moved_lx, moved_l2) = (others_lx + moved.lx, others_l2 + moved.l2);
            let better = zero.less(others_lx)
                & !moved.level.equal(term.level)
                & zero.less(moved_l2)
                & (sum_lx * sum_lx * moved_l2).less(moved_lx * moved_lx * sum_l2);
            *term = Term::select(better, moved, *term);
            sum_lx = L::select(better, moved_lx, sum_lx);
            sum_l2 = L::select(better, moved_l2, sum_l2);
            changed = changed | better;
        }
        if !changed.any() {
            break;
        }
    }
    let mut levels = [zero; N];
    for (level, term) in levels.iter_mut().zip(&terms) {
        *level = L::select(negligible, L::splat(-reach), term.level);
    }
    let scale = L::select(zero.less(sum_l2), sum_lx / sum_l2, zero);
    (L::select(negligible, zero, scale), levels)
}

/// The level of one number and what it adds to the sums.
#[derive(Clone, Copy)]
struct Term<L> {
    level: L,
    lx: L,
    l2: L,
}

impl<L: Lanes> Term<L> {
    #[inline(always)]
    fn new(element: L, level: L) -> Self {
        let square = element * element;
        Self { level, lx: square * element * level, l2: square * level * level }
    }

    #[inline(always)]
    fn select(mask: L::Mask, yes: Self, no: Self) -> Self {
        Self {
            level: L::select(mask, yes.level, no.level),
            lx: L::select(mask, yes.lx, no.lx),
            l2: L::select(mask, yes.l2, no.l2),
        }
    }

    /// Whether `product / others_lx` may round to another level. Most levels stay, which this finds out
    /// without the division; where it is not sure, because the numbers are tiny or not finite, it says so.
    #[inline(always)]
    fn may_move(&self, product: L, others_lx: L, reach: f32) -> L::Mask {
        const TINY: f32 = 1e-30;
        // Half a level, less a margin for the roundings on the way; at the ends, as far as the rounding
        // works.
        const HALF: f32 = 0.4999;
        const FAR: f32 = 4e6;
        let at_low_end = self.level.equal(L::splat(-reach));
        let at_high_end = self.level.equal(L::splat(reach - 1.0));
        let low = L::select(at_low_end, L::splat(-FAR), L::splat(-HALF));
        let high = L::select(at_high_end, L::splat(FAR), L::splat(HALF));
        let excess = product - self.level * others_lx;
        let stays =
            (low * others_lx).less(excess) & excess.less(high * others_lx) & L::splat(TINY).less(others_lx);
        L::splat(0.0).less(others_lx) & !stays
    }
}
