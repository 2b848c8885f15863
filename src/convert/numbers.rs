//! Numbers among the weights that a model file holds as metadata, or of which others are made while a
//! conversion is planned.

use super::ConvertError;
use super::files::Files;
use super::weights::StoredWeight;
use crate::plan::SourceDescription;
use crate::tensor::{ElementType, dequantize};

/// The most numbers of a tensor that are read while a conversion is planned; there is one a channel, one a
/// head, or one altogether.
const MOST: usize = 4096;

/// The weights of a checkpoint, for the few that are looked into before the plan is carried out.
pub(super) struct Numbers<'a> {
    pub(super) weights: &'a [StoredWeight],
    pub(super) sources: &'a [SourceDescription],
    pub(super) files: Files<'a>,
}

impl Numbers<'_> {
    /// The dimensions of a tensor, if there is one of this name.
    pub(super) fn dimensions(&self, name: &str) -> Option<&[u64]> {
        self.find(name).map(StoredWeight::dimensions)
    }

    /// The numbers of a tensor, if there is one of this name.
    ///
    /// # Errors
    ///
    /// It has far more than any real one, or its element type is not a plain one.
    pub(super) fn of(&self, name: &str) -> Result<Option<Vec<f32>>, ConvertError> {
        let Some(weight) = self.find(name) else { return Ok(None) };
        let (location, element_type) = weight.plain()?;
        let bad = |reason: String| ConvertError::Numbers { tensor: name.to_owned(), reason };
        let count = weight.dimensions().iter().try_fold(1_usize, |count, length| {
            count.checked_mul(usize::try_from(*length).ok()?).filter(|count| *count <= MOST)
        });
        let count = count.ok_or_else(|| bad(format!("it has more than {MOST} numbers")))?;
        let bytes = self.bytes(location.source, location.offset, count * element_type.block_bytes());
        let bytes = bytes.ok_or_else(|| bad("it lies beyond the end of its file".to_owned()))?;
        let mut values = vec![0.0; count];
        dequantize(element_type, bytes, &mut values).map_err(|reason| bad(reason.to_string()))?;
        Ok(Some(values))
    }

    /// What the numbers of a tensor are stored as, if there is one of this name.
    pub(super) fn element_type(&self, name: &str) -> Result<Option<ElementType>, ConvertError> {
        self.find(name).map(|weight| Ok(weight.plain()?.1)).transpose()
    }

    /// The only number of a tensor, if there is one of this name.
    ///
    /// # Errors
    ///
    /// As for [`of`](Self::of), and it has more than one number.
    pub(super) fn single(&self, name: &str) -> Result<Option<f32>, ConvertError> {
        match self.of(name)?.as_deref() {
            None => Ok(None),
            Some([number]) => Ok(Some(*number)),
            Some(numbers) => {
                let reason = format!("it has {} numbers instead of one", numbers.len());
                Err(ConvertError::Numbers { tensor: name.to_owned(), reason })
            }
        }
    }

    fn find(&self, name: &str) -> Option<&StoredWeight> {
        self.weights.iter().find(|weight| weight.name == name)
    }

    fn bytes(&self, source: usize, offset: u64, length: usize) -> Option<&[u8]> {
        let label = &self.sources.get(source)?.label;
        let file = self.files.sources().iter().find(|file| file.name == label.as_str())?;
        let start = usize::try_from(offset).ok()?;
        file.bytes.get(start..start.checked_add(length)?)
    }
}
