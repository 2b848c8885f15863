//! The search for a scale and the best levels -1, 0 and 1, all shifted by a little to one side (llama.cpp,
//! `quantize_row_iq1_s_impl` and `quantize_row_iq1_m_impl` in `ggml/src/ggml-quants.c`).
//!
//! Of sorted numbers the lowest get -1, the highest 1 and the rest 0, so that two places in the order say it
//! all. All pairs of places are tried, with the shift to either side; sums over the numbers before a place
//! make a trial cheap.

use crate::tensor::lanes::{Lanes, Mask};

/// How far levels are shifted.
pub(super) const SHIFT: f32 = 0.125;

/// The levels shifted up and down.
pub(super) const UP: [f32; 3] = [-1.0 + SHIFT, SHIFT, 1.0 + SHIFT];
pub(super) const DOWN: [f32; 3] = [-1.0 - SHIFT, -SHIFT, 1.0 - SHIFT];

/// Numbers in order, those that are equal in the order of their places.
struct Sorted<L, const N: usize> {
    numbers: [L; N],
    places: [L; N],
    weights: [L; N],
}

impl<L: Lanes, const N: usize> Sorted<L, N> {
    /// Sorts by Batcher's network of exchanges, which are the same whatever the numbers.
    #[inline(always)]
    fn new(numbers: &[L; N], weights: &[L; N]) -> Self {
        let mut places = *numbers;
        for (i, place) in places.iter_mut().enumerate() {
            *place = L::splat(i as f32);
        }
        let mut sorted = Self { numbers: *numbers, places, weights: *weights };
        let mut run = 1;
        while run < N {
            let mut apart = run;
            while apart >= 1 {
                for first in (apart % run..N - apart).step_by(2 * apart) {
                    for low in first..(first + apart).min(N - apart) {
                        if low / (2 * run) == (low + apart) / (2 * run) {
                            sorted.exchange(low, low + apart);
                        }
                    }
                }
                apart /= 2;
            }
            run *= 2;
        }
        sorted
    }

    #[inline(always)]
    fn exchange(&mut self, low: usize, high: usize) {
        let (a, b) = (self.numbers[low], self.numbers[high]);
        let swapped = b.less(a) | b.equal(a) & self.places[high].less(self.places[low]);
        for row in [&mut self.numbers, &mut self.places, &mut self.weights] {
            let (a, b) = (row[low], row[high]);
            row[low] = L::select(swapped, b, a);
            row[high] = L::select(swapped, a, b);
        }
    }
}

/// The best trial so far.
struct Best<L> {
    score: L,
    scale: L,
    /// Where in the order 0 and 1 begin: the first number that gets them, and its place.
    zeros: (L, L),
    ones: (L, L),
    /// Which of the shifts it was.
    choice: L,
}

impl<L: Lanes> Best<L> {
    #[inline(always)]
    fn new() -> Self {
        let nothing = L::splat(0.0);
        let nowhere = (nothing, nothing);
        // A choice below 0: no trial was better than nothing.
        let choice = L::splat(-1.0);
        Self { score: L::splat(f32::MIN), scale: nothing, zeros: nowhere, ones: nowhere, choice }
    }

    /// Takes a trial with these sums if it is better.
    #[inline(always)]
    fn improve(&mut self, sum_qx: L, sum_q2: L, choice: f32, zeros: (L, L), ones: (L, L)) {
        let better = L::splat(0.0).less(sum_q2) & (self.score * sum_q2).less(sum_qx * sum_qx);
        if !better.any() {
            return;
        }
        let scale = sum_qx / sum_q2;
        self.scale = L::select(better, scale, self.scale);
        self.score = L::select(better, scale * sum_qx, self.score);
        self.choice = L::select(better, L::splat(choice), self.choice);
        for (own, new) in [(&mut self.zeros, zeros), (&mut self.ones, ones)] {
            own.0 = L::select(better, new.0, own.0);
            own.1 = L::select(better, new.1, own.1);
        }
    }

    /// The levels of numbers, from 0 to 2, with a scale that is not negative.
    #[inline(always)]
    fn levels<const N: usize>(&self, numbers: &[L; N]) -> [L; N] {
        let (zero, one, two) = (L::splat(0.0), L::splat(1.0), L::splat(2.0));
        let negative = self.scale.less(zero);
        let mut levels = *numbers;
        for (i, level) in levels.iter_mut().enumerate() {
            let (before_zeros, before_ones) = (before(*level, i, self.zeros), before(*level, i, self.ones));
            let plain = L::select(before_zeros, zero, L::select(before_ones, one, two));
            *level = L::select(negative, two - plain, plain);
        }
        levels
    }
}

/// Whether a number at place `i` comes before the first of others in the order.
#[inline(always)]
fn before<L: Lanes>(number: L, i: usize, (first, place): (L, L)) -> L::Mask {
    number.less(first) | number.equal(first) & L::splat(i as f32).less(place)
}

/// The outcome of a search.
pub(super) struct Split<L: Lanes, const N: usize, const H: usize> {
    /// The scale, not negative; 0 where nothing was found.
    pub(super) scale: L,
    /// The levels, from 0 to 2.
    pub(super) levels: [L; N],
    /// Of each of `H` parts of the numbers whether its levels are shifted down.
    pub(super) down: [L::Mask; H],
    /// Whether anything was found.
    pub(super) found: L::Mask,
}

