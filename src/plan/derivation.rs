//! How the elements of one tensor come about, as an expression over stored tensors.
//!
//! A derivation has *dimensions*, slowest first as checkpoints and NumPy have them (a file's
//! [`Shape`](crate::tensor::Shape) is the reverse). The methods are NumPy's; each takes the derivation and
//! gives the changed one. Reshapes, slices and permutations pass through to the stored tensors, where they
//! are one strided [`View`], so they cost nothing until the elements are read.

use std::ops::Range;

use super::derivation_error::DerivationError;
use super::operation::{Arithmetic, Constant, Operation};
use super::stored::Stored;
use super::view::{Elements, View};
use crate::tensor::ElementType;

/// An expression that yields the elements of a tensor in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub enum Derivation {
    /// A strided view of a stored tensor or of values known from the configuration.
    View(View),
    /// Inputs one after the other along an axis; all other dimensions agree.
    Concatenate {
        /// Index into the dimensions of every input.
        axis: usize,
        /// At least two.
        inputs: Vec<Derivation>,
    },
    /// One operation on each element.
    Map {
        /// The operation.
        operation: Operation,
        /// Its input.
        input: Box<Derivation>,
    },
    /// Two inputs of the same dimensions, element by element.
    Pair {
        /// What becomes of two elements.
        operation: Arithmetic,
        /// Left and right.
        inputs: Box<[Derivation; 2]>,
    },
    /// A matrix, or a stack of them, after changes. It is computed row by row and stays as it lies.
    Changed {
        /// The matrix before.
        base: Box<Derivation>,
        /// At least one, the first first.
        changes: Vec<Change>,
    },
}

/// What is added to a matrix, or to each of a stack: `scale · outputs · inputs`.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// `[rank, columns]`, or as many of these as there are matrices.
    pub inputs: Derivation,
    /// `[rows, rank]`, likewise.
    pub outputs: Derivation,
    /// What the product is multiplied by.
    pub scale: Constant,
    /// The length that each row has afterwards, `[rows]`, where the change says so (DoRA).
    pub lengths: Option<Derivation>,
}

impl Derivation {
    /// All of a stored tensor.
    pub fn stored(stored: Stored) -> Result<Self, DerivationError> {
        stored.check()?;
        let dimensions = stored.dimensions.clone();
        Ok(Derivation::View(View::whole(Elements::Stored(stored), &dimensions)))
    }

    /// Values known from the configuration, in row-major order.
    pub fn values(values: Vec<f32>, dimensions: &[u64]) -> Result<Self, DerivationError> {
        if element_count(dimensions)? != values.len() as u64 {
            return Err(DerivationError::ValueCount { got: values.len(), dimensions: dimensions.to_vec() });
        }
        Ok(Derivation::View(View::whole(Elements::Values(values), dimensions)))
    }

    /// One value everywhere: padding.
    pub fn filled(value: f32, dimensions: &[u64]) -> Result<Self, DerivationError> {
        element_count(dimensions)?;
        Ok(Derivation::View(View::repeated(value, dimensions)))
    }

    /// Length of each axis, slowest first.
    pub fn dimensions(&self) -> Vec<u64> {
        match self {
            Derivation::View(view) => view.dimensions(),
            Derivation::Map { input, .. } => input.dimensions(),
            Derivation::Pair { inputs, .. } => inputs[0].dimensions(),
            Derivation::Changed { base, .. } => base.dimensions(),
            Derivation::Concatenate { axis, inputs } => {
                let mut dimensions = inputs[0].dimensions();
                dimensions[*axis] = inputs.iter().map(|input| input.dimensions()[*axis]).sum();
                dimensions
            }
        }
    }

    /// How many elements there are.
    pub fn element_count(&self) -> u64 {
        self.dimensions().iter().product()
    }

    /// The precision of what is stored: the element type that all stored tensors of the expression share, F32
    /// where they differ. Codes and what two inputs come to count as F32, values as whatever they stand
    /// beside.
    pub fn stored_type(&self) -> ElementType {
        self.common_type().unwrap_or(ElementType::F32)
    }

    /// Whether every value is one of `element_type` as it is: stored in it and not computed with.
    pub fn is_stored_as(&self, element_type: ElementType) -> bool {
        match self {
            Derivation::View(view) => view.precision() == Some(element_type),
            Derivation::Concatenate { inputs, .. } => {
                inputs.iter().all(|input| input.is_stored_as(element_type))
            }
            Derivation::Map { operation, input } => {
                operation.preserves_values() && input.is_stored_as(element_type)
            }
            Derivation::Pair { .. } | Derivation::Changed { .. } => false,
        }
    }

