//! The plans of the files that a model is split into.

use super::gguf::state_split;
use super::{Derivation, Plan, PlannedTensor, Stored};
use crate::gguf::Metadata;

impl Plan {
    /// The plans of several files: each tensor goes to the file whose number is that of the source that it is
    /// made from, in the order that it has. The first file has the metadata; all say which of how many they
    /// are, unless there is only one. Each plan has all the sources.
    ///
    /// Source: llama.cpp, `src/llama-quant.cpp` (`keep_split`).
    pub fn split(self) -> Vec<Plan> {
        let Self { sources, metadata, tensors } = self;
        let count = tensors.len();
        let mut files: Vec<Vec<PlannedTensor>> = vec![Vec::new()];
        for tensor in tensors {
            let number = first_source(&tensor.derivation);
            if files.len() <= number {
                files.resize_with(number + 1, Vec::new);
            }
            files[number].push(tensor);
        }
        let file_count = files.len();
        let mut first = Some(metadata);
        let plan = |(number, tensors)| {
            let mut metadata = first.take().unwrap_or_else(Metadata::new);
            if file_count > 1 {
                state_split(&mut metadata, number, file_count, count);
            }
            Plan { sources: sources.clone(), metadata, tensors }
        };
        files.into_iter().enumerate().map(plan).collect()
    }
}

/// The number of the first source that a derivation reads.
fn first_source(derivation: &Derivation) -> usize {
    let first = derivation.for_each_stored(&mut |stored: &Stored| Err(stored.location.source));
    first.err().unwrap_or(0)
}
