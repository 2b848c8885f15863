//! Evaluating a range of a compiled derivation: as bytes that only had to be put in order, or as numbers.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::error::PlanError;
use super::exponential::exponential;
use super::gather::gather;
use super::location::Location;
use super::node::{Mean, Node, Units};
use super::operation::Operation;
use super::source::Source;
use super::walk::Walk;
use super::{PlannedTensor, SourceDescription};
use crate::tensor::{self, ElementType, bf16_to_f32, dequantize, f16_to_f32, f32_to_bf16, f32_to_f16};

/// What evaluation reads from, with the names for its errors.
#[derive(Clone, Copy)]
pub(super) struct Reader<'s> {
    pub(super) sources: &'s [&'s dyn Source],
    pub(super) descriptions: &'s [SourceDescription],
    pub(super) tensor: &'s PlannedTensor,
}

impl<'s> Reader<'s> {
    pub(super) fn read(&self, location: Location, range: Range<u64>) -> Result<Cow<'s, [u8]>, PlanError> {
        let (start, length) = (location.offset + range.start, range.end - range.start);
        self.sources[location.source].read(start..start + length).map_err(|reason| PlanError::Read {
            tensor: self.tensor.name.clone(),
            label: self.descriptions[location.source].label.clone(),
            offset: start,
            length,
            reason: Arc::new(reason),
        })
    }

    /// The bytes of elements `range`, a whole number of units, in the element type that they are stored in.
    /// Only for nodes that move units.
    pub(super) fn bytes(&self, node: &Node<'_>, range: Range<u64>) -> Result<Cow<'s, [u8]>, PlanError> {
        match node {
            Node::Units(units) => self.units(units, range),
            Node::Map { input, .. } => self.bytes(input, range),
            Node::Join { parts, width } => {
                let mut pieces = pieces(parts, *width, range);
                let Some((part, piece)) = pieces.next() else { return Ok(Cow::Borrowed(&[])) };
                let mut result = self.bytes(part, piece)?;
                for (part, piece) in pieces {
                    result.to_mut().extend_from_slice(&self.bytes(part, piece)?);
                }
                Ok(result)
            }
            Node::Single { .. } | Node::Values { .. } | Node::Pair { .. } | Node::Changed { .. } => {
                unreachable!("a program copies only what is stored in the type wanted")
            }
        }
    }

    fn units(&self, units: &Units, range: Range<u64>) -> Result<Cow<'s, [u8]>, PlanError> {
        let elements = units.unit_elements();
        let range = range.start / elements..range.end / elements;
        if let Some(scales) = units.scales {
            return match units.element_type {
                ElementType::Nvfp4 => self.nvfp4(units, scales, range),
                _ => self.mxfp4(units, scales, range),
            }
            .map(Cow::Owned);
        }
        let size = units.unit_bytes();
        let in_bytes = |range: Range<u64>| range.start * size..range.end * size;
        if let Some(stored) = units.walk.contiguous(range.clone()) {
            return self.read(units.location, in_bytes(stored));
        }
        let hull = units.walk.hull(range.clone());
        let first = hull.start;
        let stored = self.read(units.location, in_bytes(hull))?;
        let mut output = vec![0; ((range.end - range.start) * size) as usize];
        gather(&units.walk, range, &stored, first, size as usize, &mut output);
        Ok(Cow::Owned(output))
    }

    /// MXFP4 blocks of a checkpoint as ggml has them: the exponent before the elements, and in byte `i` the
    /// elements `i` and `i + 16` of the block instead of `2 i` and `2 i + 1`.
    fn mxfp4(&self, units: &Units, exponents: Location, range: Range<u64>) -> Result<Vec<u8>, PlanError> {
        let hull = units.walk.hull(range.clone());
        let first = hull.start;
        let blocks = self.read(units.location, hull.start * 16..hull.end * 16)?;
        let exponents = self.read(exponents, hull)?;
        let mut output = Vec::with_capacity((range.end - range.start) as usize * 17);
        for index in indices(&units.walk, range).map(|index| (index - first) as usize) {
            output.push(exponents[index]);
            output.extend(apart::<16>(&blocks[index * 16..][..16]));
        }
        Ok(output)
    }

    /// NVFP4 groups of a checkpoint as ggml has them: the scales of four before their elements, and in byte
    /// `i` of a group the elements `i` and `i + 8`.
    fn nvfp4(&self, units: &Units, scales: Location, range: Range<u64>) -> Result<Vec<u8>, PlanError> {
        let groups = range.start * 4..range.end * 4;
        let hull = units.walk.hull(groups.clone());
        let first = hull.start;
        let stored = self.read(units.location, hull.start * 8..hull.end * 8)?;
        let scales = self.read(scales, hull)?;
        let mut output = vec![0; (range.end - range.start) as usize * 36];
        let mut groups = indices(&units.walk, groups).map(|index| (index - first) as usize);
        for block in output.chunks_exact_mut(36) {
            let (block_scales, elements) = block.split_at_mut(4);
            let group_elements = elements.chunks_exact_mut(8);
            for ((scale, elements), group) in block_scales.iter_mut().zip(group_elements).zip(&mut groups) {
                *scale = scales[group] & 0x7f;
                elements
                    .iter_mut()
                    .zip(apart::<8>(&stored[group * 8..][..8]))
                    .for_each(|(to, from)| *to = from);
            }
        }
        Ok(output)
    }

    /// The numbers of elements `range`.
    pub(super) fn numbers(
        &self,
        node: &Node<'_>,
        range: Range<u64>,
        output: &mut [f32],
    ) -> Result<(), PlanError> {
        match node {
            Node::Units(units) => {
                // The range may begin and end within units: whole ones are read, and what is wanted kept.
                let elements = units.unit_elements();
                let whole = range.start / elements * elements..range.end.next_multiple_of(elements);
                let bytes = self.units(units, whole.clone())?;
                let convert = |values: &mut [f32]| {
                    dequantize(units.element_type, &bytes, values)
                        .map_err(|reason| PlanError::Convert { tensor: self.tensor.name.clone(), reason })
                };
                if whole == range {
                    return convert(output);
                }
                let mut values = vec![0.0; (whole.end - whole.start) as usize];
                convert(&mut values)?;
                let skipped = (range.start - whole.start) as usize;
                output.copy_from_slice(&values[skipped..][..output.len()]);
                Ok(())
            }
            Node::Single { stored, walk } => self.singles(stored, walk, range, output),
            Node::Pair { operation, inputs } => {
                let [left, right] = inputs.as_ref();
                self.numbers(left, range.clone(), output)?;
                let mut others = vec![0.0; output.len()];
                self.numbers(right, range, &mut others)?;
                operation.apply(output, &others);
                Ok(())
            }
            Node::Values { values, walk } => {
                for (value, index) in output.iter_mut().zip(indices(walk, range)) {
                    *value = values[index as usize];
                }
                Ok(())
            }
            Node::Join { parts, width } => {
                let mut rest = output;
                for (part, piece) in pieces(parts, *width, range) {
                    let (front, after) = rest.split_at_mut((piece.end - piece.start) as usize);
                    self.numbers(part, piece, front)?;
                    rest = after;
                }
                Ok(())
            }
            Node::Changed { base, columns, changes } => self.changed(base, *columns, changes, range, output),
            Node::Map { operation: Operation::Ternary, half, input, mean } => {
                self.numbers(input, range, output)?;
                let scale = self.mean_magnitude(input, mean)?;
                ternary(scale, *half, output);
                Ok(())
            }
            Node::Map { operation: Operation::Centre, half, input, mean } => {
                self.numbers(input, range, output)?;
                let mean = self.mean(input, mean)?;
                let rounded = |value: f32| if *half { f16_to_f32(f32_to_f16(value)) } else { value };
                output.iter_mut().for_each(|value| *value = rounded(*value - rounded(mean)));
                Ok(())
            }
            Node::Map { operation, half, input, .. } => {
                self.numbers(input, range.clone(), output)?;
                self.apply(*operation, *half, range.start, output)
            }
        }
    }

    /// The mean magnitude of all elements, rounded once; PyTorch's own mean of a large tensor depends on its
    /// number of threads. Threads that need it here at the same time come to the same.
    fn mean_magnitude(&self, input: &Node<'_>, mean: &Mean) -> Result<f32, PlanError> {
        const CHUNK: u64 = 1 << 16;
        if let Some(value) = mean.value.get() {
            return Ok(*value);
        }
        let mut values = vec![0.0; mean.count.min(CHUNK) as usize];
        let mut sum = 0.0;
        let mut start = 0;
        while start < mean.count {
            let end = mean.count.min(start + CHUNK);
            let part = &mut values[..(end - start) as usize];
            self.numbers(input, start..end, part)?;
            sum += part.iter().map(|value| f64::from(value.abs())).sum::<f64>();
            start = end;
        }
        Ok(*mean.value.get_or_init(|| (sum / mean.count as f64) as f32))
    }

    /// The mean of all elements as torch adds them up: in eight lanes, four vectors at a time, then the
    /// lanes. (It adds more than 512 elements in groups, which is not repeated here.)
    fn mean(&self, input: &Node<'_>, mean: &Mean) -> Result<f32, PlanError> {
        const CHUNK: u64 = 1 << 16;
        if let Some(value) = mean.value.get() {
            return Ok(*value);
        }
        let mut lanes = [0.0_f32; 32];
        let mut single = 0.0_f32;
        let mut values = vec![0.0; mean.count.min(CHUNK) as usize];
        let mut start = 0;
        while start < mean.count {
            let end = mean.count.min(start + CHUNK);
            let part = &mut values[..(end - start) as usize];
            self.numbers(input, start..end, part)?;
            let (vectors, rest) = part.as_chunks::<32>();
            for vector in vectors {
                lanes.iter_mut().zip(vector).for_each(|(lane, value)| *lane += value);
            }
            let (vectors, rest) = rest.as_chunks::<8>();
            for vector in vectors {
                lanes.iter_mut().zip(vector).for_each(|(lane, value)| *lane += value);
            }
            rest.iter().for_each(|value| single += value);
            start = end;
        }
        let (first, further) = lanes.split_at_mut(8);
        for vector in further.as_chunks::<8>().0 {
            first.iter_mut().zip(vector).for_each(|(lane, value)| *lane += value);
        }
        let sum = first.iter().fold(single, |sum, lane| sum + lane);
        Ok(*mean.value.get_or_init(|| sum / mean.count as f32))
    }

    /// Applies an operation to the numbers of the elements from number `first` on, in half precision or in
    /// single.
    pub(super) fn apply(
        &self,
        operation: Operation,
        half: bool,
        first: u64,
        values: &mut [f32],
    ) -> Result<(), PlanError> {
        let rounded: fn(f32) -> f32 =
            if half { |value| f16_to_f32(f32_to_f16(value)) } else { |value| value };
        let each = |values: &mut [f32], function: &dyn Fn(f32) -> f32| {
            values.iter_mut().for_each(|value| *value = function(*value));
        };
        match operation {
            Operation::AddOne => each(values, &|value| rounded(value + 1.0)),
            Operation::NegatedExponential => each(values, &|value| rounded(-exponential(value))),
            Operation::Exponential => each(values, &|value| rounded(exponential(value))),
            Operation::Multiply(factor) => each(values, &|value| rounded(value * factor.value())),
            // PyTorch rounds the term as well, but no factor.
            Operation::Add(term) => {
                let term = rounded(term.value());
                each(values, &|value| rounded(value + term));
            }
            // Of the tensor as a whole, which is not at hand here.
            Operation::Widen | Operation::Ternary | Operation::Centre => {}
            Operation::Round(ElementType::F16) => {
                values.iter_mut().for_each(|value| *value = f16_to_f32(f32_to_f16(*value)));
            }
            Operation::Round(ElementType::Bf16) => {
                values.iter_mut().for_each(|value| *value = bf16_to_f32(f32_to_bf16(*value)));
            }
            Operation::Round(_) => {}
            Operation::RequireFinite => {
                tensor::validate_finite(values).map_err(|reason| self.not_finite(reason, first))?;
            }
        }
        Ok(())
    }

    /// Checks that stored data, whose first element is number `first` of the tensor, is finite.
    pub(super) fn check_finite(&self, bytes: &[u8], first: u64) -> Result<(), PlanError> {
        let element_type = self.tensor.element_type;
        tensor::validate(element_type, bytes).map_err(|reason| self.not_finite(reason, first))
    }

    fn not_finite(&self, reason: tensor::TensorError, first: u64) -> PlanError {
        let tensor = self.tensor.name.clone();
        match reason {
            tensor::TensorError::NotFinite { index, value } => {
                PlanError::NotFinite { tensor, element: first + index as u64, value }
            }
            tensor::TensorError::InvalidScale { element_type, block } => PlanError::NotFinite {
                tensor,
                element: first + (block * element_type.block_len()) as u64,
                value: format!("scaled by a {element_type} scale that is not finite"),
            },
            reason => PlanError::Convert { tensor, reason },
        }
    }
}

