//! A derivation, checked against the sources and prepared for evaluation.

use std::sync::OnceLock;

use super::derivation::{Change, Derivation};
use super::error::PlanError;
use super::location::Location;
use super::operation::{Arithmetic, Constant, Operation};
use super::stored::{Encoding, Spread, Stored, bytes_of};
use super::view::{Elements, View};
use super::walk::Walk;
use super::{PlannedTensor, SourceDescription};
use crate::tensor::{ElementType, TensorError, dequantize};

/// A derivation ready to be evaluated.
#[derive(Debug)]
pub(super) enum Node<'p> {
    /// Units of one of ggml's element types.
    Units(Units),
    /// Numbers that are read one by one: codes, and what many elements share.
    Single { stored: &'p Stored, walk: Walk },
    /// Known values.
    Values { values: &'p [f32], walk: Walk },
    /// Parts that alternate: `widths[i]` elements of part `i`, then of the next, and again from the first.
    Join { parts: Vec<(u64, Node<'p>)>, width: u64 },
    /// An operation on each element; in half precision or in single.
    Map { operation: Operation, half: bool, input: Box<Node<'p>>, mean: Mean },
    /// Two inputs, element by element.
    Pair { operation: Arithmetic, inputs: Box<[Node<'p>; 2]> },
    /// Matrices of so many columns, and what is added to them.
    Changed { base: Box<Node<'p>>, columns: u64, changes: Vec<ChangeNode<'p>> },
}

/// A change, prepared for evaluation.
#[derive(Debug)]
pub(super) struct ChangeNode<'p> {
    pub(super) inputs: Node<'p>,
    pub(super) outputs: Node<'p>,
    pub(super) rank: u64,
    /// Rows of one matrix.
    pub(super) rows: u64,
    pub(super) scale: Constant,
    pub(super) lengths: Option<Node<'p>>,
}

/// The mean of an input, or of its magnitudes, for operations that need it; computed when the first of them
/// does.
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
    /// Of blocks whose scales lie apart: where those are.
    pub(super) scales: Option<Location>,
    pub(super) element_type: ElementType,
    /// In units; in groups of 16 where the scales of NVFP4 lie apart.
    pub(super) walk: Walk,
}

impl<'p> Node<'p> {
    /// Prepares a derivation of `tensor`, all of which must lie within the sources.
    pub(super) fn within(
        tensor: &PlannedTensor,
        derivation: &'p Derivation,
        sources: &[SourceDescription],
    ) -> Result<Self, PlanError> {
        derivation.for_each_stored(&mut |stored| check_extents(tensor, stored, sources))?;
        derivation
            .check_whole(derivation.element_count())
            .map_err(|reason| PlanError::Convert { tensor: tensor.name.clone(), reason })?;
        Ok(Self::compile(derivation))
    }

    /// Prepares a derivation, or a part of one, that is known to lie within the sources.
    pub(super) fn compile(derivation: &'p Derivation) -> Self {
        match derivation {
            Derivation::View(view) => Self::leaf(view),
            Derivation::Map { operation, input } => Node::Map {
                operation: *operation,
                half: derivation.stored_type() == ElementType::F16,
                input: Box::new(Self::compile(input)),
                mean: Mean { count: input.element_count(), value: OnceLock::new() },
            },
            Derivation::Pair { operation, inputs } => {
                let [left, right] = inputs.as_ref();
                let inputs = Box::new([Self::compile(left), Self::compile(right)]);
                Node::Pair { operation: *operation, inputs }
            }
            Derivation::Changed { base, changes } => {
                // A change is checked when it is made.
                let [.., rows, columns] = base.dimensions()[..] else { return Self::compile(base) };
                let change = |change: &'p Change| ChangeNode {
                    inputs: Self::compile(&change.inputs),
                    outputs: Self::compile(&change.outputs),
                    rank: change.outputs.dimensions().last().copied().unwrap_or(1),
                    rows,
                    scale: change.scale,
                    lengths: change.lengths.as_ref().map(Self::compile),
                };
                let changes = changes.iter().map(change).collect();
                Node::Changed { base: Box::new(Self::compile(base)), columns, changes }
            }
            Derivation::Concatenate { axis, inputs } => {
                let dimensions = derivation.dimensions();
                let before: u64 = dimensions[..*axis].iter().product();
                let part = |input: &'p Derivation| (input.element_count() / before, Self::compile(input));
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
        let units = |element_type, scales| {
            Node::Units(Units { location: stored.location, scales, element_type, walk: walk.clone() })
        };
        match (&stored.encoding, stored.spread) {
            (Encoding::Plain(element_type), Spread::Each) => units(*element_type, None),
            (Encoding::Mxfp4 { exponents }, _) => units(ElementType::Mxfp4, Some(*exponents)),
            (Encoding::Nvfp4 { scales }, _) => units(ElementType::Nvfp4, Some(*scales)),
            (Encoding::Plain(_) | Encoding::Codes(_), _) => Node::Single { stored, walk },
        }
    }

    /// Whether evaluation would only move units of `wanted`.
    pub(super) fn is_made_of(&self, wanted: ElementType) -> bool {
        match self {
            Node::Units(units) => units.element_type == wanted,
            Node::Single { .. } | Node::Values { .. } | Node::Pair { .. } | Node::Changed { .. } => false,
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
            Node::Single { .. } | Node::Values { .. } => Ok(()),
            Node::Pair { inputs, .. } => inputs.iter().try_for_each(Node::check_readable),
            Node::Join { parts, .. } => parts.iter().try_for_each(|(_, part)| part.check_readable()),
            Node::Map { operation: Operation::Round(to), input, .. } => match to {
                ElementType::F32 | ElementType::F16 | ElementType::Bf16 => input.check_readable(),
                _ => Err(TensorError::CannotQuantize { element_type: *to }),
            },
            Node::Map { input, .. } => input.check_readable(),
            Node::Changed { base, changes, .. } => {
                base.check_readable()?;
                changes.iter().flat_map(ChangeNode::nodes).try_for_each(Node::check_readable)
            }
        }
    }

    /// Whether elements that lie side by side in the result lie far apart in the source, or share much that
    /// has to be read for them.
    pub(super) fn scatters(&self) -> bool {
        match self {
            Node::Units(Units { walk, .. }) | Node::Single { walk, .. } => walk.transposition().is_some(),
            Node::Pair { inputs, .. } => inputs.iter().any(Node::scatters),
            Node::Values { .. } => false,
            Node::Join { parts, .. } => parts.iter().any(|(_, part)| part.scatters()),
            Node::Map { input, .. } => input.scatters(),
            Node::Changed { .. } => true,
        }
    }
}

impl ChangeNode<'_> {
    /// What it reads.
    pub(super) fn nodes(&self) -> impl Iterator<Item = &Node<'_>> {
        [&self.inputs, &self.outputs].into_iter().chain(&self.lengths)
    }
}

impl Derivation {
    /// Visits every stored tensor that the derivation reads.
    pub(super) fn for_each_stored<E>(
        &self,
        visit: &mut impl FnMut(&Stored) -> Result<(), E>,
    ) -> Result<(), E> {
        match self {
            Derivation::View(View { elements: Elements::Stored(stored), .. }) => visit(stored),
            Derivation::View(_) => Ok(()),
            Derivation::Concatenate { inputs, .. } => {
                inputs.iter().try_for_each(|i| i.for_each_stored(visit))
            }
            Derivation::Map { input, .. } => input.for_each_stored(visit),
            Derivation::Pair { inputs, .. } => {
                inputs.iter().try_for_each(|input| input.for_each_stored(visit))
            }
            Derivation::Changed { base, changes } => {
                base.for_each_stored(visit)?;
                changes
                    .iter()
                    .flat_map(Change::derivations)
                    .try_for_each(|derivation| derivation.for_each_stored(visit))
            }
        }
    }
}

impl Derivation {
    /// Whether every value is one of `element_type` as it is, and rows are made of whole blocks of it.
    pub fn is_made_of_blocks(&self, element_type: ElementType) -> bool {
        let columns = self.dimensions().last().copied().unwrap_or(1);
        columns.is_multiple_of(element_type.block_len() as u64)
            && self.is_stored_as(element_type)
            && self.check_whole(self.element_count()).is_ok()
    }

    /// Refuses parts that are not made of whole blocks: what every step keeps together is whole anyway, but
    /// groups of NVFP4 can be moved by themselves, and torn apart. `width` elements follow each other before
    /// another part does.
    fn check_whole(&self, width: u64) -> Result<(), TensorError> {
        match self {
            Derivation::View(view) => {
                let Elements::Stored(stored) = &view.elements else { return Ok(()) };
                let element_type = stored.encoding.precision();
                let is_whole = width.is_multiple_of(element_type.block_len() as u64)
                    && view.in_blocks(stored.encoding.block()).is_some();
                match is_whole || stored.encoding.block() == 1 {
                    true => Ok(()),
                    false => Err(TensorError::PartialBlock { element_type, columns: width }),
                }
            }
            Derivation::Concatenate { axis, inputs } => {
                let before: u64 = self.dimensions()[..*axis].iter().product();
                inputs.iter().try_for_each(|input| input.check_whole(input.element_count() / before))
            }
            Derivation::Map { input, .. } => input.check_whole(width),
            Derivation::Pair { inputs, .. } => inputs.iter().try_for_each(|input| input.check_whole(width)),
            Derivation::Changed { .. } => Ok(()),
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

    /// Bytes of a unit.
    pub(super) fn unit_bytes(&self) -> u64 {
        bytes_of(self.element_type, self.unit_elements())
    }
}
