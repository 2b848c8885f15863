//! Strided views: reshapes, transpositions, slices and permutations of rows that move nothing.
//!
//! An axis is a list of *factors*, each a length and a stride, slowest first. An axis that was never
//! permuted has one factor; merging the axes of a transposed view gives an axis of several, so a reshape
//! after a transposition needs no copy either: `(heads, 2, half, columns)` with the middle axes swapped
//! and merged again is an axis of three factors beside the columns. A reshape fails only when it would
//! have to cut a factor into unequal parts.

use std::ops::Range;

use super::DerivationError;
use super::stored::{Encoding, Stored};
use crate::tensor::ElementType;

/// What a view looks at.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Elements {
    /// A tensor in a source.
    Stored(Stored),
    /// Values known from the configuration: rope factors, padding.
    Values(Vec<f32>),
}

impl Elements {
    /// How many consecutive elements every step has to keep together.
    fn block(&self) -> u64 {
        match self {
            Elements::Stored(Stored { encoding: Encoding::Nvfp4 { .. }, .. }) | Elements::Values(_) => 1,
            Elements::Stored(stored) => stored.encoding.block(),
        }
    }
}

/// Part of an axis: `length` steps of `stride` elements each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Factor {
    pub(super) length: u64,
    pub(super) stride: u64,
}

pub(super) type Axis = Vec<Factor>;

/// A strided view of a stored tensor or of known values.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    pub(super) elements: Elements,
    /// Index of the first element viewed.
    pub(super) offset: u64,
    /// Slowest first; an axis of length one has no factors. Adjacent factors that are one walk are
    /// merged, so that equal views compare equal.
    pub(super) axes: Vec<Axis>,
}

impl View {
    /// The whole of `elements` with these dimensions, in row-major order.
    pub(super) fn whole(elements: Elements, dimensions: &[u64]) -> Self {
        let mut stride = 1;
        let mut axes: Vec<Axis> = dimensions
            .iter()
            .rev()
            .map(|&length| {
                let factor = Factor { length, stride };
                stride *= length;
                merged([factor])
            })
            .collect();
        axes.reverse();
        Self { elements, offset: 0, axes }
    }

    /// One value, repeated.
    pub(super) fn repeated(value: f32, dimensions: &[u64]) -> Self {
        let axes = dimensions.iter().map(|&length| merged([Factor { length, stride: 0 }])).collect();
        Self { elements: Elements::Values(vec![value]), offset: 0, axes }
    }

    pub(super) fn dimensions(&self) -> Vec<u64> {
        self.axes.iter().map(|axis| length(axis)).collect()
    }

    /// The factors of all axes, slowest first, as few as describe the walk over all elements.
    pub(super) fn walk(&self) -> Vec<Factor> {
        merged(self.axes.iter().flatten().copied())
    }

    /// The stored element type, where there is one.
    pub(super) fn precision(&self) -> Option<ElementType> {
        match &self.elements {
            Elements::Stored(stored) => Some(stored.encoding.precision()),
            Elements::Values(_) => None,
        }
    }

    /// Whether its numbers are stored as codes of a few bits.
    pub(super) fn has_codes(&self) -> bool {
        matches!(&self.elements, Elements::Stored(stored) if matches!(stored.encoding, Encoding::Codes(_)))
    }

    /// See [`Derivation::reshape`](super::Derivation::reshape); `dimensions` have as many elements.
    pub(super) fn reshape(self, dimensions: &[u64]) -> Result<Self, DerivationError> {
        let from = self.dimensions();
        let mut factors: Vec<Factor> = self.walk();
        let mut axes = Vec::with_capacity(dimensions.len());
        for &dimension in dimensions.iter().rev() {
            let mut axis = Vec::new();
            let mut rest = dimension;
            while rest > 1 {
                let fails = || DerivationError::Reshape { from: from.clone(), to: dimensions.to_vec() };
                let factor = factors.pop().ok_or_else(fails)?;
                if rest.is_multiple_of(factor.length) {
                    axis.push(factor);
                    rest /= factor.length;
                } else if factor.length.is_multiple_of(rest) {
                    axis.push(Factor { length: rest, ..factor });
                    factors.push(Factor { length: factor.length / rest, stride: factor.stride * rest });
                    rest = 1;
                } else {
                    return Err(fails());
                }
            }
            axis.reverse();
            axes.push(merged(axis));
        }
        axes.reverse();
        Self { axes, ..self }.checked()
    }

