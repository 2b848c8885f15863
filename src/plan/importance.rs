//! How much each column of a tensor matters, from an importance matrix that is one more source of the plan.

use super::error::PlanError;
use super::evaluate::Reader;
use super::program::Node;
use super::recipe::Recipe;
use super::recipe_error::RecipeError;
use super::{PlannedTensor, SourceDescription};

/// How much each column of a tensor matters when it is quantized, for each of its matrices (the experts of a layer have
/// their own).
///
/// What matters is the mean of what the columns were multiplied with while a model ran: stored sums, of squares, and
/// how many there were of each matrix. Both are recipes, so an importance matrix is a source like any other, and the
/// digest of a plan says which one it was. Formats that know means instead of sums have counts of one. A matrix of
/// which nothing was counted weighs all its columns alike (llama.cpp, `load_imatrix` in
/// `tools/quantize/quantize.cpp`).
#[derive(Debug, Clone, PartialEq)]
pub struct Importance {
    pub(super) sums: Recipe,
    pub(super) counts: Recipe,
}

/// The longest row that can be weighed: what is read and computed of it has to fit into memory many times.
pub(super) const LONGEST_ROW: u64 = 1 << 18;

impl Importance {
    /// Importance from `sums` of the dimensions `[matrices, columns]`, and `counts`, one number for each matrix.
    ///
    /// # Errors
    /// [`RecipeError::Importance`] if these are not the dimensions.
    pub fn new(sums: Recipe, counts: Recipe) -> Result<Self, RecipeError> {
        let dimensions = sums.dimensions();
        if dimensions.len() != 2 || counts.element_count() != dimensions[0] {
            return Err(RecipeError::Importance { sums: dimensions, counts: counts.dimensions() });
        }
        Ok(Self { sums, counts })
    }

    /// Matrices and columns.
    fn dimensions(&self) -> (u64, u64) {
        let dimensions = self.sums.dimensions();
        (dimensions[0], dimensions[1])
    }
}

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
    /// Dimensions that do not fit the tensor, bytes that the sources do not have, types that are no numbers.
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
        let node = |recipe: &'p Recipe| {
            let node = Node::within(tensor, recipe, sources)?;
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
