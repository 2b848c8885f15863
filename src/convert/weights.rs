//! The weights of a checkpoint as they can be computed with, whatever another program has packed them in.

use super::files::Files;
use super::packed::{self, Undone, Unpacked, Weighed};
use super::weight::{Packed, Weight};
use super::{Configuration, ConvertError};
use crate::plan::{Derivation, Encoding, Location, Stored};
use crate::safetensors::{Checkpoint, CheckpointTensor, Dtype};
use crate::tensor::ElementType;

/// A tensor of numbers.
#[derive(Debug, Clone)]
pub(super) struct StoredWeight {
    /// Its name, without what belongs to its format.
    pub(super) name: String,
    /// The name that it has for families that treat packed weights apart.
    pub(super) packed_name: Option<String>,
    tensor: CheckpointTensor,
    numbers: Option<Weighed>,
    dimensions: Vec<u64>,
}

impl StoredWeight {
    fn new(Unpacked { name, packed_name, tensor, numbers }: Unpacked) -> Self {
        let dimensions = match &numbers {
            Some(Weighed::Numbers(derivation) | Weighed::Blocks { numbers: derivation, .. }) => {
                derivation.dimensions()
            }
            None => tensor.dimensions.clone(),
        };
        Self { name, packed_name, tensor, numbers, dimensions }
    }

    pub(super) fn dtype(&self) -> Dtype {
        self.tensor.dtype
    }

    pub(super) fn dimensions(&self) -> &[u64] {
        &self.dimensions
    }

    /// The weight on its way into the model.
    pub(super) fn weight(&self) -> Result<Weight, ConvertError> {
        if let Some(Weighed::Blocks { blocks, numbers, scale, input_scale, precise_inputs }) = &self.numbers {
            return Ok(Weight::Packed(Packed {
                blocks: blocks.clone(),
                numbers: numbers.clone(),
                scales: vec![*scale],
                input_scales: vec![input_scale.unwrap_or(1.0)],
                precise_inputs: *precise_inputs,
            }));
        }
        self.derivation().map(Weight::Whole)
    }

    /// All of the numbers.
    pub(super) fn derivation(&self) -> Result<Derivation, ConvertError> {
        if let Some(Weighed::Numbers(derivation) | Weighed::Blocks { numbers: derivation, .. }) =
            &self.numbers
        {
            return Ok(derivation.clone());
        }
        if self.tensor.dtype == Dtype::I64 {
            return self.halves();
        }
        let encoding = match packed::plain_bytes(self.tensor.dtype) {
            Some(encoding) => encoding,
            None => Encoding::Plain(plain_type(&self.name, self.tensor.dtype)?),
        };
        Derivation::stored(Stored::each(location(&self.tensor), encoding, &self.tensor.dimensions))
            .map_err(|reason| ConvertError::Dimensions { tensor: self.name.clone(), reason })
    }

    /// Whole numbers of 64 bits as those of 32 that model files hold: their lower halves, which stand first.
    fn halves(&self) -> Result<Derivation, ConvertError> {
        let dimensions = [&self.tensor.dimensions[..], &[2]].concat();
        let halves = Derivation::stored(Stored::plain(location(&self.tensor), ElementType::I32, &dimensions));
        halves
            .and_then(|halves| halves.select(dimensions.len() - 1, 0))
            .map_err(|reason| ConvertError::Dimensions { tensor: self.name.clone(), reason })
    }

    /// Where plain numbers lie, and of what type they are.
    pub(super) fn plain(&self) -> Result<(Location, ElementType), ConvertError> {
        Ok((location(&self.tensor), plain_type(&self.name, self.tensor.dtype)?))
    }
}

fn location(tensor: &CheckpointTensor) -> Location {
    Location { source: tensor.file, offset: tensor.offset }
}

fn plain_type(name: &str, dtype: Dtype) -> Result<ElementType, ConvertError> {
    match dtype {
        Dtype::F32 => Ok(ElementType::F32),
        Dtype::F16 => Ok(ElementType::F16),
        Dtype::BF16 => Ok(ElementType::Bf16),
        Dtype::F64 => Ok(ElementType::F64),
        other => Err(ConvertError::UnsupportedDtype { tensor: name.to_owned(), dtype: other.to_string() }),
    }
}

/// The weights of a checkpoint, and what was undone to get them.
///
/// # Errors
///
/// The checkpoint is quantized in a format that cannot be converted, or parts of packed weights do not fit
/// each other.
pub(super) fn read(
    checkpoint: &Checkpoint,
    files: Files<'_>,
    configuration: &Configuration,
    stored_by_rank: &[&str],
) -> Result<(Vec<StoredWeight>, Vec<Undone>), ConvertError> {
    let (weights, undone) = packed::unpack(checkpoint, files, configuration, stored_by_rank)?;
    Ok((weights.into_iter().map(StoredWeight::new).collect(), undone))
}
