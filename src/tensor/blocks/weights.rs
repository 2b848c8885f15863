//! What numbers weigh in the searches (llama.cpp, the `_impl` functions of `ggml/src/ggml-quants.c`): with importance,
//! that of their column times the root of their square and a typical square.

use super::Numbers;
use super::lane_blocks::load;
use crate::tensor::lanes::Lanes;

/// The weights of blocks of `N` numbers whose typical square is the mean of the row.
#[inline(always)]
pub(super) fn by_row<L: Lanes, const N: usize>(elements: &[L; N], numbers: Numbers<'_>) -> [L; N] {
    weigh(elements, &load(numbers.importance, N, 0), L::load(numbers.row_mean_squares))
}

/// The weights of the groups of a block of 256 numbers, whose typical square is a part of the sum over the block.
#[derive(Clone, Copy)]
pub(super) struct ByBlock<'a, L> {
    importance: &'a [f32],
    typical: L,
}

impl<'a, L: Lanes> ByBlock<'a, L> {
    /// The typical square is `share` of the sum of all squares.
    #[inline(always)]
    pub(super) fn new(numbers: Numbers<'a>, share: f32) -> Self {
        let typical = sum_of_squares::<L>(numbers.values) * L::splat(share);
        Self { importance: numbers.importance, typical }
    }

    /// The weights of `elements`, which begin with number `first` of the block.
    #[inline(always)]
    pub(super) fn of<const N: usize>(&self, first: usize, elements: &[L; N]) -> [L; N] {
        weigh(elements, &load(self.importance, 256, first), self.typical)
    }
}

/// Importance times the root of square and typical square.
#[inline(always)]
pub(super) fn weigh<L: Lanes, const N: usize>(elements: &[L; N], importance: &[L; N], typical: L) -> [L; N] {
    let mut weights = *importance;
    for (weight, &element) in weights.iter_mut().zip(elements) {
        *weight = *weight * (typical + element * element).sqrt();
    }
    weights
}

/// The squares of numbers: what they weigh without importance.
#[inline(always)]
pub(super) fn squares<L: Lanes, const N: usize>(elements: &[L; N]) -> [L; N] {
    elements.map(|element| element * element)
}

/// The sum of numbers, one after the other.
#[inline(always)]
pub(super) fn sum<L: Lanes, const N: usize>(numbers: &[L; N]) -> L {
    let mut sum = numbers[0];
    for &number in &numbers[1..] {
        sum = sum + number;
    }
    sum
}

/// The sum of the squares of blocks of 256 numbers.
#[inline(always)]
pub(super) fn sum_of_squares<L: Lanes>(values: &[f32]) -> L {
    let mut sum = L::splat(0.0);
    for first in (0..256).step_by(16) {
        for element in load::<L, 16>(values, 256, first) {
            sum = sum + element * element;
        }
    }
    sum
}
