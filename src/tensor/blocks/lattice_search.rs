//! The search for a scale and points of a codebook (llama.cpp, the `_impl` functions of IQ2 and IQ3 in
//! `ggml/src/ggml-quants.c`).
//!
//! A group of numbers `x`, most of them not negative, is to be written as `scale × (2 level + 1)` where every
//! `D` consecutive levels are a point of a codebook. Each trial divides the largest number into a slightly
//! different number of steps, which fixes the levels, and moves points that do not belong to the codebook to
//! the best of their neighbours; the trial whose points and best scale fit best wins. Trials do not depend on
//! each other, so they are made in three passes: levels of all trials, lanes being blocks; moves to
//! neighbours, lanes being candidates; sums of all trials, lanes being blocks again.

use super::codebook::{Codebook, Neighbourhood};
use super::lane_blocks::{by_lane, pick};
use super::nearest::{MOVED, Target};
use crate::tensor::lanes::{Lanes, MOST_LANES, Mask, Words};
use crate::tensor::rounding::nearest;

/// The trials of a format: so many on either side of the plain number of steps, and how far apart these are.
#[derive(Clone, Copy)]
pub(super) struct Trials {
    pub(super) reach: i32,
    pub(super) fineness: f32,
}

/// Which points are moved once more for the scale that won.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Polish {
    /// Those that did not belong to the codebook.
    Moved,
    /// All of a group, if any of it did not.
    GroupsWithMoved,
    /// All.
    All,
}

/// What a format searches with.
#[derive(Clone, Copy)]
pub(super) struct Settings {
    pub(super) codebook: &'static Codebook,
    pub(super) trials: Trials,
    pub(super) polish: Polish,
}

/// The largest number of trials of any format.
const MOST_TRIALS: usize = 31;

/// The outcome of a search.
pub(super) struct Fit<L: Lanes, const K: usize> {
    /// The scale.
    pub(super) scale: L,
    /// The indices of the `K` points.
    pub(super) indices: [L::Words; K],
}

/// A group with what all passes need of it.
struct Group<'a, L, const N: usize> {
    neighbourhood: &'static Neighbourhood,
    elements: &'a [L; N],
    weights: &'a [L; N],
    /// Weights times elements.
    weighted: [L; N],
    /// Elements, and roots of weights, of each lane: for picking out those of one.
    numbers: [[u32; MOST_LANES]; N],
    roots: [[u32; MOST_LANES]; N],
}

/// What odd numbers levels stand for.
const ODD: [f32; 8] = [1.0, 3.0, 5.0, 7.0, 9.0, 11.0, 13.0, 15.0];

/// Searches in a group of `N` numbers, which are `K` points of `D` levels.
///
/// `most` is the number that the trials divide into steps, and `scale` what holds if no trial is better than
/// nothing.
#[inline(always)]
pub(super) fn search<L: Lanes, const N: usize, const D: usize, const K: usize>(
    settings: Settings,
    elements: &[L; N],
    weights: &[L; N],
    most: L,
    scale: L,
) -> Fit<L, K> {
    let zero = L::splat(0.0);
    let levels = if D == 8 { 3.0 } else { 8.0 };
    let group = Group::new(settings.codebook.neighbourhood(), elements, weights);
    let Trials { reach, fineness } = settings.trials;
    let trials = 2 * reach as usize + 1;

    let mut scales = [[0; MOST_LANES]; MOST_TRIALS];
    let mut words = [[[0; MOST_LANES]; K]; MOST_TRIALS];
    for trial in 0..trials {
        let steps = 2.0 * levels - 1.0 + (trial as i32 - reach) as f32 * fineness;
        let inverse = L::splat(steps) / most;
        scales[trial] = (L::splat(1.0) / inverse).to_bits().to_array();
        for (words, points) in words[trial].iter_mut().zip(group.points::<D, K>(inverse)) {
            *words = points.to_array();
        }
    }
    for k in 0..K {
        for lane in 0..L::COUNT {
            let target = group.target::<D>(k, lane);
            for (words, scales) in words[..trials].iter_mut().zip(&scales) {
                let word = &mut words[k][lane];
                *word = target.nearest::<L, D>(group.neighbourhood, *word, f32::from_bits(scales[lane]));
            }
        }
    }
    let origin = L::Words::splat(group.neighbourhood.origin());
    let unless_all = if settings.polish == Polish::Moved { 0 } else { MOVED };
    let mut best = zero;
    let mut scale = scale;
    let mut chosen = [origin | L::Words::splat(unless_all); K];
    for words in &words[..trials] {
        let words = loaded::<L, K>(words);
        let (sum_qx, sum_q2) = group.sums::<D, K>(&words);
        let better = zero.less(sum_q2) & (best * sum_q2).less(sum_qx * sum_qx);
        let tried = sum_qx / sum_q2;
        scale = L::select(better, tried, scale);
        best = L::select(better, tried * sum_qx, best);
        for (chosen, word) in chosen.iter_mut().zip(words) {
            *chosen = L::Words::select(better, word, *chosen);
        }
    }
    let scale = group.polish::<D, K>(settings.polish, scale, &mut chosen);
    for word in &mut chosen {
        *word = group.neighbourhood.indices::<L, D>(*word);
    }
    Fit { scale, indices: chosen }
}

