//! What a matrix holds for one tensor.

use std::collections::BTreeMap;

use super::error::ImportanceError;
use crate::plan::{Derivation, DerivationError, Importance, Location, Stored};
use crate::tensor::ElementType;

/// More entries than any model has tensors; keeps what a hostile file can make us hold small.
pub(super) const MOST_ENTRIES: usize = 1 << 16;

/// What either format says.
pub(super) struct Contents {
    pub(super) dataset: Option<String>,
    pub(super) chunks: u32,
    pub(super) entries: BTreeMap<String, Entry>,
}

/// Where the values for one tensor lie.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry {
    /// Offset of the sums in the file, 32-bit floats.
    pub sums: u64,
    /// How many sums there are.
    pub length: u64,
    /// What they are sums of.
    pub counts: Counts,
}

/// How many values each sum is of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Counts {
    /// The same for all.
    Same(f32),
    /// One for each of as many equal parts of the sums: floats that stand for whole numbers, zero for a part
    /// that was never used.
    Each {
        /// Offset of the first in the file.
        offset: u64,
        /// How many there are; they divide the number of sums.
        count: u64,
    },
}

impl Entry {
    /// The importance of a tensor with rows of so many columns, if the file is source number `source` of its
    /// plan. `None` if the counts are not one for each matrix of the tensor, nor one for all.
    pub(in crate::quantize) fn importance(
        &self,
        source: usize,
        columns: u64,
    ) -> Result<Option<Importance>, DerivationError> {
        let matrices = self.length / columns;
        let floats = |offset, dimensions: &[u64]| {
            Derivation::stored(Stored::plain(Location { source, offset }, ElementType::F32, dimensions))
        };
        let counts = match self.counts {
            Counts::Same(count) => Derivation::filled(count, &[matrices])?,
            Counts::Each { offset, count } if count == matrices => floats(offset, &[matrices])?,
            Counts::Each { offset, count: 1 } => {
                let one = floats(offset, &[1])?;
                Derivation::concatenate(0, vec![one; usize::try_from(matrices).unwrap_or(usize::MAX)])?
            }
            Counts::Each { .. } => return Ok(None),
        };
        Importance::new(floats(self.sums, &[matrices, columns])?, counts).map(Some)
    }

    /// Checks that every sum and every count is a finite number that is not negative, and every count a whole
    /// one.
    pub(super) fn check(&self, name: &str, bytes: &[u8]) -> Result<(), ImportanceError> {
        let refused = |index, value: f32| {
            let (tensor, value) = (name.to_owned(), value.to_string());
            Err(ImportanceError::Value { tensor, index, value })
        };
        let sums = floats(bytes, self.sums, self.length);
        // All of them first, without leaving early, so that the compiler vectorizes the common case.
        let is_good = |value: f32| (0.0..f32::INFINITY).contains(&value);
        if !sums.clone().fold(true, |good, value| good & is_good(value))
            && let Some((index, value)) = sums.enumerate().find(|(_, value)| !is_good(*value))
        {
            return refused(index, value);
        }
        if let Counts::Each { offset, count } = self.counts {
            let mut counts = floats(bytes, offset, count).enumerate();
            if let Some((index, value)) = counts.find(|(_, value)| !is_good(*value) || value.fract() != 0.0) {
                return refused(index, value);
            }
        }
        Ok(())
    }
}

/// So many numbers at an offset; no more than there are.
fn floats(bytes: &[u8], offset: u64, count: u64) -> impl Iterator<Item = f32> + Clone + use<'_> {
    let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
    let length = usize::try_from(count.saturating_mul(4)).unwrap_or(usize::MAX).min(bytes.len() - start);
    bytes[start..start + length].as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes))
}
