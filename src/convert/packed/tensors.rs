//! The tensors of a checkpoint while formats take theirs.

use std::collections::{BTreeMap, HashMap};

use super::super::ConvertError;
use super::super::files::Files;
use crate::plan::{Derivation, DerivationError, Encoding, Location, Spread, Stored};
use crate::safetensors::{Checkpoint, CheckpointTensor, Dtype};
use crate::tensor::ElementType;

/// A tensor of numbers, packed or not.
#[derive(Debug, Clone)]
pub(in crate::convert) struct Unpacked {
    /// Its name, without what belongs to its format.
    pub(in crate::convert) name: String,
    /// The name that it has for families that treat packed weights apart.
    pub(in crate::convert) packed_name: Option<String>,
    /// The tensor that stands for it in the order of the checkpoint.
    pub(in crate::convert) tensor: CheckpointTensor,
    /// Its numbers, where the tensor alone is not them.
    pub(in crate::convert) numbers: Option<Weighed>,
}

/// The numbers of a packed weight.
#[derive(Debug, Clone)]
pub(in crate::convert) enum Weighed {
    /// As a derivation.
    Numbers(Derivation),
    /// Blocks that can stay what they are, which a number for all of them multiplies.
    Blocks {
        /// The blocks.
        blocks: Derivation,
        /// What they come to, that number included.
        numbers: Derivation,
        /// The number.
        scale: f32,
        /// What the runtime may scale activations by.
        input_scale: Option<f32>,
        /// Whether inputs are not to be rounded to as few bits.
        precise_inputs: bool,
    },
}

/// The tensors of a checkpoint, and what formats have made of some.
pub(super) struct Tensors<'c> {
    checkpoint: &'c Checkpoint,
    files: Files<'c>,
    stored_by_rank: &'c [&'c str],
    places: HashMap<&'c str, usize>,
    taken: Vec<bool>,
    /// Weights that stand where a tensor of theirs did.
    unpacked: BTreeMap<usize, Vec<Unpacked>>,
    /// Weights that stand behind all others.
    last: Vec<Unpacked>,
}

impl<'c> Tensors<'c> {
    pub(super) fn new(checkpoint: &'c Checkpoint, files: Files<'c>, stored_by_rank: &'c [&'c str]) -> Self {
        let tensors = checkpoint.tensors.iter().enumerate();
        Self {
            checkpoint,
            files,
            stored_by_rank,
            places: tensors.map(|(place, tensor)| (tensor.name.as_str(), place)).collect(),
            taken: vec![false; checkpoint.tensors.len()],
            unpacked: BTreeMap::new(),
            last: Vec::new(),
        }
    }

    /// The tensors that nobody has taken whose names end so, in order, each with what stands before the
    /// ending.
    pub(super) fn ending(&self, suffix: &str) -> Vec<(&'c CheckpointTensor, &'c str)> {
        let left = self.checkpoint.tensors.iter().zip(&self.taken).filter(|(_, taken)| !**taken);
        left.filter_map(|(tensor, _)| Some((tensor, tensor.name.strip_suffix(suffix)?))).collect()
    }

    /// A tensor that nobody has taken.
    pub(super) fn get(&self, name: &str) -> Option<&'c CheckpointTensor> {
        let place = *self.places.get(name)?;
        (!self.taken[place]).then(|| &self.checkpoint.tensors[place])
    }

    /// Takes a tensor, if it is there.
    pub(super) fn take(&mut self, name: &str) -> Option<&'c CheckpointTensor> {
        let tensor = self.get(name)?;
        self.taken[self.places[name]] = true;
        Some(tensor)
    }

    /// Takes a tensor that a packed weight cannot do without.
    pub(super) fn need(
        &mut self,
        name: &str,
        packed: &CheckpointTensor,
    ) -> Result<&'c CheckpointTensor, ConvertError> {
        self.take(name).ok_or_else(|| ConvertError::Packed {
            tensor: name.to_owned(),
            reason: format!("it is missing, and {:?} cannot be read without it", packed.name),
        })
    }

    /// Whether every rank's part of a weight was scaled by itself.
    pub(super) fn is_stored_by_rank(&self, name: &str) -> bool {
        self.stored_by_rank.iter().any(|ending| name.ends_with(ending))
    }

    /// The bytes of a tensor that is looked into before the plan is carried out, for which it may have
    /// `most`.
    pub(super) fn bytes(&self, tensor: &CheckpointTensor, most: usize) -> Result<&'c [u8], ConvertError> {
        let count = tensor.dimensions.iter().try_fold(1_u64, |count, length| count.checked_mul(*length));
        let length = count
            .and_then(|count| count.checked_mul(tensor.dtype.bitsize() as u64))
            .and_then(|bits| usize::try_from(bits / 8).ok())
            .filter(|length| *length <= most)
            .ok_or_else(|| {
                refuse(tensor, format!("its shape is {:?}, which is far too many numbers", tensor.dimensions))
            })?;
        let given = self.checkpoint.given.get(tensor.file);
        let file = given.and_then(|place| self.files.sources().get(*place));
        let start = usize::try_from(tensor.offset).unwrap_or(usize::MAX);
        let bytes = file.and_then(|file| file.bytes.get(start..start.saturating_add(length)));
        bytes.ok_or_else(|| refuse(tensor, "it lies beyond the end of its file".to_owned()))
    }

    /// Puts a weight where `tensor`, which is taken, stood.
    pub(super) fn put(&mut self, name: String, tensor: &CheckpointTensor, numbers: Weighed) {
        if let Some(&place) = self.places.get(tensor.name.as_str()) {
            self.taken[place] = true;
            let tensor = tensor.clone();
            let unpacked = Unpacked { name, packed_name: None, tensor, numbers: Some(numbers) };
            self.unpacked.entry(place).or_default().push(unpacked);
        }
    }

    /// Gives the weight that stands where `tensor` stood a name for families that treat packed weights apart.
    pub(super) fn name_apart(&mut self, tensor: &CheckpointTensor, name: String) {
        let place = self.places.get(tensor.name.as_str());
        let put = place.and_then(|place| self.unpacked.get_mut(place)?.last_mut());
        if let Some(unpacked) = put {
            unpacked.packed_name = Some(name);
        }
    }

    /// Puts a weight behind all others, where the reference converter puts what it unpacks under another name
    /// than it had.
    pub(super) fn put_last(&mut self, name: String, tensor: &CheckpointTensor, numbers: Weighed) {
        let tensor = tensor.clone();
        self.last.push(Unpacked { name, packed_name: None, tensor, numbers: Some(numbers) });
    }

    /// How many weights there are that formats made.
    pub(super) fn count(&self) -> usize {
        self.unpacked.values().map(Vec::len).sum::<usize>() + self.last.len()
    }

    /// All weights in order.
    pub(super) fn finish(mut self) -> Vec<Unpacked> {
        let tensors = self.checkpoint.tensors.iter().enumerate();
        let weights = tensors.flat_map(|(place, tensor)| match self.unpacked.remove(&place) {
            Some(unpacked) => unpacked,
            None if self.taken[place] => Vec::new(),
            None => {
                let (name, tensor) = (tensor.name.clone(), tensor.clone());
                vec![Unpacked { name, packed_name: None, tensor, numbers: None }]
            }
        });
        let mut weights: Vec<Unpacked> = weights.collect();
        weights.append(&mut self.last);
        weights
    }
}