/// Words of each lane in lanes.
#[inline(always)]
fn loaded<L: Lanes, const K: usize>(words: &[[u32; MOST_LANES]; K]) -> [L::Words; K] {
    let mut loaded = [L::Words::splat(0); K];
    for (loaded, lanes) in loaded.iter_mut().zip(words) {
        *loaded = L::Words::load(lanes);
    }
    loaded
}

impl<'a, L: Lanes, const N: usize> Group<'a, L, N> {
    #[inline(always)]
    fn new(neighbourhood: &'static Neighbourhood, elements: &'a [L; N], weights: &'a [L; N]) -> Self {
        let (mut weighted, mut roots) = (*weights, *weights);
        for i in 0..N {
            weighted[i] = weights[i] * elements[i];
            roots[i] = weights[i].sqrt();
        }
        let (numbers, roots) = (by_lane(elements), by_lane(&roots));
        Self { neighbourhood, elements, weights, weighted, numbers, roots }
    }

    /// The numbers of the points that the rounded levels are.
    #[inline(always)]
    fn points<const D: usize, const K: usize>(&self, inverse: L) -> [L::Words; K] {
        let levels = if D == 8 { 3.0 } else { 8.0 };
        // If the quotient overflows, the reference finds level 0 everywhere.
        let inverse = L::select(inverse.abs().less(L::splat(f32::INFINITY)), inverse, L::splat(0.0));
        let mut points = [L::Words::splat(0); K];
        for (point, elements) in points.iter_mut().zip(self.elements.as_chunks::<D>().0) {
            let mut number = L::splat(0.0);
            for &element in elements.iter().rev() {
                let level = nearest(L::splat(0.5) * (inverse * element - L::splat(1.0)));
                let level = level.min(L::splat(levels - 1.0)).max(L::splat(0.0));
                number = number * L::splat(levels) + level;
            }
            *point = number.truncate();
        }
        points
    }

    /// The numbers of point `k` of one lane.
    #[inline(always)]
    fn target<const D: usize>(&self, k: usize, lane: usize) -> Target {
        let (numbers, roots): ([f32; D], [f32; D]) =
            (pick(&self.numbers, D * k, lane), pick(&self.roots, D * k, lane));
        if D == 8 {
            Target::new(&numbers, &roots, &[1.0, 3.0, 5.0])
        } else {
            Target::new(&numbers, &roots, &ODD)
        }
    }

    /// `Σ w x q` and `Σ w q²` for the levels of points.
    #[inline(always)]
    fn sums<const D: usize, const K: usize>(&self, words: &[L::Words; K]) -> (L, L) {
        let mask = L::Words::splat(if D == 8 { 3 } else { 7 });
        let (mut sum_qx, mut sum_q2) = (L::splat(0.0), L::splat(0.0));
        for i in 0..N {
            let level = words[i / D].down(4 * (i % D) as u32) & mask;
            let value = L::from_signed(level + level + L::Words::splat(1));
            sum_qx = sum_qx + self.weighted[i] * value;
            sum_q2 = sum_q2 + self.weights[i] * value * value;
        }
        (sum_qx, sum_q2)
    }

    /// Moves points once more, now for the scale that won, and gives the best scale for where they are then.
    #[inline(always)]
    fn polish<const D: usize, const K: usize>(
        &self,
        polish: Polish,
        scale: L,
        words: &mut [L::Words; K],
    ) -> L {
        let zero = L::splat(0.0);
        let mut moved = [zero.less(zero); K];
        let mut any_moved = zero.less(zero);
        for (moved, word) in moved.iter_mut().zip(words.iter()) {
            *moved = word.less_signed(L::Words::splat(0));
            any_moved = any_moved | *moved;
        }
        let wanted = zero.less(scale) & if polish == Polish::All { zero.equal(zero) } else { any_moved };
        if !wanted.any() {
            return scale;
        }
        let points = self.points::<D, K>(L::splat(1.0) / scale);
        let scales = scale.to_bits().to_array();
        for k in 0..K {
            let again = if polish == Polish::Moved { moved[k] & wanted } else { wanted };
            let (lanes, points) = (again.bits(), points[k].to_array());
            let mut found = [0; MOST_LANES];
            for lane in (0..L::COUNT).filter(|lane| lanes >> lane & 1 == 1) {
                let target = self.target::<D>(k, lane);
                found[lane] =
                    target.nearest::<L, D>(self.neighbourhood, points[lane], f32::from_bits(scales[lane]));
            }
            words[k] = L::Words::select(again, L::Words::load(&found), words[k]);
        }
        let (sum_qx, sum_q2) = self.sums::<D, K>(words);
        L::select(wanted & zero.less(sum_q2), sum_qx / sum_q2, scale)
    }
}
