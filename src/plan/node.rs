//! A recipe, checked against the sources and prepared for evaluation.

use std::sync::OnceLock;

use super::error::PlanError;
use super::operation::Operation;
use super::recipe::Recipe;
use super::stored::{BlockScale, Encoding, Location, Stored, bytes_of};
use super::view::{Elements, View};
use super::walk::Walk;
use super::{PlannedTensor, SourceDescription};
use crate::tensor::{ElementType, TensorError, dequantize};

/// A recipe ready to be evaluated.
#[derive(Debug)]
pub(super) enum Node<'p> {
    /// Units of one of ggml's element types.
    Units(Units),
    /// 8-bit floats and their scales.
    Scaled { stored: &'p Stored, scale: Option<&'p BlockScale>, walk: Walk },
    /// Known values.
    Values { values: &'p [f32], walk: Walk },
    /// Parts that alternate: `widths[i]` elements of part `i`, then of the next, and again from the first.
    Join { parts: Vec<(u64, Node<'p>)>, width: u64 },
    /// An operation on each element; in half precision or in single.
    Map { operation: Operation, half: bool, input: Box<Node<'p>>, mean: Mean },
}

/// The mean of an input, or of its magnitudes, for operations that need it; computed when the first of them does.
#[derive(Debug)]
pub(super) struct Mean {
    /// Elements of the input.
    pub(super) count: u64,
    pub(super) value: OnceLock<f32>,
}

/// Stored units of one of ggml's element types.
#[derive(Debug)]
pub(super) struct Units {
    pub(super) location: Location,
    /// Of MXFP4 whose exponents lie apart: where those are.
    pub(super) exponents: Option<Location>,
    pub(super) element_type: ElementType,
    pub(super) walk: Walk,
}

impl<'p> Node<'p> {
    /// Prepares a recipe of `tensor`, all of which must lie within the sources.
    pub(super) fn within(
        tensor: &PlannedTensor,
        recipe: &'p Recipe,
        sources: &[SourceDescription],
    ) -> Result<Self, PlanError> {
        recipe.for_each_stored(&mut |stored| check_extents(tensor, stored, sources))?;
        Ok(Self::compile(recipe))
    }

    fn compile(recipe: &'p Recipe) -> Self {
        match recipe {
            Recipe::View(view) => Self::leaf(view),
            Recipe::Map { operation, input } => Node::Map {
                operation: *operation,
                half: recipe.stored_type() == ElementType::F16,
                input: Box::new(Self::compile(input)),
                mean: Mean { count: input.element_count(), value: OnceLock::new() },
            },
            Recipe::Concatenate { axis, inputs } => {
                let dimensions = recipe.dimensions();
                let before: u64 = dimensions[..*axis].iter().product();
                let part = |input: &'p Recipe| (input.element_count() / before, Self::compile(input));
                let parts: Vec<_> = inputs.iter().map(part).collect();
                let width = parts.iter().map(|(width, _)| width).sum();
                Node::Join { parts, width }
            }
        }
    }

    fn leaf(view: &'p View) -> Self {
        let stored = match &view.elements {
            Elements::Values(values) => {
                return Node::Values { values, walk: Walk::new(view.offset, view.walk()) };
            }
            Elements::Stored(stored) => stored,
        };
        // Views that would tear blocks apart are refused when they are made.
        let (offset, factors) = view.in_blocks(stored.encoding.block()).unwrap_or_default();
        let walk = Walk::new(offset, factors);
        let location = stored.location;
        match &stored.encoding {
            Encoding::Plain(element_type) => {
                Node::Units(Units { location, exponents: None, element_type: *element_type, walk })
            }
            Encoding::Mxfp4 { exponents } => Node::Units(Units {
                location,
                exponents: Some(*exponents),
                element_type: ElementType::Mxfp4,
                walk,
            }),
            Encoding::F8E4M3(scale) => Node::Scaled { stored, scale: scale.as_ref(), walk },
        }
    }

    /// Whether evaluation would only move units of `wanted`.
    pub(super) fn is_made_of(&self, wanted: ElementType) -> bool {
        match self {
            Node::Units(units) => units.element_type == wanted,
            Node::Scaled { .. } | Node::Values { .. } => false,
            Node::Join { parts, .. } => parts.iter().all(|(_, part)| part.is_made_of(wanted)),
            Node::Map { operation, input, .. } => {
                (operation.preserves_values() || *operation == Operation::Round(wanted))
                    && input.is_made_of(wanted)
            }
        }
    }

    /// Refuses types that cannot be read as numbers.
    pub(super) fn check_readable(&self) -> Result<(), TensorError> {
        match self {
            Node::Units(units) => dequantize(units.element_type, &[], &mut []),
            Node::Scaled { .. } | Node::Values { .. } => Ok(()),
            Node::Join { parts, .. } => parts.iter().try_for_each(|(_, part)| part.check_readable()),
            Node::Map { operation: Operation::Round(to), input, .. } => match to {
                ElementType::F32 | ElementType::F16 | ElementType::Bf16 => input.check_readable(),
                _ => Err(TensorError::CannotQuantize { element_type: *to }),
            },
            Node::Map { input, .. } => input.check_readable(),
        }
    }

    /// Whether elements that lie side by side in the result lie far apart in the source.
    pub(super) fn scatters(&self) -> bool {
        match self {
            Node::Units(Units { walk, .. }) | Node::Scaled { walk, .. } => walk.transposition().is_some(),
            Node::Values { .. } => false,
            Node::Join { parts, .. } => parts.iter().any(|(_, part)| part.scatters()),
            Node::Map { input, .. } => input.scatters(),
        }
    }
}

impl Recipe {
    /// Visits every stored tensor that the recipe reads.
    pub(super) fn for_each_stored<E>(
        &self,
        visit: &mut impl FnMut(&Stored) -> Result<(), E>,
    ) -> Result<(), E> {
        match self {
            Recipe::View(View { elements: Elements::Stored(stored), .. }) => visit(stored),
            Recipe::View(_) => Ok(()),
            Recipe::Concatenate { inputs, .. } => inputs.iter().try_for_each(|i| i.for_each_stored(visit)),
            Recipe::Map { input, .. } => input.for_each_stored(visit),
        }
    }
}

fn check_extents(
    tensor: &PlannedTensor,
    stored: &Stored,
    sources: &[SourceDescription],
) -> Result<(), PlanError> {
    for (location, needed) in stored.extents() {
        let Some(source) = sources.get(location.source) else {
            return Err(PlanError::NoSuchSource {
                tensor: tensor.name.clone(),
                source_index: location.source,
                count: sources.len(),
            });
        };
        if location.offset.checked_add(needed).is_none_or(|end| end > source.length) {
            return Err(PlanError::PastEnd {
                tensor: tensor.name.clone(),
                label: source.label.clone(),
                offset: location.offset,
                needed,
                length: source.length,
            });
        }
    }
    Ok(())
}

impl Units {
    /// Elements of a unit.
    pub(super) fn unit_elements(&self) -> u64 {
        self.element_type.block_len() as u64
    }

    /// Bytes of a unit as it lies in the source; exponents that lie apart not counted.
    pub(super) fn stored_bytes(&self) -> u64 {
        match self.exponents {
            None => bytes_of(self.element_type, self.unit_elements()),
            Some(_) => 16,
        }
    }
}
