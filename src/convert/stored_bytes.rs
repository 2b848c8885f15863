//! The bytes of a stored tensor, for the few things that a plan can only know from its numbers.

use super::ConvertError;
use super::files::Files;
use crate::safetensors::{Checkpoint, Dtype};

/// A tensor as it lies in a file.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StoredBytes<'a> {
    dtype: Dtype,
    dimensions: Vec<u64>,
    bytes: &'a [u8],
}

impl<'a> StoredBytes<'a> {
    /// A tensor of the checkpoint, if it has one of this name.
    pub(super) fn find(files: Files<'a>, name: &str) -> Result<Option<Self>, ConvertError> {
        Self::find_where(files, |other| other == name)
    }

    /// The first tensor of the checkpoint whose name ends so, if there is one.
    pub(super) fn find_ending(files: Files<'a>, ending: &str) -> Result<Option<Self>, ConvertError> {
        Self::find_where(files, |name| name.ends_with(ending))
    }

    fn find_where(files: Files<'a>, is_meant: impl Fn(&str) -> bool) -> Result<Option<Self>, ConvertError> {
        let checkpoint = Checkpoint::read(files.sources())?;
        let Some(tensor) = checkpoint.tensors.iter().find(|tensor| is_meant(&tensor.name)) else {
            return Ok(None);
        };
        let elements: u64 = tensor.dimensions.iter().product();
        let file = checkpoint.given.get(tensor.file).and_then(|place| files.sources().get(*place));
        let start = usize::try_from(tensor.offset).unwrap_or(usize::MAX);
        let length =
            usize::try_from(elements).unwrap_or(usize::MAX).saturating_mul(tensor.dtype.bitsize()) / 8;
        let bytes = file.and_then(|file| file.bytes.get(start..start.saturating_add(length)));
        let dimensions = tensor.dimensions.clone();
        Ok(bytes.map(|bytes| Self { dtype: tensor.dtype, dimensions, bytes }))
    }

    /// The length of its last axis.
    pub(super) fn columns(&self) -> u64 {
        self.dimensions.last().copied().unwrap_or(1)
    }

    /// Whole numbers, if it has such.
    pub(super) fn integers(&self) -> Option<Vec<i64>> {
        match self.dtype {
            Dtype::I64 => {
                Some(self.bytes.as_chunks().0.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect())
            }
            Dtype::I32 => {
                let numbers = self.bytes.as_chunks().0.iter();
                Some(numbers.map(|bytes| i32::from_le_bytes(*bytes).into()).collect())
            }
            _ => None,
        }
    }

    /// The numbers of each of `rows` rows that are all zero, of plain floats: the highest bit is the sign.
    pub(super) fn zero_rows(&self, rows: u64) -> Vec<u64> {
        let element = (self.dtype.bitsize() / 8).max(1);
        let columns = self.dimensions.iter().product::<u64>().checked_div(rows).unwrap_or(0);
        let row = usize::try_from(columns).unwrap_or(usize::MAX).saturating_mul(element).max(1);
        let is_zero = |number: &[u8]| {
            number
                .split_last()
                .is_none_or(|(last, rest)| last & 0x7f == 0 && rest.iter().all(|byte| *byte == 0))
        };
        let rows = self.bytes.chunks_exact(row).zip(0..rows);
        rows.filter(|(numbers, _)| numbers.chunks_exact(element).all(is_zero)).map(|(_, row)| row).collect()
    }
}

/// The names of all tensors of the checkpoint.
pub(super) fn names(files: Files<'_>) -> Result<Vec<String>, ConvertError> {
    Ok(Checkpoint::read(files.sources())?.tensors.into_iter().map(|tensor| tensor.name).collect())
}

/// Whether some tensor of the checkpoint has such a name.
pub(super) fn any_name(files: Files<'_>, is_meant: impl Fn(&str) -> bool) -> Result<bool, ConvertError> {
    Ok(Checkpoint::read(files.sources())?.tensors.iter().any(|tensor| is_meant(&tensor.name)))
}