    /// See [`Derivation::permute`](super::Derivation::permute); `order` is a permutation of the axes.
    pub(super) fn permute(self, order: &[usize]) -> Result<Self, DerivationError> {
        let axes = order.iter().map(|&axis| self.axes[axis].clone()).collect();
        Self { axes, ..self }.checked()
    }

    /// See [`Derivation::slice`](super::Derivation::slice); the range is not empty and within the axis, and
    /// `step` is positive.
    pub(super) fn slice(
        mut self,
        axis: usize,
        range: Range<u64>,
        step: u64,
    ) -> Result<Self, DerivationError> {
        let factors = std::mem::take(&mut self.axes[axis]);
        let cuts =
            DerivationError::Slice { start: range.start, end: range.end, step, length: length(&factors) };
        let (offset, factors) = slice_factors(&factors, range, step).ok_or(cuts)?;
        self.offset += offset;
        self.axes[axis] = merged(factors);
        self.checked()
    }

    /// Refuses views that would tear a block of elements apart.
    fn checked(self) -> Result<Self, DerivationError> {
        let block = self.elements.block();
        if block > 1 && self.in_blocks(block).is_none() {
            return Err(DerivationError::CutsBlock { dimensions: self.dimensions(), block });
        }
        Ok(self)
    }

    /// Offset and walk in units of `block` elements, if no block is torn apart.
    pub(super) fn in_blocks(&self, block: u64) -> Option<(u64, Vec<Factor>)> {
        let mut walk = self.walk();
        if block == 1 {
            return Some((self.offset, walk));
        }
        let inner = walk.pop().filter(|inner| inner.stride == 1 && inner.length.is_multiple_of(block))?;
        if !self.offset.is_multiple_of(block) {
            return None;
        }
        for factor in &mut walk {
            if !factor.stride.is_multiple_of(block) {
                return None;
            }
            factor.stride /= block;
        }
        walk.push(Factor { length: inner.length / block, stride: 1 });
        Some((self.offset / block, merged(walk)))
    }
}

/// The length of an axis.
fn length(axis: &[Factor]) -> u64 {
    axis.iter().map(|factor| factor.length).product()
}

/// The same walk in as few factors as possible.
fn merged(factors: impl IntoIterator<Item = Factor>) -> Vec<Factor> {
    let mut result: Vec<Factor> = Vec::new();
    for factor in factors.into_iter().filter(|factor| factor.length != 1) {
        match result.last_mut() {
            Some(outer) if outer.stride == factor.length * factor.stride => {
                *outer = Factor { length: outer.length * factor.length, stride: factor.stride };
            }
            _ => result.push(factor),
        }
    }
    result
}

/// Every `step`th index of `range` of an axis: an offset and the remaining factors, or nothing if what
/// remains is not a walk of constant strides.
fn slice_factors(axis: &[Factor], range: Range<u64>, step: u64) -> Option<(u64, Vec<Factor>)> {
    let count = (range.end - range.start).div_ceil(step);
    let last = range.start + (count - 1) * step;
    let Some((&outer, inner)) = axis.split_first() else {
        return Some((0, Vec::new()));
    };
    if inner.is_empty() {
        let factor = Factor { length: count, stride: outer.stride * step };
        return Some((range.start * outer.stride, vec![factor]));
    }
    let width = length(inner);
    let with_outer = |first: u64, factor: Option<Factor>, range: Range<u64>, step: u64| {
        let (offset, inner) = slice_factors(inner, range, step)?;
        Some((first * outer.stride + offset, factor.into_iter().chain(inner).collect()))
    };
    let (first_outer, start) = (range.start / width, range.start % width);
    if first_outer == last / width {
        return with_outer(first_outer, None, start..last % width + 1, step);
    }
    if step.is_multiple_of(width) {
        let factor = Factor { length: count, stride: outer.stride * (step / width) };
        return with_outer(first_outer, Some(factor), start..start + 1, 1);
    }
    // The same indices within each of several outer ones: whole periods of the step only.
    let whole = width.is_multiple_of(step) && start < step && count.is_multiple_of(width / step);
    let factor = Factor { length: count / (width / step).max(1), stride: outer.stride };
    whole.then(|| with_outer(first_outer, Some(factor), start..width, step))?
}
