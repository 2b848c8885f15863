//! Operations on single elements.

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
    /// Rounds to what this element type can hold: F32, F16 or BF16. A model that is quantized after it
    /// was converted to F16 has been rounded to F16 on the way.
    Round(ElementType),
    /// Leaves finite values alone and fails for NaN and infinities: what is to be quantized must be finite.
    RequireFinite,
}

impl Operation {
    /// Whether every value that passes is unchanged.
    pub(super) fn preserves_values(self) -> bool {
        self == Operation::RequireFinite
    }
}
