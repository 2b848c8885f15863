//! Which values of an importance matrix a tensor is quantized with, and which tensors demand some.
//!
//! Source: llama.cpp, `src/llama-quant.cpp`, `tensor_requires_imatrix` and `llama_model_quantize_impl`.

use super::choice::{Choice, Reason};
use super::error::QuantizeError;
use super::file_type::FileType;
use super::importance::{Entry, ImportanceMatrix};
use super::role::Role;
use super::target::Target;
use super::warning::Warning;
use crate::plan::{Importance, PlannedTensor};
use crate::tensor::ElementType;

/// Finds the values for each tensor of a model.
#[derive(Debug)]
pub(super) struct Weights<'m> {
    target: Target,
    matrix: Option<&'m ImportanceMatrix>,
    /// The number of the matrix among the sources of the plan.
    source: usize,
    /// The first tensor that demands values and has none.
    pub(super) demand: Option<QuantizeError>,
    quantized: usize,
    missing: usize,
    example: String,
    warnings: Vec<Warning>,
}

impl<'m> Weights<'m> {
    pub(super) fn new(target: Target, matrix: Option<&'m ImportanceMatrix>, source: usize) -> Self {
        let (demand, example, warnings) = (None, String::new(), Vec::new());
        Self { target, matrix, source, demand, quantized: 0, missing: 0, example, warnings }
    }

    /// What the columns of a tensor weigh, which the matrix knows as `original_name`, if it is to be
    /// quantized and the matrix has values for it.
    ///
    /// # Errors
    /// It has some, but not as many as the tensor has columns: the matrix is of another model.
    pub(super) fn of(
        &mut self,
        original_name: &str,
        tensor: &PlannedTensor,
        choice: &Choice,
    ) -> Result<Option<Importance>, QuantizeError> {
        let Some(entry) = self.entry(original_name, tensor, choice)? else { return Ok(None) };
        if !choice.element_type.is_quantized() {
            return Ok(None);
        }
        let name = || tensor.name.clone();
        let importance = entry.importance(self.source, tensor.shape.row_len());
        let importance = importance
            .map_err(|reason| QuantizeError::Weighing { tensor: name(), reason: Box::new(reason) })?;
        importance.map(Some).ok_or_else(|| QuantizeError::ImportanceCounts { tensor: name() })
    }

    fn entry(
        &mut self,
        original_name: &str,
        tensor: &PlannedTensor,
        choice: &Choice,
    ) -> Result<Option<&'m Entry>, QuantizeError> {
        let wanted = choice.element_type;
        let demands = choice.reason != Reason::Kept && demands(&tensor.name, wanted, self.target);
        let name = || tensor.name.clone();
        let Some(matrix) = self.matrix else {
            if demands {
                self.demand.get_or_insert_with(|| QuantizeError::NeedsImportance { tensor: name(), wanted });
            }
            return Ok(None);
        };
        if wanted == tensor.element_type {
            return Ok(None);
        }
        self.quantized += usize::from(wanted.is_quantized());
        let dimensions = tensor.shape.dimensions();
        let expected = tensor.shape.row_len().saturating_mul(dimensions.get(2).copied().unwrap_or(1));
        let is_embedding = Role::of(&tensor.name) == Role::TokenEmbedding;
        match matrix.get(original_name) {
            Some(entry) if entry.length == expected => return Ok(Some(entry)),
            Some(&Entry { length: got, .. }) if is_embedding => {
                self.warnings.push(Warning::Embedding { tensor: name(), got, expected });
            }
            Some(&Entry { length: got, .. }) => {
                return Err(QuantizeError::ImportanceLength { tensor: name(), got, expected });
            }
            None => {}
        }
        if demands {
            self.demand.get_or_insert_with(|| QuantizeError::NoImportance { tensor: name(), wanted });
        }
        // The embedding and the output are rarely measured, and need not be.
        if wanted.is_quantized() && !is_embedding && Role::of(&tensor.name) != Role::Output {
            if self.missing == 0 {
                self.example = name();
            }
            self.missing += 1;
        }
        Ok(None)
    }

    /// What is to be said when all tensors have been asked for.
    pub(super) fn warnings(&mut self) -> Vec<Warning> {
        let mut warnings = std::mem::take(&mut self.warnings);
        if self.missing > 0 {
            let (missing, quantized) = (self.missing, self.quantized);
            warnings.push(Warning::Unweighted {
                missing,
                quantized,
                example: std::mem::take(&mut self.example),
            });
        }
        warnings
    }
}

/// Whether a tensor of this type is worth nothing without values of an importance matrix.
pub(super) fn demands(name: &str, wanted: ElementType, target: Target) -> bool {
    use ElementType::{Iq1M, Iq1S, Iq2S, Iq2Xs, Iq2Xxs, Iq3Xxs, Q2K};
    if matches!(Role::of(name), Role::TokenEmbedding | Role::Output) {
        return false;
    }
    match wanted {
        Iq3Xxs | Iq2Xxs | Iq2Xs | Iq2S | Iq1M | Iq1S => true,
        Q2K => target == Target::Type(FileType::Q2KS),
        _ => false,
    }
}