/// Where the numbers from one place in the order on begin: the first of them, or what is behind all.
#[inline(always)]
fn start<L: Lanes, const N: usize>(sorted: &Sorted<L, N>, place: usize) -> (L, L) {
    if place < N {
        (sorted.numbers[place], sorted.places[place])
    } else {
        (L::splat(f32::INFINITY), L::splat(0.0))
    }
}

/// Searches with one shift for all of 32 numbers.
#[inline(always)]
pub(super) fn search_common<L: Lanes>(numbers: &[L; 32], weights: &[L; 32]) -> Split<L, 32, 1> {
    const N: usize = 32;
    let zero = L::splat(0.0);
    let up = [L::splat(UP[0]), L::splat(UP[1]), L::splat(UP[2])];
    let down = [L::splat(DOWN[0]), L::splat(DOWN[1]), L::splat(DOWN[2])];
    let sorted = Sorted::new(numbers, weights);
    let (mut sum_x, mut sum_w) = ([zero; N + 1], [zero; N + 1]);
    for i in 0..N {
        sum_x[i + 1] = sum_x[i] + sorted.weights[i] * sorted.numbers[i];
        sum_w[i + 1] = sum_w[i] + sorted.weights[i];
    }
    // What the highest numbers add to the sums, by where they begin.
    let mut ones = [[zero; 4]; N + 1];
    for (i, ones) in ones.iter_mut().enumerate() {
        let (x, w) = (sum_x[N] - sum_x[i], sum_w[N] - sum_w[i]);
        *ones = [x * up[2], w * up[2] * up[2], x * down[2], w * down[2] * down[2]];
    }
    let mut best = Best::new();
    for low in 0..=N {
        let (x, w) = (sum_x[low], sum_w[low]);
        let lowest = [x * up[0], w * up[0] * up[0], x * down[0], w * down[0] * down[0]];
        let zeros_start = start(&sorted, low);
        for high in low..=N {
            let middle_x = (sum_x[high] - x) * up[1];
            let middle_w = (sum_w[high] - w) * up[1] * up[1];
            let [up_x, up_w, down_x, down_w] = ones[high];
            let (up_qx, up_q2) = (lowest[0] + middle_x + up_x, lowest[1] + middle_w + up_w);
            let (down_qx, down_q2) = (lowest[2] - middle_x + down_x, lowest[3] + middle_w + down_w);
            let ones_start = start(&sorted, high);
            best.improve(up_qx, up_q2, 0.0, zeros_start, ones_start);
            best.improve(down_qx, down_q2, 1.0, zeros_start, ones_start);
        }
    }
    let negative = best.scale.less(zero);
    let turned = L::select(negative, L::splat(1.0) - best.choice, best.choice);
    Split {
        scale: best.scale.abs(),
        levels: best.levels(numbers),
        down: [turned.equal(L::splat(1.0))],
        found: !best.choice.less(zero),
    }
}

/// Searches with a shift of their own for both halves of sixteen numbers.
#[inline(always)]
pub(super) fn search_halves<L: Lanes>(numbers: &[L; 16], weights: &[L; 16]) -> Split<L, 16, 2> {
    const N: usize = 16;
    // Levels are one apart, so the sums of a split need only those before its two places: these are the
    // differences of the squares of neighbouring levels.
    const fn step(levels: [f32; 3], at: usize) -> f32 {
        levels[at] * levels[at] - levels[at + 1] * levels[at + 1]
    }
    let zero = L::splat(0.0);
    let sorted = Sorted::new(numbers, weights);
    // Of each half, by the place in the common order.
    let (mut sum_x, mut sum_w) = ([[zero; N + 1]; 2], [[zero; N + 1]; 2]);
    for i in 0..N {
        let first = sorted.places[i].less(L::splat(8.0));
        let (weight, weighted) = (sorted.weights[i], sorted.weights[i] * sorted.numbers[i]);
        for (half, mine) in [first, !first].into_iter().enumerate() {
            sum_x[half][i + 1] = L::select(mine, sum_x[half][i] + weighted, sum_x[half][i]);
            sum_w[half][i + 1] = L::select(mine, sum_w[half][i] + weight, sum_w[half][i]);
        }
    }
    let mut best = Best::new();
    for low in 0..=N {
        let zeros_start = start(&sorted, low);
        for high in low..=N {
            let (mut qx, mut q2) = ([[zero; 2]; 2], [[zero; 2]; 2]);
            for half in 0..2 {
                let before = sum_x[half][low] + sum_x[half][high];
                for (side, levels) in [UP, DOWN].into_iter().enumerate() {
                    qx[half][side] = sum_x[half][N] * L::splat(levels[2]) - before;
                    q2[half][side] = sum_w[half][N] * L::splat(levels[2]) * L::splat(levels[2])
                        + sum_w[half][low] * L::splat(step(levels, 0))
                        + sum_w[half][high] * L::splat(step(levels, 1));
                }
            }
            let ones_start = start(&sorted, high);
            for (choice, [first, second]) in [[0, 0], [0, 1], [1, 0], [1, 1]].into_iter().enumerate() {
                let (sum_qx, sum_q2) = (qx[0][first] + qx[1][second], q2[0][first] + q2[1][second]);
                best.improve(sum_qx, sum_q2, choice as f32, zeros_start, ones_start);
            }
        }
    }
    let negative = best.scale.less(zero);
    let choice = L::select(negative, L::splat(3.0) - best.choice, best.choice);
    let second_down = choice.equal(L::splat(1.0)) | choice.equal(L::splat(3.0));
    Split {
        scale: best.scale.abs(),
        levels: best.levels(numbers),
        down: [L::splat(1.0).less(choice), second_down],
        found: !best.choice.less(zero),
    }
}
