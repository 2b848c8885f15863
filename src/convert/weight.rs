//! A weight on its way into the model: whole, as blocks that can stay what they are, or as the two factors of
//! an adapter.

use super::Model;
use crate::plan::{Arithmetic, Constant, Derivation, DerivationError, Operation};
use crate::tensor::ElementType;

/// A weight of the checkpoint. What families do to weights is said once and holds for both forms.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Weight {
    /// The numbers themselves: a matrix `[outputs, inputs]`, a vector, or a stack of matrices.
    Whole(Derivation),
    /// The same where it is stored in blocks of the model's own.
    Packed(Packed),
    /// The change of a matrix.
    LowRank(LowRank),
}

/// Names and contents of tensors that no file holds.
pub(super) type Generated = Vec<(&'static str, Derivation)>;

/// A change of a matrix `[outputs, inputs]`: `scale · b · a`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LowRank {
    /// `[rank, inputs]`.
    pub(super) a: Derivation,
    /// `[outputs, rank]`.
    pub(super) b: Derivation,
    pub(super) scale: f64,
    /// The length of each output's weights afterwards, `[outputs]`, where the adapter says so (DoRA).
    pub(super) lengths: Option<Derivation>,
}

/// A matrix or a stack of matrices in NVFP4. What families do to it is done to the blocks and to the numbers,
/// and who has to compute with it gets the numbers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Packed {
    pub(super) blocks: Derivation,
    /// What the blocks come to, scales included.
    pub(super) numbers: Derivation,
    /// What multiplies each matrix.
    pub(super) scales: Vec<f32>,
    /// What the runtime may scale the inputs of each matrix by.
    pub(super) input_scales: Vec<f32>,
    /// Whether the inputs are not to be rounded to as few bits.
    pub(super) precise_inputs: bool,
}

impl Packed {
    fn each(
        self,
        change: impl Fn(Derivation) -> Result<Derivation, DerivationError>,
    ) -> Result<Self, DerivationError> {
        Ok(Self { blocks: change(self.blocks)?, numbers: change(self.numbers)?, ..self })
    }

    /// Whether the blocks are whole after all that was done to them.
    pub(super) fn stays_packed(&self) -> bool {
        self.blocks.is_made_of_blocks(ElementType::Nvfp4)
    }

    /// Along a new first axis.
    fn stack(all: Vec<Packed>) -> Result<Self, DerivationError> {
        let scales = all.iter().flat_map(|packed| packed.scales.clone()).collect();
        let input_scales = all.iter().flat_map(|packed| packed.input_scales.clone()).collect();
        let precise_inputs = all.iter().all(|packed| packed.precise_inputs);
        let (blocks, numbers) = all.into_iter().map(|packed| (packed.blocks, packed.numbers)).unzip();
        let (blocks, numbers) = (Derivation::stack(blocks)?, Derivation::stack(numbers)?);
        Ok(Self { blocks, numbers, scales, input_scales, precise_inputs })
    }
}

/// Why a weight cannot be rearranged.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum WeightError {
    /// Its dimensions do not allow it.
    Dimensions(DerivationError),
    /// The factors of an adapter do not allow it.
    LowRank,
    /// The configuration lacks what it takes, or contradicts the weight.
    Configuration(Box<super::ConvertError>),
}

impl From<DerivationError> for WeightError {
    fn from(error: DerivationError) -> Self {
        Self::Dimensions(error)
    }
}

impl From<super::ConvertError> for WeightError {
    fn from(error: super::ConvertError) -> Self {
        Self::Configuration(Box::new(error))
    }
}

/// What becomes of one weight.
pub(super) type Step = fn(&Model, Weight) -> Result<Weight, WeightError>;

/// What becomes of a weight that holds several.
pub(super) type Split = fn(&Model, Weight) -> Result<Vec<Weight>, WeightError>;

impl Weight {
    /// The numbers themselves, for what can only be done to them.
    pub(super) fn whole(self) -> Result<Derivation, WeightError> {
        match self {
            Weight::Whole(derivation) => Ok(derivation),
            Weight::Packed(packed) => Ok(packed.numbers),
            Weight::LowRank(_) => Err(WeightError::LowRank),
        }
    }

