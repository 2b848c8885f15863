//! What numbers weigh in the searches with importance: the importance of their column times the root of their square
//! and a typical square (llama.cpp, the `_impl` functions of `ggml/src/ggml-quants.c`).

use super::Numbers;
use super::lane_blocks::load;
use crate::tensor::lanes::Lanes;

/// The weights of blocks of `N` numbers whose typical square is the mean of the row.
#[inline(always)]
pub(super) fn by_row<L: Lanes, const N: usize>(elements: &[L; N], numbers: Numbers<'_>) -> [L; N] {
    weigh(elements, &load(numbers.importance, N, 0), L::load(numbers.row_mean_squares))
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
