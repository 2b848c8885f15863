//! Operations on single elements, and on two that meet.

use crate::tensor::ElementType;

/// An operation on each element.
///
/// Arithmetic follows the reference converter: values of F16 tensors are computed on in half precision,
/// everything else (BF16 and 8-bit floats included) in single precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// `x + 1`: the norm weights of families that store them around zero.
    AddOne,
    /// `-exp(x)`: state-space decay, stored as its logarithm.
    NegatedExponential,
    /// `exp(x)`: the same for families whose runtime negates it.
    Exponential,
    /// `x · c`: factors that a model's code applies and the runtime does not.
    Multiply(Constant),
    /// `x + c`: norm weights that are stored around another number than one.
    Add(Constant),
    /// The nearest of −s, 0 and s, where s is the mean magnitude of all elements: weights that a model's code
    /// rounds each time it uses them. Of a tensor as a whole, not of a part.
    Ternary,
    /// `x − m`, where m is the mean of all elements: biases of which only the differences count. Of a tensor
    /// as a whole, not of a part.
    Centre,
    /// The number itself, with which everything that follows computes in single precision.
    Widen,
    /// Rounds to what this element type can hold: F32, F16 or BF16. A model that is quantized after it
    /// was converted to F16 has been rounded to F16 on the way.
    Round(ElementType),
    /// Leaves finite values alone and fails for NaN and infinities: what is to be quantized must be finite.
    RequireFinite,
}

impl Operation {
    /// Whether every value that passes is unchanged.
    pub(super) fn preserves_values(self) -> bool {
        matches!(self, Operation::RequireFinite | Operation::Widen)
    }
}

/// What becomes of two elements that meet, in single precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Arithmetic {
    /// `x + y`.
    Add,
    /// `x − y`.
    Subtract,
    /// `x · y`.
    Multiply,
    /// `x / y`.
    Divide,
}

impl Arithmetic {
    /// The left elements become the results.
    pub(super) fn apply(self, left: &mut [f32], right: &[f32]) {
        let each = |left: &mut [f32], function: fn(f32, f32) -> f32| {
            left.iter_mut().zip(right).for_each(|(x, y)| *x = function(*x, *y));
        };
        match self {
            Arithmetic::Add => each(left, |x, y| x + y),
            Arithmetic::Subtract => each(left, |x, y| x - y),
            Arithmetic::Multiply => each(left, |x, y| x * y),
            Arithmetic::Divide => each(left, |x, y| x / y),
        }
    }
}

/// A number that elements are computed with, in single precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Constant(u32);

impl Constant {
    /// Rounds a number to single precision, as PyTorch does with numbers that meet tensors.
    pub fn new(number: f64) -> Self {
        Self((number as f32).to_bits())
    }

    /// The number.
    pub fn value(self) -> f32 {
        f32::from_bits(self.0)
    }
}
