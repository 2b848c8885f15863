//! Matrices in GGUF files.

use std::collections::BTreeMap;

use super::entry::{Contents, Counts, Entry, MOST_ENTRIES};
use super::error::ImportanceError;
use crate::gguf::{ArrayRef, Gguf, TensorInfo, ValueRef};
use crate::tensor::ElementType;

/// The ends of the names of the two tensors that make up an entry.
const SUMS: &str = ".in_sum2";
const COUNTS: &str = ".counts";

const DATASETS_KEY: &str = "imatrix.datasets";
const CHUNK_COUNT_KEY: &str = "imatrix.chunk_count";
const CHUNK_SIZE_KEY: &str = "imatrix.chunk_size";

pub(super) fn read(bytes: &[u8]) -> Result<Contents, ImportanceError> {
    let file = Gguf::parse(bytes)?;
    for key in [DATASETS_KEY, CHUNK_COUNT_KEY, CHUNK_SIZE_KEY] {
        if file.get(key).is_none() {
            return Err(ImportanceError::MissingKey { key });
        }
    }
    let mut halves: BTreeMap<&str, [Option<&TensorInfo<'_>>; 2]> = BTreeMap::new();
    for tensor in file.tensors() {
        for (half, end) in [SUMS, COUNTS].into_iter().enumerate() {
            if let Some(name) = tensor.name.strip_suffix(end) {
                halves.entry(name).or_default()[half] = Some(tensor);
            }
        }
    }
    if halves.is_empty() {
        return Err(ImportanceError::Empty);
    }
    if halves.len() > MOST_ENTRIES {
        return Err(ImportanceError::TooMany { got: halves.len() as u64, limit: MOST_ENTRIES });
    }
    let entries = halves.into_iter().map(|(name, halves)| Ok((name.to_owned(), entry(name, halves)?)));
    let entries = entries.collect::<Result<_, ImportanceError>>()?;
    let dataset = file.get(DATASETS_KEY).and_then(ValueRef::as_array).and_then(first_text);
    let chunks = file.get(CHUNK_COUNT_KEY).and_then(ValueRef::as_u64).unwrap_or(0);
    Ok(Contents { dataset, chunks: u32::try_from(chunks).unwrap_or(u32::MAX), entries })
}

fn first_text(array: ArrayRef<'_>) -> Option<String> {
    array.strings().next().map(str::to_owned)
}

fn entry(name: &str, halves: [Option<&TensorInfo<'_>>; 2]) -> Result<Entry, ImportanceError> {
    let half = |index: usize, end: &'static str| {
        let missing = || ImportanceError::Half { tensor: name.to_owned(), missing: end };
        let tensor = halves[index].ok_or_else(missing)?;
        match tensor.element_type {
            ElementType::F32 => Ok(tensor),
            got => Err(ImportanceError::ElementType { name: tensor.name.to_owned(), got }),
        }
    };
    let (sums, counts) = (half(0, SUMS)?, half(1, COUNTS)?);
    let (length, count) = (sums.shape.elements(), counts.shape.elements());
    if !length.is_multiple_of(count) {
        return Err(ImportanceError::Counts { tensor: name.to_owned(), sums: length, counts: count });
    }
    let counts = Counts::Each { offset: counts.data.start, count };
    Ok(Entry { sums: sums.data.start, length, counts })
}
