//! The searches for the scale of a group whose levels lie around zero (llama.cpp, `make_qx_quants` and
//! `make_q3_quants` in `ggml/src/ggml-quants.c`).
//!
//! A group of numbers `x` is to be written as `scale × level` with levels from `-reach` to `reach - 1`. With the
//! weights `x²`, the best scale for given levels is `Σ w x l / Σ w l²`, and the error falls as
//! `(Σ w x l)² / Σ w l²` grows.

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

/// Divides the reach of the extreme number into nineteen slightly different numbers of steps and keeps the best.
#[inline(always)]
pub(super) fn search_steps<L: Lanes, const N: usize>(elements: &[L; N], reach: f32) -> Fit<L> {
    let zero = L::splat(0.0);
    let (magnitude, extreme) = extreme(elements);
    let mut cubes = [zero; N];
    let mut squares = [zero; N];
    for i in 0..N {
        squares[i] = elements[i] * elements[i];
        cubes[i] = squares[i] * elements[i];
    }
    let group = Steps { elements, squares: &squares, cubes: &cubes, extreme, reach };
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
    squares: &'a [L; N],
    cubes: &'a [L; N],
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
                sum_lx[t] = sum_lx[t] + self.cubes[i] * level;
                sum_l2[t] = sum_l2[t] + self.squares[i] * level * level;
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

/// Starts from the levels of the plain scale and moves one level at a time to the best for the scale that all other
/// numbers ask for, up to five times through the group. `G` groups at once: each waits for its own divisions only.
///
/// Gives the scales, and the levels as numbers from `-reach` up. A group that counts as zero has scale 0 and, as in
/// the reference, the lowest level everywhere.
#[inline(always)]
pub(super) fn descend<L: Lanes, const N: usize, const G: usize>(
    groups: &[[L; N]; G],
    reach: f32,
) -> ([L; G], [[L; N]; G]) {
    let zero = L::splat(0.0);
    let mut levels = [[zero; N]; G];
    let (mut sum_lx, mut sum_l2, mut negligible) = ([zero; G], [zero; G], [zero.equal(zero); G]);
    for g in 0..G {
        let (magnitude, extreme) = extreme(&groups[g]);
        negligible[g] = magnitude.less(L::splat(NEGLIGIBLE));
        let inverse = L::splat(-reach) / extreme;
        for i in 0..N {
            let (element, weight) = (groups[g][i], groups[g][i] * groups[g][i]);
            let level = clamp(nearest(inverse * element), reach);
            levels[g][i] = level;
            sum_lx[g] = sum_lx[g] + weight * element * level;
            sum_l2[g] = sum_l2[g] + weight * level * level;
        }
    }
    for _ in 0..5 {
        let mut changed = zero.less(zero);
        for i in 0..N {
            for g in 0..G {
                let (element, weight) = (groups[g][i], groups[g][i] * groups[g][i]);
                let cube = weight * element;
                let level = levels[g][i];
                let others_lx = sum_lx[g] - cube * level;
                let others_l2 = sum_l2[g] - weight * level * level;
                let quotient = element * others_l2 / others_lx;
                let moved = clamp(L::from_signed(nearest_word(quotient)), reach);
                let moved_lx = others_lx + cube * moved;
                let moved_l2 = others_l2 + weight * moved * moved;
                let better = zero.less(others_lx)
                    & !moved.equal(level)
                    & zero.less(moved_l2)
                    & (sum_lx[g] * sum_lx[g] * moved_l2).less(moved_lx * moved_lx * sum_l2[g]);
                levels[g][i] = L::select(better, moved, level);
                sum_lx[g] = L::select(better, moved_lx, sum_lx[g]);
                sum_l2[g] = L::select(better, moved_l2, sum_l2[g]);
                changed = changed | better;
            }
        }
        if !changed.any() {
            break;
        }
    }
    let mut scales = [zero; G];
    for g in 0..G {
        let scale = L::select(zero.less(sum_l2[g]), sum_lx[g] / sum_l2[g], zero);
        scales[g] = L::select(negligible[g], zero, scale);
        for level in &mut levels[g] {
            *level = L::select(negligible[g], L::splat(-reach), *level);
        }
    }
    (scales, levels)
}
