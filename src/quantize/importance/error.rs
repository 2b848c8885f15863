//! Why a file is not an importance matrix.

use crate::gguf::GgufError;

/// Why a file is not an importance matrix that can be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of a variant says what its fields are")]
pub enum ImportanceError {
    /// It is not a valid GGUF file.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// A GGUF file of another kind.
    #[error("this is not an importance matrix: key {key:?} is missing; make one with llama-imatrix")]
    MissingKey { key: &'static str },
    /// The file of the older format ends too early, or is of another kind.
    #[error(
        "this is not an importance matrix: it is not a GGUF file, and as one of the older format it would \
         end within {what} at byte {offset}; make one with llama-imatrix"
    )]
    Truncated { what: String, offset: u64 },
    /// A number of the older format that cannot be.
    #[error("this is not an importance matrix: {what} at byte {offset} is {got}")]
    Number { what: String, offset: u64, got: i32 },
    /// A name is not a text.
    #[error("the name of entry {index} at byte {offset} is not UTF-8 text")]
    Name {
        /// Which, from 0.
        index: usize,
        offset: u64,
    },
    /// There is nothing in it.
    #[error("the importance matrix has no entries")]
    Empty,
    /// There are more entries than any model has tensors.
    #[error("this is not an importance matrix: it has {got} entries, more than {limit}")]
    TooMany { got: u64, limit: usize },
    /// Sums without counts, or the other way round.
    #[error("entry {tensor:?} has no {missing:?} in the importance matrix")]
    Half { tensor: String, missing: &'static str },
    /// Sums or counts of another type.
    #[error("{name:?} in the importance matrix has element type {got}, expected F32")]
    ElementType { name: String, got: crate::tensor::ElementType },
    /// Counts that do not divide the sums.
    #[error(
        "entry {tensor:?} of the importance matrix has {sums} values and {counts} counts, which do not \
         divide them"
    )]
    Counts { tensor: String, sums: u64, counts: u64 },
    /// A value that is infinite, negative, or not a number.
    #[error(
        "entry {tensor:?} of the importance matrix has the value {value} at {index}, expected a finite \
         number from 0"
    )]
    Value {
        tensor: String,
        /// Which value, from 0.
        index: usize,
        value: String,
    },
    /// Entries are both included and excluded.
    #[error("include_weights and exclude_weights are both given; give one of them")]
    BothSelections,
}
