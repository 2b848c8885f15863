//! Importance, prepared to be evaluated while its tensor is quantized.

use super::derivation::Derivation;
use super::error::PlanError;
use super::evaluate::Reader;
use super::node::Node;
use super::{PlannedTensor, SourceDescription};

/// The longest row that can be weighed: what is read and computed of it has to fit into memory many times.
pub(super) const LONGEST_ROW: u64 = 1 << 18;

/// Importance ready to be evaluated.
#[derive(Debug)]
pub(super) struct Weighing<'p> {
    sums: Node<'p>,
    counts: Node<'p>,
    /// Elements of a row.
    pub(super) columns: u64,
    /// Elements of the tensor that share one matrix of importance.
    pub(super) matrix_elements: u64,
}

impl<'p> Weighing<'p> {
    /// Checks the importance of `tensor`, if it has any, and prepares it.
    ///
    /// # Errors
    /// Dimensions that do not fit the tensor, bytes that the sources do not have, types that are not numbers.
    pub(super) fn compile(
        tensor: &'p PlannedTensor,
        sources: &[SourceDescription],
    ) -> Result<Option<Self>, PlanError> {
        let Some(importance) = &tensor.importance else { return Ok(None) };
        let (matrices, columns) = importance.dimensions();
        let dimensions = tensor.shape.dimensions();
        let matrix_elements = dimensions.iter().take(2).product();
        if (columns, matrices) != (dimensions[0], dimensions.iter().skip(2).product()) {
            let (tensor, shape) = (tensor.name.clone(), tensor.shape);
            return Err(PlanError::ImportanceShape { tensor, shape, matrices, columns });
        }
        if columns > LONGEST_ROW {
            return Err(PlanError::RowTooLong { tensor: tensor.name.clone(), columns, longest: LONGEST_ROW });
        }
        let node = |derivation: &'p Derivation| {
            let node = Node::within(tensor, derivation, sources)?;
            node.check_readable()
                .map_err(|reason| PlanError::Convert { tensor: tensor.name.clone(), reason })?;
            Ok::<_, PlanError>(node)
        };
        Ok(Some(Self {
            sums: node(&importance.sums)?,
            counts: node(&importance.counts)?,
            columns,
            matrix_elements,
        }))
    }

    /// Writes to `weights` what the columns of matrix number `matrix` weigh.
    pub(super) fn weights(
        &self,
        reader: &Reader<'_>,
        matrix: u64,
        weights: &mut Vec<f32>,
    ) -> Result<(), PlanError> {
        let mut count = [0.0];
        reader.numbers(&self.counts, matrix..matrix + 1, &mut count)?;
        let [count] = count;
        weights.clear();
        weights.resize(self.columns as usize, 1.0);
        if count > 0.0 {
            let first = matrix * self.columns;
            reader.numbers(&self.sums, first..first + self.columns, weights)?;
            weights.iter_mut().for_each(|weight| *weight /= count);
        }
        Ok(())
    }
}
