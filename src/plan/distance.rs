//! How far the tensors of one plan are from those of another.

use std::collections::HashMap;
use std::ops::Range;

use super::error::PlanError;
use super::evaluate::Reader;
use super::node::Node;
use super::observer::Observer;
use super::ordered::{Limits, ordered};
use super::resources::Resources;
use super::source::Source;
use super::squared_error::SquaredError;
use super::{Plan, PlannedTensor};
use crate::tensor::{ElementType, dequantize};

/// Elements that are compared in one go, a multiple of all block sizes. It does not depend on the machine, so
/// sums do not either.
const STEP: u64 = 1 << 15;

/// A plan, and the bytes that it reads.
#[derive(Clone, Copy)]
pub struct Readable<'p> {
    /// The plan.
    pub plan: &'p Plan,
    /// Its sources, in its order.
    pub sources: &'p [&'p dyn Source],
}

/// A tensor of both plans.
struct Pair<'p> {
    /// Its number in the first plan.
    number: usize,
    tensors: [&'p PlannedTensor; 2],
    nodes: [Node<'p>; 2],
    /// The number of its first piece.
    first_piece: usize,
}

/// The error of each tensor of `one`, in its order, if the tensor of `other` were taken for it; nothing where
/// `other` has none of this name and shape, or where elements are no numbers. The observer is told how many
/// elements are done.
///
/// # Errors
/// As [`Plan::execute`] for reading.
pub fn distances(
    one: Readable<'_>,
    other: Readable<'_>,
    resources: Resources,
    observer: &dyn Observer,
) -> Result<Vec<Option<SquaredError>>, PlanError> {
    one.plan.check_sources(one.sources)?;
    other.plan.check_sources(other.sources)?;
    let pairs = pairs(one.plan, other.plan)?;
    let pieces = pairs.last().map_or(0, |pair| pair.first_piece + pair.pieces());
    let mut distances = vec![None; one.plan.tensors.len()];
    for pair in &pairs {
        distances[pair.number] = Some(SquaredError::default());
    }
    let piece = |index: usize| {
        let pair = &pairs[pairs.partition_point(|pair| pair.first_piece <= index) - 1];
        let first = (index - pair.first_piece) as u64 * STEP;
        (pair, first..(first + STEP).min(pair.tensors[0].shape.elements()))
    };
    let limits = Limits { threads: resources.threads.get(), window: 2 * resources.threads.get() + 2 };
    let mut done = 0;
    ordered(
        limits,
        pieces,
        || [Vec::new(), Vec::new()],
        |scratch, index| {
            if observer.is_cancelled() {
                return Err(PlanError::Cancelled);
            }
            let (pair, elements) = piece(index);
            pair.distance(one, other, elements, scratch)
        },
        |index, error: SquaredError| {
            let (pair, elements) = piece(index);
            let sum = &mut distances[pair.number];
            *sum = sum.map(|sum| sum.plus(error));
            done += elements.end - elements.start;
            observer.written(done);
            Ok(())
        },
    )?;
    Ok(distances)
}

/// The tensors of both plans, in the order of the first.
fn pairs<'p>(one: &'p Plan, other: &'p Plan) -> Result<Vec<Pair<'p>>, PlanError> {
    let others: HashMap<&str, &PlannedTensor> =
        other.tensors.iter().map(|tensor| (tensor.name.as_str(), tensor)).collect();
    let mut pairs: Vec<Pair<'p>> = Vec::new();
    for (number, tensor) in one.tensors.iter().enumerate() {
        let Some(&counterpart) = others.get(tensor.name.as_str()) else { continue };
        let tensors = [tensor, counterpart];
        let are_numbers = tensors.iter().all(|tensor| holds_numbers(tensor.derivation.stored_type()));
        if tensor.shape != counterpart.shape || !are_numbers {
            continue;
        }
        let nodes = [
            Node::within(tensor, &tensor.derivation, &one.sources)?,
            Node::within(counterpart, &counterpart.derivation, &other.sources)?,
        ];
        let first_piece = pairs.last().map_or(0, |pair| pair.first_piece + pair.pieces());
        pairs.push(Pair { number, tensors, nodes, first_piece });
    }
    Ok(pairs)
}

/// Whether elements of a type can be read as numbers.
fn holds_numbers(element_type: ElementType) -> bool {
    dequantize(element_type, &[], &mut []).is_ok()
}

impl Pair<'_> {
    fn pieces(&self) -> usize {
        self.tensors[0].shape.elements().div_ceil(STEP) as usize
    }

    /// The error of some elements.
    fn distance(
        &self,
        one: Readable<'_>,
        other: Readable<'_>,
        elements: Range<u64>,
        scratch: &mut [Vec<f32>; 2],
    ) -> Result<SquaredError, PlanError> {
        let count = (elements.end - elements.start) as usize;
        for (index, side) in [one, other].into_iter().enumerate() {
            let tensor = self.tensors[index];
            let reader = Reader { sources: side.sources, descriptions: &side.plan.sources, tensor };
            scratch[index].resize(count, 0.0);
            reader.numbers(&self.nodes[index], elements.clone(), &mut scratch[index])?;
        }
        let mut error = SquaredError::default();
        let [values, decoded] = scratch;
        error.add(values, decoded, None);
        Ok(error)
    }
}
