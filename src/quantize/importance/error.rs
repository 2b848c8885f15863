//! Why a file is no importance matrix.

use crate::gguf::GgufError;

/// Why a file is no importance matrix that can be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ImportanceError {
    /// It is no valid GGUF file.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// A GGUF file of another kind.
    #[error("this is no importance matrix: key {key:?} is missing; make one with llama-imatrix")]
    MissingKey {
        /// The key that every matrix has.
        key: &'static str,
    },
    /// The file of the older format ends too early, or is of another kind.
    #[error(
        "this is no importance matrix: it is no GGUF file, and as one of the older format it would end within \
         {what} at byte {offset}; make one with llama-imatrix"
    )]
    Truncated {
        /// What was to be read.
        what: String,
        /// Where it begins.
        offset: u64,
    },
    /// A number of the older format that cannot be.
    #[error("this is no importance matrix: {what} at byte {offset} is {got}")]
    Number {
        /// What it stands for.
        what: String,
        /// Where it stands.
        offset: u64,
        /// The number.
        got: i32,
    },
    /// A name is no text.
    #[error("the name of entry {index} at byte {offset} is no UTF-8 text")]
    Name {
        /// Which, from 0.
        index: usize,
        /// Where it begins.
        offset: u64,
    },
    /// There is nothing in it.
    #[error("the importance matrix has no entries")]
    Empty,
    /// There are more entries than any model has tensors.
    #[error("this is no importance matrix: it has {got} entries, more than {limit}")]
    TooMany {
        /// How many there are.
        got: u64,
        /// How many there may be.
        limit: usize,
    },
    /// Sums without counts, or the other way round.
    #[error("entry {tensor:?} has no {missing:?} in the importance matrix")]
    Half {
        /// The tensor that it is for.
        tensor: String,
        /// The end of the name that is missing.
        missing: &'static str,
    },
    /// Sums or counts of another type.
    #[error("{name:?} in the importance matrix has element type {got}, expected F32")]
    ElementType {
        /// The tensor of the file.
        name: String,
        /// Its type.
        got: crate::tensor::ElementType,
    },
    /// Counts that do not divide the sums.
    #[error(
        "entry {tensor:?} of the importance matrix has {sums} values and {counts} counts, which do not divide them"
    )]
    Counts {
        /// The tensor that it is for.
        tensor: String,
        /// How many sums there are.
        sums: u64,
        /// How many counts there are.
        counts: u64,
    },
    /// A value that is infinite, negative, or not a number.
    #[error(
        "entry {tensor:?} of the importance matrix has the value {value} at {index}, expected a finite number from 0"
    )]
    Value {
        /// The tensor that it is for.
        tensor: String,
        /// Which value, from 0.
        index: usize,
        /// The value.
        value: String,
    },
    /// Entries are both included and excluded.
    #[error("weights are both included and excluded; give the one or the other")]
    BothSelections,
}
