//! How much each column of a tensor matters, from an importance matrix that is one more source of the plan.

use super::derivation::Derivation;
use super::derivation_error::DerivationError;

/// How much each column of a tensor matters when it is quantized, for each of its matrices (the experts of a
/// layer have their own).
///
/// What matters is the mean of what the columns were multiplied with while a model ran: stored sums, of
/// squares, and how many there were of each matrix. Both are derivations, so an importance matrix is a source
/// like any other, and the digest of a plan says which one it was. Formats that know means instead of sums
/// have counts of one. A matrix of which nothing was counted weighs all its columns alike (llama.cpp,
/// `load_imatrix` in `tools/quantize/quantize.cpp`).
#[derive(Debug, Clone, PartialEq)]
pub struct Importance {
    pub(super) sums: Derivation,
    pub(super) counts: Derivation,
}

impl Importance {
    /// Importance from `sums` of the dimensions `[matrices, columns]`, and `counts`, one number for each
    /// matrix.
    ///
    /// # Errors
    /// [`DerivationError::Importance`] if these are not the dimensions.
    pub fn new(sums: Derivation, counts: Derivation) -> Result<Self, DerivationError> {
        let dimensions = sums.dimensions();
        if dimensions.len() != 2 || counts.element_count() != dimensions[0] {
            return Err(DerivationError::Importance { sums: dimensions, counts: counts.dimensions() });
        }
        Ok(Self { sums, counts })
    }

    /// Matrices and columns.
    pub(super) fn dimensions(&self) -> (u64, u64) {
        let dimensions = self.sums.dimensions();
        (dimensions[0], dimensions[1])
    }
}
