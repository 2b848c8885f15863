//! Measuring what types would do to tensors, without writing anything.

use std::ops::Range;

use super::error::PlanError;
use super::evaluate::Reader;
use super::node::Node;
use super::observer::Observer;
use super::ordered::{Limits, ordered};
use super::resources::Resources;
use super::source::Source;
use super::squared_error::SquaredError;
use super::stored::bytes_of;
use super::weighing::Weighing;
use super::{Plan, PlannedTensor};
use crate::tensor::{self, ElementType};

/// Elements that are measured in one go, a multiple of all block sizes. It does not depend on the machine, so
/// sums do not either.
const STEP: u64 = 1 << 15;

/// A tensor ready to be measured.
struct Subject<'p> {
    tensor: &'p PlannedTensor,
    node: Node<'p>,
    weighing: Option<Weighing<'p>>,
    /// Elements of a piece: whole rows where columns weigh differently.
    step: u64,
    /// The number of its first piece.
    first_piece: usize,
}

/// What a thread keeps from one piece to the next.
#[derive(Default)]
struct Scratch {
    numbers: Vec<f32>,
    decoded: Vec<f32>,
    bytes: Vec<u8>,
    importance: Vec<f32>,
}

impl Plan {
    /// The error of each tensor in each of the types that are candidates for it, in their order: the sum of
    /// the squared differences between what is stored and what would be read, each weighed by the importance
    /// of its column, if there is some. Reads all sources once; the observer is told how many elements are
    /// done.
    ///
    /// # Errors
    /// As [`execute`](Self::execute) for reading, and for types that cannot be made.
    pub fn measure(
        &self,
        candidates: &[Vec<ElementType>],
        sources: &[&dyn Source],
        resources: Resources,
        observer: &dyn Observer,
    ) -> Result<Vec<Vec<f64>>, PlanError> {
        self.check_sources(sources)?;
        let mut subjects = Vec::with_capacity(self.tensors.len());
        let mut pieces = 0;
        for (tensor, candidates) in self.tensors.iter().zip(candidates) {
            let node = Node::within(tensor, &tensor.derivation, &self.sources)?;
            let weighing = Weighing::compile(tensor, &self.sources)?;
            let columns = weighing.as_ref().map_or(1, |weighing| weighing.columns);
            let step = (STEP / columns).max(1) * columns;
            subjects.push(Subject { tensor, node, weighing, step, first_piece: pieces });
            let is_measured = !candidates.is_empty();
            pieces += if is_measured { tensor.shape.elements().div_ceil(step) as usize } else { 0 };
        }
        let mut errors: Vec<Vec<f64>> = candidates.iter().map(|types| vec![0.0; types.len()]).collect();
        let mut done = 0;
        let limits = Limits { threads: resources.threads.get(), window: 2 * resources.threads.get() + 2 };
        let piece = |index: usize| {
            let number = subjects.partition_point(|subject| subject.first_piece <= index) - 1;
            let subject = &subjects[number];
            let first = (index - subject.first_piece) as u64 * subject.step;
            (number, first..(first + subject.step).min(subject.tensor.shape.elements()))
        };
        ordered(
            limits,
            pieces,
            Scratch::default,
            |scratch, index| {
                if observer.is_cancelled() {
                    return Err(PlanError::Cancelled);
                }
                let (number, elements) = piece(index);
                let subject = &subjects[number];
                let reader = Reader { sources, descriptions: &self.sources, tensor: subject.tensor };
                subject.measure(&reader, elements, &candidates[number], scratch)
            },
            |index, measured: Vec<f64>| {
                let (number, elements) = piece(index);
                for (sum, error) in errors[number].iter_mut().zip(measured) {
                    *sum += error;
                }
                done += elements.end - elements.start;
                observer.written(done);
                Ok(())
            },
        )?;
        Ok(errors)
    }
}

impl Subject<'_> {
    /// The errors of a piece in each of the types. Rows that share a matrix of importance are worked on
    /// together.
    fn measure(
        &self,
        reader: &Reader<'_>,
        elements: Range<u64>,
        types: &[ElementType],
        scratch: &mut Scratch,
    ) -> Result<Vec<f64>, PlanError> {
        let Scratch { numbers, decoded, bytes, importance } = scratch;
        let mut errors = vec![SquaredError::default(); types.len()];
        let matrix = self.weighing.as_ref().map_or(u64::MAX, |weighing| weighing.matrix_elements);
        let mut first = elements.start;
        while first < elements.end {
            let end = elements.end.min((first / matrix).saturating_add(1).saturating_mul(matrix));
            let count = (end - first) as usize;
            numbers.resize(count, 0.0);
            decoded.resize(count, 0.0);
            reader.numbers(&self.node, first..end, numbers)?;
            let mut columns = count;
            let mut weights = None;
            if let Some(weighing) = &self.weighing {
                weighing.weights(reader, first / matrix, importance)?;
                columns = weighing.columns as usize;
                weights = Some(importance.as_slice());
            }
            for (error, &element_type) in errors.iter_mut().zip(types) {
                bytes.resize(bytes_of(element_type, end - first) as usize, 0);
                tensor::quantize(element_type, numbers, columns, weights, bytes)
                    .and_then(|()| tensor::dequantize(element_type, bytes, decoded))
                    .map_err(|reason| PlanError::Convert { tensor: self.tensor.name.clone(), reason })?;
                error.add(numbers, decoded, weights);
            }
            first = end;
        }
        Ok(errors.into_iter().map(|error| error.error).collect())
    }
}
