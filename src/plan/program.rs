//! A planned tensor, checked against its sources and prepared for evaluation.
//!
//! Compiling computes once what every chunk needs: walks in units, sizes of parts, precisions. A compiled
//! tensor cannot fail for reasons that the plan alone shows.

use super::derivation::Derivation;
use super::error::PlanError;
use super::node::Node;
use super::operation::Operation;
use super::weighing::Weighing;
use super::{PlannedTensor, SourceDescription};
use crate::tensor::{TensorError, can_quantize, needs_importance};

/// A tensor ready to be made.
#[derive(Debug)]
pub(super) struct Program<'p> {
    pub(super) tensor: &'p PlannedTensor,
    pub(super) node: Node<'p>,
    /// Whether the stored bytes are the result's, only to be put in order.
    pub(super) copies: bool,
    /// Whether every stored value must be finite.
    pub(super) requires_finite: bool,
    /// What the columns weigh, if they are not all alike and anything is quantized.
    pub(super) weighing: Option<Weighing<'p>>,
}

impl<'p> Program<'p> {
    /// Checks `tensor` and prepares it.
    ///
    /// # Errors
    /// Sizes that disagree, bytes that the sources do not have, conversions that are not supported.
    pub(super) fn compile(
        tensor: &'p PlannedTensor,
        sources: &[SourceDescription],
    ) -> Result<Self, PlanError> {
        let name = || tensor.name.clone();
        let (got, expected) = (tensor.derivation.element_count(), tensor.shape.elements());
        if got != expected {
            return Err(PlanError::ElementCount { tensor: name(), got, expected });
        }
        let node = Node::within(tensor, &tensor.derivation, sources)?;
        let copies = node.is_made_of(tensor.element_type);
        let weighing = Weighing::compile(tensor, sources)?.filter(|_| !copies);
        if !copies {
            node.check_readable().map_err(|reason| PlanError::Convert { tensor: name(), reason })?;
            let element_type = tensor.element_type;
            if !can_quantize(element_type) {
                let reason = TensorError::CannotQuantize { element_type };
                return Err(PlanError::Convert { tensor: name(), reason });
            }
            if weighing.is_none() && needs_importance(element_type) {
                let reason = TensorError::NeedsImportance { element_type };
                return Err(PlanError::Convert { tensor: name(), reason });
            }
        }
        Ok(Self { tensor, copies, requires_finite: tensor.derivation.requires_finite(), node, weighing })
    }
}

impl Derivation {
    /// Whether every stored value must be finite.
    pub(super) fn requires_finite(&self) -> bool {
        match self {
            Derivation::View(_) | Derivation::Changed { .. } => false,
            Derivation::Concatenate { inputs, .. } => inputs.iter().any(Derivation::requires_finite),
            Derivation::Map { operation: Operation::RequireFinite, .. } => true,
            Derivation::Map { input, .. } => input.requires_finite(),
            Derivation::Pair { inputs, .. } => inputs.iter().any(Derivation::requires_finite),
        }
    }
}
