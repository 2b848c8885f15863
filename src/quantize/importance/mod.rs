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

mod entry;
mod error;
mod gguf;
mod legacy;

use std::collections::BTreeMap;

use crate::gguf::{Gguf, ValueRef};
use crate::plan::SourceDescription;

pub use entry::{Counts, Entry};
pub use error::ImportanceError;

use entry::Contents;

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

/// Which entries of a matrix are used, by parts of the names of their tensors.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only those whose names contain one of these; all if there is none.
    pub include: Vec<String>,
    /// Not those whose names contain one of these.
    pub exclude: Vec<String>,
}

impl ImportanceMatrix {
    /// Reads the file that consists of `bytes` and checks the values of the entries that are selected. `None`
    /// if none is: that is as good as no matrix.
    ///
    /// # Errors
    /// The file is not an importance matrix, or a value is not a number.
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
