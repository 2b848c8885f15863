//! What numbers weigh in the searches (llama.cpp, the `_impl` functions of `ggml/src/ggml-quants.c`): with
//! importance, that of their column times the root of their square and a typical square.

use super::Numbers;
use super::lane_blocks::load;
use crate::tensor::lanes::Lanes;

/// What the numbers of a group of a block of 256 weigh.
///
/// A trait, and not a closure, because every function over lanes must be inlined into the one that may use
/// the instructions of a level.
pub(super) trait Weigh<L: Lanes> {
    /// The weights of `elements`, which begin with number `first` of the block.
    fn of<const N: usize>(&self, first: usize, elements: &[L; N]) -> [L; N];
}

/// With importance, by a typical square that is a part of the sum of squares over the block; without, the
/// square and a base for all of the block.
#[derive(Clone, Copy)]
pub(super) struct ByBlock<'a, L> {
    importance: Option<&'a [f32]>,
    typical: L,
    base: L,
}

impl<'a, L: Lanes> ByBlock<'a, L> {
    /// The typical square is `share` of the sum of all squares, and the base `base` of the typical square.
    #[inline(always)]
    pub(super) fn new(numbers: Numbers<'a>, share: f32, base: f32) -> Self {
        let mut sum = L::splat(0.0);
        for first in (0..256).step_by(16) {
            for element in load::<L, 16>(numbers.values, 256, first) {
                sum = sum + element * element;
            }
        }
        let typical = sum * L::splat(share);
        Self { importance: numbers.importance, typical, base: typical * L::splat(base) }
    }
}

impl<L: Lanes> Weigh<L> for ByBlock<'_, L> {
    #[inline(always)]
    fn of<const N: usize>(&self, first: usize, elements: &[L; N]) -> [L; N] {
        if let Some(importance) = self.importance {
            return weigh(elements, &load(importance, 256, first), self.typical);
        }
        let mut weights = squares(elements);
        for weight in &mut weights {
            *weight = self.base + *weight;
        }
        weights
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
    let mut squares = *elements;
    for square in &mut squares {
        *square = *square * *square;
    }
    squares
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
