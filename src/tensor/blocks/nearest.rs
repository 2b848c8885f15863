//! The search for the nearest point of a codebook: lanes are candidates here, not blocks.
//!
//! The weighted distance to a candidate is a sum over its levels, and a term depends on one level only. So
//! the terms of all levels at all places are computed first, thirty-two of them, by the operations of the
//! reference; a distance is then a sum of looked up terms, for as many candidates at once as there are lanes.

use super::codebook::{At, Neighbourhood};
use crate::tensor::lanes::{Lanes, Mask, Words};

/// A bit of a found word that says that the point itself did not belong to the codebook.
pub(super) const MOVED: u32 = 1 << 31;

/// Numbers whose nearest points are wanted, with their weights: of each place and level that a word can name.
pub(super) struct Target {
    numbers: [f32; 32],
    weights: [f32; 32],
    values: [f32; 32],
}

impl Target {
    /// `D` numbers and weights, and what the levels stand for before they are scaled.
    #[inline(always)]
    pub(super) fn new<const D: usize, const V: usize>(
        numbers: &[f32; D],
        weights: &[f32; D],
        values: &[f32; V],
    ) -> Self {
        let mut target = Self { numbers: [0.0; 32], weights: [0.0; 32], values: [0.0; 32] };
        let entries = 32 / D;
        for place in 0..D {
            for level in 0..entries {
                let at = entries * place + level;
                target.numbers[at] = numbers[place];
                target.weights[at] = weights[place];
                // The fourth entry of three levels is never looked up.
                target.values[at] = values[level.min(V - 1)];
            }
        }
        target
    }

    /// The word of the point with this number if it belongs to the codebook. Otherwise that of the neighbour
    /// for which `Σ w (scale v - x)²` is smallest, the first of several, [marked](MOVED).
    #[inline(always)]
    pub(super) fn nearest<L: Lanes, const D: usize>(
        &self,
        neighbourhood: &Neighbourhood,
        point: u32,
        scale: f32,
    ) -> u32 {
        match neighbourhood.at(point) {
            At::Member(word) => word,
            At::Outside(neighbours, count) => {
                let mut terms = [0.0; 32];
                for (at, term) in terms.iter_mut().enumerate() {
                    let difference = scale * self.values[at] - self.numbers[at];
                    *term = self.weights[at] * difference * difference;
                }
                first_nearest::<L, D>(&terms, neighbours, count) | MOVED
            }
        }
    }
}

/// The sums of the terms that the levels of as many candidates as there are lanes name.
#[inline(always)]
fn distances<L: Lanes, const D: usize>(terms: &[f32; 32], candidates: &[u32]) -> L {
    let tables = terms.as_chunks::<8>().0;
    let words = L::Words::load(candidates);
    let mut sum = L::lookup(&tables[0], words);
    for place in 1..D {
        sum = sum + L::lookup(&tables[place * 4 / D], words.down(4 * place as u32));
    }
    sum
}

/// The first of `count` candidates whose sum of terms is smallest.
#[inline(always)]
fn first_nearest<L: Lanes, const D: usize>(terms: &[f32; 32], candidates: &[u32], count: usize) -> u32 {
    let mut smallest = distances::<L, D>(terms, candidates);
    let mut found_at = L::Words::splat(0);
    for first in (L::COUNT..count).step_by(L::COUNT) {
        let next = distances::<L, D>(terms, &candidates[first..]);
        let nearer = next.less(smallest);
        smallest = L::select(nearer, next, smallest);
        found_at = L::Words::select(nearer, L::Words::splat(first as u32), found_at);
    }
    let ties = smallest.equal(L::splat(smallest.smallest())).bits();
    // Distances that are not numbers have no smallest: the first candidate is as good as any.
    let lane = (ties.trailing_zeros() as usize) % L::COUNT;
    if count <= L::COUNT {
        return candidates[lane];
    }
    let found_at = found_at.to_array();
    let mut position = found_at[lane] as usize + lane;
    let mut others = ties & ties.wrapping_sub(1);
    while others != 0 {
        let lane = others.trailing_zeros() as usize;
        position = position.min(found_at[lane] as usize + lane);
        others &= others - 1;
    }
    candidates[position]
}