    /// Rearranges outputs: `change` may touch the first axis of a matrix or vector alone.
    pub(super) fn rows(
        self,
        change: impl Fn(Derivation) -> Result<Derivation, DerivationError>,
    ) -> Result<Self, WeightError> {
        Ok(match self {
            Weight::Whole(derivation) => Weight::Whole(change(derivation)?),
            Weight::Packed(packed) => Weight::Packed(packed.each(change)?),
            Weight::LowRank(factors) => Weight::LowRank(LowRank {
                b: change(factors.b)?,
                lengths: factors.lengths.map(change).transpose()?,
                ..factors
            }),
        })
    }

    /// Rearranges inputs: `change` gets them as the first axis.
    pub(super) fn columns(
        self,
        change: impl Fn(Derivation) -> Result<Derivation, DerivationError>,
    ) -> Result<Self, WeightError> {
        self.transposed()?.rows(change)?.transposed()
    }

    /// Outputs and inputs exchanged, in every matrix of a stack.
    pub(super) fn transposed(self) -> Result<Self, WeightError> {
        Ok(match self {
            Weight::Whole(derivation) => Weight::Whole(transposed(derivation)?),
            Weight::Packed(packed) => Weight::Packed(packed.each(transposed)?),
            // The lengths are those of outputs.
            Weight::LowRank(LowRank { lengths: Some(_), .. }) => return Err(WeightError::LowRank),
            Weight::LowRank(LowRank { a, b, scale, lengths: None }) => {
                Weight::LowRank(LowRank { a: transposed(b)?, b: transposed(a)?, scale, lengths: None })
            }
        })
    }

    /// How many outputs there are.
    pub(super) fn row_count(&self) -> u64 {
        self.outputs().first().copied().unwrap_or(1)
    }

    /// The dimensions of the numbers, or those of the outer factor of a change.
    pub(super) fn outputs(&self) -> Vec<u64> {
        match self {
            Weight::Whole(derivation) | Weight::Packed(Packed { numbers: derivation, .. }) => {
                derivation.dimensions()
            }
            Weight::LowRank(factors) => factors.b.dimensions(),
        }
    }

    /// An operation on each number. Of a change only what is multiplied can be said: its outer factor is.
    pub(super) fn map(self, operation: Operation) -> Result<Self, WeightError> {
        match (self, operation) {
            (Weight::LowRank(factors), Operation::Multiply(_)) => Ok(Weight::LowRank(LowRank {
                b: factors.b.map(operation),
                lengths: factors.lengths.map(|lengths| lengths.map(operation)),
                ..factors
            })),
            (weight, operation) => Ok(Weight::Whole(weight.whole()?.map(operation))),
        }
    }

    /// Weights along a new first axis: the experts of a layer.
    pub(super) fn stack(weights: Vec<Weight>) -> Result<Self, WeightError> {
        let packed = weights.iter().cloned().map(|weight| match weight {
            Weight::Packed(packed) => Some(packed),
            _ => None,
        });
        if let Some(packed) = packed.collect::<Option<Vec<_>>>().filter(|packed| !packed.is_empty()) {
            return Ok(Weight::Packed(Packed::stack(packed)?));
        }
        let whole: Result<Vec<Derivation>, _> = weights.iter().cloned().map(Weight::whole).collect();
        if let Ok(derivations) = whole {
            return Ok(Weight::Whole(Derivation::stack(derivations)?));
        }
        let mut scale = None;
        let factors = weights.into_iter().map(|weight| match weight {
            Weight::LowRank(LowRank { a, b, scale: own, lengths: None }) => {
                // All of a stack are scaled alike: the outer factors take what differs.
                let all = *scale.get_or_insert(own);
                let b = if own == all { b } else { b.map(Operation::Multiply(Constant::new(own / all))) };
                Ok((a, b))
            }
            _ => Err(WeightError::LowRank),
        });
        let (a, b) = factors.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
        let scale = scale.unwrap_or(1.0);
        Ok(Weight::LowRank(LowRank {
            a: Derivation::stack(a)?,
            b: Derivation::stack(b)?,
            scale,
            lengths: None,
        }))
    }