/// Pairs of four bits anew: byte `i` held the elements `2 i` and `2 i + 1` and gets `i` and `i + N`.
fn apart<const N: usize>(pairs: &[u8]) -> impl Iterator<Item = u8> {
    let element = |index: usize| (pairs[index / 2] >> (index % 2 * 4)) & 15;
    (0..N).map(move |index| element(index) | element(index + N) << 4)
}

/// The nearest of minus `scale`, zero and `scale` (BitNet b1.58, `utils_quant.py`, which divides by the
/// reciprocal).
fn ternary(scale: f32, half: bool, values: &mut [f32]) {
    let inverse = 1.0 / scale.max(1e-5);
    for value in values {
        let nearest = (*value * inverse).round_ties_even().clamp(-1.0, 1.0) / inverse;
        *value = if half { f16_to_f32(f32_to_f16(nearest)) } else { nearest };
    }
}

/// The stored indices of a range of positions, in order.
fn indices(walk: &Walk, range: Range<u64>) -> impl Iterator<Item = u64> {
    walk.runs(range).flat_map(|run| (0..run.count).map(move |step| run.start + step * run.stride))
}

/// The parts that make up a range of alternating parts, with the range of each.
fn pieces<'n, 'p>(
    parts: &'n [(u64, Node<'p>)],
    width: u64,
    range: Range<u64>,
) -> impl Iterator<Item = (&'n Node<'p>, Range<u64>)> {
    let rounds = range.start / width..range.end.div_ceil(width);
    rounds
        .flat_map(move |round| {
            let mut first = round * width;
            parts.iter().map(move |(part_width, part)| {
                let whole = first..first + part_width;
                first = whole.end;
                (part, round * part_width, whole)
            })
        })
        .filter_map(move |(part, offset, whole)| {
            let (start, end) = (whole.start.max(range.start), whole.end.min(range.end));
            (start < end).then(|| (part, offset + start - whole.start..offset + end - whole.start))
        })
}