/// The error for a tensor that does not fit the weight that it belongs to.
pub(super) fn refuse(tensor: &CheckpointTensor, reason: String) -> ConvertError {
    ConvertError::Packed { tensor: tensor.name.clone(), reason }
}

/// The error for dimensions that do not allow what is done to them.
pub(super) fn impossible(tensor: &CheckpointTensor) -> impl Fn(DerivationError) -> ConvertError + '_ {
    |reason| ConvertError::Dimensions { tensor: tensor.name.clone(), reason }
}

/// Checks the element type and the dimensions of a tensor.
pub(super) fn expect(
    tensor: &CheckpointTensor,
    dtypes: &[Dtype],
    dimensions: &[u64],
) -> Result<(), ConvertError> {
    expect_type(tensor, dtypes)?;
    if tensor.dimensions != dimensions {
        return Err(refuse(tensor, format!("its shape is {:?}, expected {dimensions:?}", tensor.dimensions)));
    }
    Ok(())
}

/// Checks the element type of a tensor.
pub(super) fn expect_type(tensor: &CheckpointTensor, dtypes: &[Dtype]) -> Result<(), ConvertError> {
    if dtypes.contains(&tensor.dtype) {
        return Ok(());
    }
    let expected: Vec<String> = dtypes.iter().map(ToString::to_string).collect();
    Err(refuse(tensor, format!("its element type is {}, expected {}", tensor.dtype, expected.join(" or "))))
}

/// The two dimensions of a matrix.
pub(super) fn matrix(tensor: &CheckpointTensor) -> Result<[u64; 2], ConvertError> {
    <[u64; 2]>::try_from(tensor.dimensions.as_slice())
        .map_err(|_| refuse(tensor, format!("its shape is {:?}, expected a matrix", tensor.dimensions)))
}

/// How many elements a tensor has.
pub(super) fn count(tensor: &CheckpointTensor) -> u64 {
    tensor.dimensions.iter().fold(1, |count, length| count.saturating_mul(*length))
}

/// Where a tensor lies.
pub(super) fn location(tensor: &CheckpointTensor) -> Location {
    Location { source: tensor.file, offset: tensor.offset }
}

/// Element types of words that hold codes.
pub(super) const WORDS: [Dtype; 2] = [Dtype::I32, Dtype::U32];

/// Element types of scales.
pub(super) const FLOATS: [Dtype; 3] = [Dtype::F32, Dtype::F16, Dtype::BF16];

/// The element type of plain floats.
pub(super) fn float_type(tensor: &CheckpointTensor) -> Result<ElementType, ConvertError> {
    match tensor.dtype {
        Dtype::F32 => Ok(ElementType::F32),
        Dtype::F16 => Ok(ElementType::F16),
        Dtype::BF16 => Ok(ElementType::Bf16),
        other => Err(refuse(tensor, format!("its element type is {other}, expected F32, F16 or BF16"))),
    }
}

/// A stored tensor as a derivation of these dimensions, which its numbers are spread over.
pub(super) fn spread(
    tensor: &CheckpointTensor,
    encoding: Encoding,
    dimensions: &[u64],
    spread: Spread,
) -> Result<Derivation, ConvertError> {
    let stored = Stored { location: location(tensor), encoding, dimensions: dimensions.to_vec(), spread };
    Derivation::stored(stored).map_err(impossible(tensor))
}