    /// The product of weights, element by element, as a vector.
    pub(super) fn product(weights: Vec<Weight>) -> Result<Self, WeightError> {
        let vectors = weights.into_iter().map(|weight| {
            let derivation = weight.whole()?;
            let count = derivation.element_count();
            Ok(derivation.reshape(&[count])?.map(Operation::Widen))
        });
        let mut vectors = vectors.collect::<Result<Vec<Derivation>, WeightError>>()?.into_iter();
        let first = vectors.next().ok_or(WeightError::LowRank)?;
        let product = vectors.try_fold(first, |product, other| product.with(Arithmetic::Multiply, other))?;
        Ok(Weight::Whole(product))
    }

    /// Weights one after the other along the first axis, which share their inputs.
    pub(super) fn join(weights: Vec<Weight>) -> Result<Self, WeightError> {
        let whole = weights.into_iter().map(Weight::whole).collect::<Result<Vec<Derivation>, _>>()?;
        Ok(Weight::Whole(Derivation::concatenate(0, whole)?))
    }
}

/// Last two axes exchanged.
fn transposed(derivation: Derivation) -> Result<Derivation, DerivationError> {
    let rank = derivation.dimensions().len();
    match rank.checked_sub(2) {
        Some(axis) => derivation.transpose(axis, axis + 1),
        None => Err(DerivationError::Axis { axis: 1, dimensions: derivation.dimensions() }),
    }
}

/// The first `axes` axes as others; all further ones stay.
pub(super) fn rows_as(
    derivation: Derivation,
    axes: usize,
    rows: &[u64],
) -> Result<Derivation, DerivationError> {
    let dimensions = derivation.dimensions();
    let rest = dimensions.get(axes..).unwrap_or_default();
    derivation.reshape(&[rows, rest].concat())
}

/// Regroups the first axis: it becomes `groups`, whose axes are put in the order `order`, and is joined
/// again.
pub(super) fn regroup_rows(
    derivation: Derivation,
    groups: &[u64],
    order: &[usize],
) -> Result<Derivation, DerivationError> {
    let dimensions = derivation.dimensions();
    let grouped = rows_as(derivation, 1, groups)?;
    let axes: Vec<usize> = order.iter().copied().chain(groups.len()..grouped.dimensions().len()).collect();
    grouped.permute(&axes)?.reshape(&dimensions)
}

/// The most heads whose rows are rearranged head by head.
const MOST_HEADS: u64 = 1024;

/// Rearranges the rows of so many heads head by head: `change` takes those of one head apart into parts that
/// follow each other.
///
/// # Errors
/// The rows are no whole number of heads, or the heads more than any model has.
pub(super) fn rows_by_head(
    weight: Weight,
    heads: u64,
    change: impl Fn(Derivation) -> Result<Vec<Derivation>, DerivationError>,
) -> Result<Weight, WeightError> {
    let rows = weight.row_count();
    let size = rows.checked_div(heads).unwrap_or(0);
    weight.rows(|derivation| {
        if heads > MOST_HEADS {
            return Err(DerivationError::Reshape { from: derivation.dimensions(), to: vec![heads, size] });
        }
        let by_head = rows_as(derivation, 1, &[heads, size])?;
        let parts = (0..heads).map(|head| change(by_head.clone().select(0, head)?));
        Derivation::concatenate(0, parts.collect::<Result<Vec<_>, _>>()?.concat())
    })
}

/// Heads of rotary dimensions from halves to neighbouring pairs, the order in which llama.cpp rotates them
/// (llama.cpp, `conversion/llama.py`).
pub(super) fn pair_rotary_rows(weight: Weight, heads: u64) -> Result<Weight, WeightError> {
    let half = weight.row_count().checked_div(heads.saturating_mul(2)).unwrap_or(0);
    weight.rows(|derivation| regroup_rows(derivation, &[heads, 2, half], &[0, 2, 1]))
}