    /// Whether some of its numbers are stored as codes of a few bits.
    pub fn has_codes(&self) -> bool {
        match self {
            Derivation::View(view) => view.has_codes(),
            Derivation::Map { input, .. } => input.has_codes(),
            Derivation::Changed { base, .. } => base.has_codes(),
            Derivation::Pair { inputs, .. } => inputs.iter().any(Derivation::has_codes),
            Derivation::Concatenate { inputs, .. } => inputs.iter().any(Derivation::has_codes),
        }
    }

    fn common_type(&self) -> Option<ElementType> {
        match self {
            Derivation::View(view) => view.precision(),
            Derivation::Map { operation: Operation::Widen, .. }
            | Derivation::Pair { .. }
            | Derivation::Changed { .. } => Some(ElementType::F32),
            Derivation::Map { input, .. } => input.common_type(),
            Derivation::Concatenate { inputs, .. } => inputs
                .iter()
                .filter_map(Derivation::common_type)
                .reduce(|one, other| if one == other { one } else { ElementType::F32 }),
        }
    }

    /// The same elements in the same order with other dimensions.
    ///
    /// # Errors
    /// The number of elements differs, or a permuted axis or the seam of a concatenation would be cut apart.
    pub fn reshape(self, dimensions: &[u64]) -> Result<Self, DerivationError> {
        let from = self.dimensions();
        let fails = || DerivationError::Reshape { from: from.clone(), to: dimensions.to_vec() };
        if element_count(dimensions)? != from.iter().product::<u64>() {
            return Err(fails());
        }
        match self {
            Derivation::View(view) => view.reshape(dimensions).map(Derivation::View),
            Derivation::Map { operation, input } => Ok(input.reshape(dimensions)?.map(operation)),
            Derivation::Pair { operation, inputs } => {
                pair(operation, *inputs, |input| input.reshape(dimensions))
            }
            Derivation::Changed { .. } if from == dimensions => Ok(self),
            Derivation::Changed { .. } => Err(fails()),
            Derivation::Concatenate { axis, inputs } => {
                let (axis, row) = joined_axis(&from, axis, dimensions, &inputs).ok_or_else(fails)?;
                let inputs = inputs.into_iter().map(|input| {
                    let mut part = dimensions.to_vec();
                    let before: u64 = dimensions[..axis].iter().product();
                    part[axis] = input.element_count() / before / row;
                    input.reshape(&part)
                });
                Derivation::concatenate(axis, inputs.collect::<Result<_, _>>()?)
            }
        }
    }

    /// Axes in another order: axis `i` of the result is axis `order[i]`.
    pub fn permute(self, order: &[usize]) -> Result<Self, DerivationError> {
        let dimensions = self.dimensions();
        let mut sorted = order.to_vec();
        sorted.sort_unstable();
        if !sorted.into_iter().eq(0..dimensions.len()) {
            return Err(DerivationError::Permutation { order: order.to_vec(), dimensions });
        }
        match self {
            Derivation::View(view) => view.permute(order).map(Derivation::View),
            Derivation::Map { operation, input } => Ok(input.permute(order)?.map(operation)),
            Derivation::Pair { operation, inputs } => pair(operation, *inputs, |input| input.permute(order)),
            Derivation::Changed { .. } if order.is_sorted() => Ok(self),
            Derivation::Changed { .. } => {
                Err(DerivationError::Permutation { order: order.to_vec(), dimensions })
            }
            Derivation::Concatenate { axis, inputs } => {
                let inputs = inputs.into_iter().map(|input| input.permute(order));
                let axis = order.iter().position(|&old| old == axis).unwrap_or(axis);
                Derivation::concatenate(axis, inputs.collect::<Result<_, _>>()?)
            }
        }
    }

    /// Two axes swapped.
    pub fn transpose(self, one: usize, other: usize) -> Result<Self, DerivationError> {
        let dimensions = self.dimensions();
        let mut order: Vec<usize> = (0..dimensions.len()).collect();
        if let Some(&axis) = [one, other].iter().find(|&&axis| axis >= order.len()) {
            return Err(DerivationError::Axis { axis, dimensions });
        }
        order.swap(one, other);
        self.permute(&order)
    }

