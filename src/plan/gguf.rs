//! The plans that copy a GGUF file, or join the shards of one.

use super::location::Location;
use super::stored::Stored;
use super::{Derivation, DerivationError, Plan, PlannedTensor, SourceDescription};
use crate::gguf::{Gguf, GgufError, Metadata, TensorInfo, ValueRef};

/// One file of a model that was split into several.
#[derive(Debug, Clone, PartialEq)]
pub struct Shard<'a> {
    /// What it is called, and its length.
    pub description: SourceDescription,
    /// Its contents.
    pub file: Gguf<'a>,
}

/// Why files do not make up a whole model.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of a variant says what its fields are")]
pub enum ShardError {
    /// There is no file at all.
    #[error("a model needs at least one file")]
    NoFile,
    /// A file that is not part of a split model.
    #[error("{label:?} is not a shard of a model: key \"split.count\" is missing")]
    NotSplit { label: String },
    /// A key of a shard is missing or wrong.
    #[error("{label:?}: {reason}")]
    Key { label: String, reason: GgufError },
    /// A model that was split into more files than are taken.
    #[error("{label:?} belongs to a model of {count} shards; at most {MOST_SHARDS} are taken")]
    TooMany { label: String, count: u64 },
    /// Shards of different models.
    #[error("{first:?} and {label:?} disagree about {key}")]
    Disagree { first: String, label: String, key: &'static str },
    /// Shards of different models, or of different splits of one.
    #[error("{label:?} belongs to a model of {got} shards, expected {expected}")]
    CountDisagrees { label: String, got: u64, expected: u64 },
    /// A shard whose number is not below the number of shards.
    #[error("{label:?} is shard number {got} of {count}, counted from 0")]
    Number { label: String, got: u64, count: u64 },
    /// Two shards with the same number.
    #[error("{first:?} and {second:?} are both shard number {number}, counted from 0")]
    Duplicate { first: String, second: String, number: u64 },
    /// Some shards were not given.
    #[error(
        "{missing} of {count} shards are missing, the first of them \"-{:05}-of-{count:05}.gguf\"; give all \
         of them",
        .first + 1
    )]
    Missing { missing: u64, count: u64, first: u64 },
    /// The shards do not hold as many tensors as they say.
    #[error("the shards hold {got} tensors, expected {expected}")]
    TensorCount { got: u64, expected: u64 },
    /// A tensor that two shards hold.
    #[error("tensor {tensor:?} is in two shards, the second time in {label:?}")]
    DuplicateTensor { tensor: String, label: String },
    /// A tensor that cannot be copied.
    #[error("tensor {tensor:?}: {reason}")]
    Tensor { tensor: String, reason: DerivationError },
}

impl Shard<'_> {
    /// Whether it is the shard that has the metadata of the whole model.
    pub fn is_first(&self) -> bool {
        self.number() == Some(0)
    }

    /// Which of the shards it is, counted from 0.
    pub fn number(&self) -> Option<u64> {
        self.file.get(NUMBER_KEY).and_then(ValueRef::as_u64)
    }

    /// How many shards the model was split into.
    pub fn count(&self) -> Option<u64> {
        self.file.get(COUNT_KEY).and_then(ValueRef::as_u64)
    }
}

/// Removes what says that a file is one of several.
pub fn forget_split(metadata: &mut Metadata) {
    for key in [NUMBER_KEY, COUNT_KEY, TENSORS_KEY] {
        metadata.remove(key);
    }
}

/// Says that a file is number `number` of `count`, which hold so many tensors together.
pub(super) fn state_split(metadata: &mut Metadata, number: usize, count: usize, tensors: usize) {
    // The types are those of llama.cpp; nothing has more files or tensors than they count.
    metadata.set(NUMBER_KEY, number as u16);
    metadata.set(COUNT_KEY, count as u16);
    metadata.set(TENSORS_KEY, tensors as i32);
}

const COUNT_KEY: &str = "split.count";
const NUMBER_KEY: &str = "split.no";
const TENSORS_KEY: &str = "split.tensors.count";

/// What a shard says of the whole model, if it says it (Ollama from 0.35 on).
const COMMON_KEYS: [&str; 2] = ["general.architecture", "general.file_type"];

/// A model is split into no more files (Ollama from 0.35 on).
const MOST_SHARDS: u64 = 1024;

impl Plan {
    /// The plan that copies a file: all its metadata, all its tensors as they are, in its order.
    ///
    /// # Errors
    /// A tensor with more bytes than can be counted.
    pub fn copying(file: &Gguf<'_>, description: SourceDescription) -> Result<Self, ShardError> {
        let tensors = file.tensors().iter().map(|tensor| copy(tensor, 0)).collect::<Result<_, _>>()?;
        Ok(Self { sources: vec![description], metadata: file.metadata(), tensors })
    }

