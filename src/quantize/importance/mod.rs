//! Importance matrices: how much the columns of a model's tensors matter, measured by llama.cpp's
//! `llama-imatrix`.
//!
//! A matrix holds for each tensor and column the mean square of what the column is multiplied with. Two
//! formats circulate: GGUF files, and the `.dat` files from before. Either has for each entry sums, and how
//! many values each sum is of; experts that lie in one tensor have counts of their own, and one that was
//! never used has none, so all of its columns count the same. Sources: llama.cpp,
//! `tools/imatrix/imatrix.cpp`, `common/imatrix-loader.cpp` and `tools/quantize/quantize.cpp`.
//!
//! Values are not held: matrices of models with many experts take gigabytes. Reading checks every one of
//! them, and notes where they lie.

mod error;
mod gguf;
mod legacy;

use std::collections::BTreeMap;

use crate::gguf::{Gguf, ValueRef};
use crate::plan::{Importance, Location, Recipe, RecipeError, SourceDescription, Stored};
use crate::tensor::ElementType;

pub use error::ImportanceError;

/// The key that tells what a GGUF file is.
const TYPE_KEY: &str = "general.type";

/// An importance matrix, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct ImportanceMatrix {
    /// What its file is called, and its length.
    pub source: SourceDescription,
    /// The text that it was measured on, if it says so; of several the first.
    pub dataset: Option<String>,
    /// How many pieces of text it was measured on.
    pub chunks: u32,
    entries: BTreeMap<String, Entry>,
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

/// Which entries of a matrix are used, by parts of the names of their tensors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only those whose names contain one of these; all if there is none.
    pub include: Vec<String>,
    /// Not those whose names contain one of these.
    pub exclude: Vec<String>,
}

/// More entries than any model has tensors; keeps what a hostile file can make us hold small.
const MOST_ENTRIES: usize = 1 << 16;

impl ImportanceMatrix {
    /// Reads the file that consists of `bytes` and checks the values of the entries that are selected. `None`
    /// if none is: that is as good as no matrix.
    ///
    /// # Errors
    /// The file is no importance matrix, or a value is none.
    pub fn read(
        source: SourceDescription,
        bytes: &[u8],
        selection: &Selection,
    ) -> Result<Option<Self>, ImportanceError> {
        selection.check()?;
        let read = if bytes.starts_with(b"GGUF") { gguf::read(bytes) } else { legacy::read(bytes) };
        let Contents { dataset, chunks, mut entries } = read?;
        entries.retain(|name, _| selection.takes(name));
        for (name, entry) in &entries {
            entry.check(name, bytes)?;
        }
        Ok((!entries.is_empty()).then_some(Self { source, dataset, chunks, entries }))
    }

    /// Whether a GGUF file says that it is a matrix.
    pub fn is_one(file: &Gguf<'_>) -> bool {
        file.get(TYPE_KEY).and_then(ValueRef::as_str) == Some("imatrix")
    }

    /// The values for the tensor of this name.
    pub fn get(&self, tensor: &str) -> Option<&Entry> {
        self.entries.get(tensor)
    }

    /// The names of the tensors that it has values for, in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }
}

/// What either format says.
struct Contents {
    dataset: Option<String>,
    chunks: u32,
    entries: BTreeMap<String, Entry>,
}

impl Selection {
    /// # Errors
    /// It both includes and excludes, which the reference does not allow either.
    pub fn check(&self) -> Result<(), ImportanceError> {
        let is_both = !self.include.is_empty() && !self.exclude.is_empty();
        if is_both { Err(ImportanceError::BothSelections) } else { Ok(()) }
    }

    fn takes(&self, name: &str) -> bool {
        let contains = |parts: &[String]| parts.iter().any(|part| name.contains(part.as_str()));
        (self.include.is_empty() || contains(&self.include)) && !contains(&self.exclude)
    }
}

impl Entry {
    /// The importance of a tensor with rows of so many columns, if the file is source number `source` of its
    /// plan. `None` if the counts are not one for each matrix of the tensor, nor one for all.
    pub(super) fn importance(&self, source: usize, columns: u64) -> Result<Option<Importance>, RecipeError> {
        let matrices = self.length / columns;
        let floats = |offset, dimensions: &[u64]| {
            Recipe::stored(Stored::plain(Location { source, offset }, ElementType::F32, dimensions))
        };
        let counts = match self.counts {
            Counts::Same(count) => Recipe::filled(count, &[matrices])?,
            Counts::Each { offset, count } if count == matrices => floats(offset, &[matrices])?,
            Counts::Each { offset, count: 1 } => {
                let one = floats(offset, &[1])?;
                Recipe::concatenate(0, vec![one; usize::try_from(matrices).unwrap_or(usize::MAX)])?
            }
            Counts::Each { .. } => return Ok(None),
        };
        Importance::new(floats(self.sums, &[matrices, columns])?, counts).map(Some)
    }

    /// Checks that every sum and every count is a finite number that is not negative, and every count a whole
    /// one.
    fn check(&self, name: &str, bytes: &[u8]) -> Result<(), ImportanceError> {
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