    /// The part of an axis in `range`.
    pub fn slice(self, axis: usize, range: Range<u64>) -> Result<Self, DerivationError> {
        self.step_by(axis, range, 1)
    }

    /// One index of an axis, which vanishes.
    pub fn select(self, axis: usize, index: u64) -> Result<Self, DerivationError> {
        self.slice(axis, index..index.saturating_add(1))?.squeeze(axis)
    }

    /// Every `step`th index of an axis in `range`, from its start on.
    pub fn step_by(self, axis: usize, range: Range<u64>, step: u64) -> Result<Self, DerivationError> {
        let dimensions = self.dimensions();
        let Some(&length) = dimensions.get(axis) else {
            return Err(DerivationError::Axis { axis, dimensions });
        };
        let Range { start, end } = range;
        if start >= end || end > length || step == 0 {
            return Err(DerivationError::Slice { start, end, step, length });
        }
        match self {
            Derivation::View(view) => view.slice(axis, range, step).map(Derivation::View),
            Derivation::Map { operation, input } => Ok(input.step_by(axis, range, step)?.map(operation)),
            Derivation::Pair { operation, inputs } => {
                pair(operation, *inputs, |input| input.step_by(axis, range.clone(), step))
            }
            Derivation::Changed { .. } if (start, end, step) == (0, length, 1) => Ok(self),
            Derivation::Changed { .. } => Err(DerivationError::Slice { start, end, step, length }),
            Derivation::Concatenate { axis: seam, inputs } if seam == axis => {
                slice_inputs(axis, inputs, range, step)
            }
            Derivation::Concatenate { axis: seam, inputs } => {
                let inputs = inputs.into_iter().map(|input| input.step_by(axis, range.clone(), step));
                Derivation::concatenate(seam, inputs.collect::<Result<_, _>>()?)
            }
        }
    }

    /// Without an axis of length one.
    pub fn squeeze(self, axis: usize) -> Result<Self, DerivationError> {
        let mut dimensions = self.dimensions();
        match dimensions.get(axis) {
            None => Err(DerivationError::Axis { axis, dimensions }),
            Some(1) => {
                dimensions.remove(axis);
                self.reshape(&dimensions)
            }
            Some(_) => Err(DerivationError::Squeeze { axis, dimensions }),
        }
    }

    /// Inputs one after the other along `axis`.
    pub fn concatenate(axis: usize, inputs: Vec<Derivation>) -> Result<Self, DerivationError> {
        let dimensions: Vec<_> = inputs.iter().map(Derivation::dimensions).collect();
        let agree = dimensions.windows(2).all(|pair| {
            pair[0].len() == pair[1].len()
                && pair[0]
                    .iter()
                    .zip(&pair[1])
                    .enumerate()
                    .all(|(index, (one, other))| index == axis || one == other)
        });
        if dimensions.first().is_none_or(|first| axis >= first.len()) || !agree {
            return Err(DerivationError::Concatenation { axis, dimensions });
        }
        let mut joined = Vec::with_capacity(inputs.len());
        for input in inputs {
            match input {
                Derivation::Concatenate { axis: inner, inputs } if inner == axis => joined.extend(inputs),
                other => joined.push(other),
            }
        }
        match <[Derivation; 1]>::try_from(joined) {
            Ok([only]) => Ok(only),
            Err(inputs) => {
                let derivation = Derivation::Concatenate { axis, inputs };
                element_count(&derivation.dimensions())?;
                Ok(derivation)
            }
        }
    }

    /// Inputs of equal dimensions along a new first axis: the experts of a layer.
    pub fn stack(inputs: Vec<Derivation>) -> Result<Self, DerivationError> {
        let inputs = inputs.into_iter().map(|input| {
            let dimensions: Vec<u64> = std::iter::once(1).chain(input.dimensions()).collect();
            input.reshape(&dimensions)
        });
        Derivation::concatenate(0, inputs.collect::<Result<_, _>>()?)
    }

    /// The elements of two inputs, which meet one by one.
    ///
    /// # Errors
    /// Their dimensions differ.
    pub fn with(self, operation: Arithmetic, other: Derivation) -> Result<Self, DerivationError> {
        let (one, other_dimensions) = (self.dimensions(), other.dimensions());
        if one != other_dimensions {
            return Err(DerivationError::Pair { one, other: other_dimensions });
        }
        Ok(Derivation::Pair { operation, inputs: Box::new([self, other]) })
    }