    /// Whether a file is one of several that a model was split into (llama.cpp, `gguf-split`).
    pub fn is_shard(file: &Gguf<'_>) -> bool {
        file.get(COUNT_KEY).and_then(ValueRef::as_u64).is_some_and(|count| count > 1)
    }

    /// The plan that joins shards, given in any order, into the file that they were split from: the metadata
    /// of the first without what says that it is a shard, and the tensors of all, in the order of the shards.
    /// The plan's sources are the shards in the order given.
    ///
    /// # Errors
    /// Files that are not the whole of one split model.
    pub fn joining(shards: &[Shard<'_>]) -> Result<Self, ShardError> {
        let ordered = in_order(shards)?;
        COMMON_KEYS.iter().try_for_each(|key| ensure_agreement(shards, key))?;
        let mut metadata: Metadata = shards[ordered[0]].file.metadata();
        forget_split(&mut metadata);
        let mut tensors: Vec<PlannedTensor> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for source in ordered {
            let shard = &shards[source];
            for tensor in shard.file.tensors() {
                if !seen.insert(tensor.name) {
                    let label = shard.description.label.clone();
                    return Err(ShardError::DuplicateTensor { tensor: tensor.name.to_owned(), label });
                }
                tensors.push(copy(tensor, source)?);
            }
        }
        let got = tensors.len() as u64;
        for shard in shards {
            if let Some(expected) = key(shard, TENSORS_KEY)?.filter(|&expected| expected != got) {
                return Err(ShardError::TensorCount { got, expected });
            }
        }
        let sources = shards.iter().map(|shard| shard.description.clone()).collect();
        Ok(Self { sources, metadata, tensors })
    }
}

fn copy(tensor: &TensorInfo<'_>, source: usize) -> Result<PlannedTensor, ShardError> {
    let location = Location { source, offset: tensor.data.start };
    let dimensions: Vec<u64> = tensor.shape.dimensions().iter().rev().copied().collect();
    let derivation = Derivation::stored(Stored::plain(location, tensor.element_type, &dimensions))
        .map_err(|reason| ShardError::Tensor { tensor: tensor.name.to_owned(), reason })?;
    let (name, shape, element_type) = (tensor.name.to_owned(), tensor.shape, tensor.element_type);
    Ok(PlannedTensor { name, shape, element_type, derivation, importance: None })
}

/// The indices of the shards by their numbers, each there once.
fn in_order(shards: &[Shard<'_>]) -> Result<Vec<usize>, ShardError> {
    let first = shards.first().ok_or(ShardError::NoFile)?;
    let count = split_count(first)?;
    if count > MOST_SHARDS {
        return Err(ShardError::TooMany { label: first.description.label.clone(), count });
    }
    let mut numbered = std::collections::BTreeMap::new();
    for (index, shard) in shards.iter().enumerate() {
        let label = || shard.description.label.clone();
        let got = split_count(shard)?;
        if got != count {
            return Err(ShardError::CountDisagrees { label: label(), got, expected: count });
        }
        let number = key(shard, NUMBER_KEY)?.ok_or_else(|| ShardError::Key {
            label: label(),
            reason: GgufError::MissingKey { key: NUMBER_KEY.into() },
        })?;
        if number >= count {
            return Err(ShardError::Number { label: label(), got: number, count });
        }
        if let Some(other) = numbered.insert(number, index) {
            let first = shards[other].description.label.clone();
            return Err(ShardError::Duplicate { first, second: label(), number });
        }
    }
    let missing = count - numbered.len() as u64;
    if missing > 0 {
        let first = (0..count).find(|number| !numbered.contains_key(number)).unwrap_or(0);
        return Err(ShardError::Missing { missing, count, first });
    }
    Ok(numbered.into_values().collect())
}

/// Makes sure that the shards which state a key state the same.
fn ensure_agreement(shards: &[Shard<'_>], key: &'static str) -> Result<(), ShardError> {
    let mut stated = shards.iter().filter_map(|shard| Some((shard, shard.file.get(key)?)));
    let Some((first, expected)) = stated.next() else { return Ok(()) };
    match stated.find(|(_, value)| *value != expected) {
        Some((other, _)) => {
            let label = |shard: &Shard<'_>| shard.description.label.clone();
            Err(ShardError::Disagree { first: label(first), label: label(other), key })
        }
        None => Ok(()),
    }
}

fn split_count(shard: &Shard<'_>) -> Result<u64, ShardError> {
    key(shard, COUNT_KEY)?.ok_or_else(|| ShardError::NotSplit { label: shard.description.label.clone() })
}

/// A count among the keys of a shard.
fn key(shard: &Shard<'_>, key: &str) -> Result<Option<u64>, ShardError> {
    let Some(value) = shard.file.get(key) else { return Ok(None) };
    value.as_u64().map(Some).ok_or_else(|| ShardError::Key {
        label: shard.description.label.clone(),
        reason: GgufError::KeyType { key: key.into(), got: value.value_type(), expected: "a count" },
    })
}