    /// A matrix, or a stack of matrices, after a change.
    ///
    /// # Errors
    /// The change is one of matrices of other dimensions.
    pub fn changed(self, change: Change) -> Result<Self, DerivationError> {
        change.check(&self.dimensions())?;
        Ok(match self {
            Derivation::Changed { base, mut changes } => {
                changes.push(change);
                Derivation::Changed { base, changes }
            }
            base => Derivation::Changed { base: Box::new(base), changes: vec![change] },
        })
    }

    /// An operation on each element.
    pub fn map(self, operation: Operation) -> Self {
        Derivation::Map { operation, input: Box::new(self) }
    }
}

/// The same change of both inputs.
fn pair(
    operation: Arithmetic,
    [left, right]: [Derivation; 2],
    change: impl Fn(Derivation) -> Result<Derivation, DerivationError>,
) -> Result<Derivation, DerivationError> {
    Ok(Derivation::Pair { operation, inputs: Box::new([change(left)?, change(right)?]) })
}

impl Change {
    /// Checks that it is one of matrices of these dimensions; answers with the rank.
    pub(super) fn check(&self, base: &[u64]) -> Result<u64, DerivationError> {
        let (inputs, outputs) = (self.inputs.dimensions(), self.outputs.dimensions());
        let fails = || DerivationError::Change {
            base: base.to_vec(),
            inputs: inputs.clone(),
            outputs: outputs.clone(),
        };
        let [stack @ .., rows, columns] = base else { return Err(fails()) };
        let ([inner_stack @ .., rank, width], [outer_stack @ .., height, other]) =
            (&inputs[..], &outputs[..])
        else {
            return Err(fails());
        };
        let lengths = self.lengths.as_ref().map(Derivation::dimensions);
        let fits = (inner_stack, outer_stack) == (stack, stack)
            && (rank, width, height) == (other, columns, rows)
            && lengths.is_none_or(|lengths| stack.is_empty() && lengths == [*rows]);
        if fits { Ok(*rank) } else { Err(fails()) }
    }

    /// The derivations that it reads.
    pub(super) fn derivations(&self) -> impl Iterator<Item = &Derivation> {
        [&self.inputs, &self.outputs].into_iter().chain(&self.lengths)
    }
}

/// The product of `dimensions`, all of which must be positive.
fn element_count(dimensions: &[u64]) -> Result<u64, DerivationError> {
    let fails = || DerivationError::Dimensions { dimensions: dimensions.to_vec() };
    // Sixteen bytes an element is more than any element type needs: sizes in bytes stay countable too.
    let bytes = dimensions.iter().try_fold(16_u64, |count, &length| count.checked_mul(length));
    bytes.filter(|&bytes| bytes > 0).map(|bytes| bytes / 16).ok_or_else(fails)
}

/// The axis of `to` along which the parts of a concatenation still lie one after the other, and how many
/// elements one step of it has: everything before it must be what was before the old axis, and every
/// part must consist of whole steps.
fn joined_axis(from: &[u64], axis: usize, to: &[u64], inputs: &[Derivation]) -> Option<(usize, u64)> {
    let before: u64 = from[..axis].iter().product();
    (0..to.len()).find_map(|candidate| {
        let same_before = to[..candidate].iter().product::<u64>() == before;
        let row: u64 = to[candidate + 1..].iter().product();
        let whole = |input: &Derivation| (input.element_count() / before).is_multiple_of(row);
        (same_before && inputs.iter().all(whole)).then_some((candidate, row))
    })
}

/// Every `step`th index of `range` along the axis of a concatenation: from each input what it has of it.
fn slice_inputs(
    axis: usize,
    inputs: Vec<Derivation>,
    range: Range<u64>,
    step: u64,
) -> Result<Derivation, DerivationError> {
    let mut sliced = Vec::new();
    let mut first = 0;
    let mut next = range.start;
    for input in inputs {
        let length = input.dimensions()[axis];
        let end = range.end.min(first + length);
        if next < end {
            let part = next - first..end - first;
            next += (end - next).div_ceil(step) * step;
            sliced.push(input.step_by(axis, part, step)?);
        }
        first += length;
    }
    Derivation::concatenate(axis, sliced)
}
