//! What can go wrong in this room.

use super::ElementType;

/// A failure of the tensor room. Every variant is caused by the caller's numbers or by values in the data;
/// none of them depends on the machine, except [`TensorError::UnknownPlatform`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of a variant says what its fields are")]
pub enum TensorError {
    /// A shape has no dimension or more than four.
    #[error("a tensor has 1 to 4 dimensions, got {got}")]
    Rank { got: usize },
    /// A dimension is zero.
    #[error("dimension {index} is 0, expected a positive length")]
    EmptyDimension {
        /// The position of the dimension, fastest first.
        index: usize,
    },
    /// The number of elements or bytes does not fit in 64 bits.
    #[error("the size of a tensor of shape {dimensions:?} does not fit in 64 bits")]
    TooLarge {
        /// The dimensions given, fastest first.
        dimensions: Vec<u64>,
    },
    /// A row does not consist of whole blocks.
    #[error(
        "a row of {columns} elements is not a whole number of {element_type} blocks of {}",
        element_type.block_len()
    )]
    PartialBlock { element_type: ElementType, columns: u64 },
    /// A buffer does not have the length that the other arguments ask for.
    #[error("the {buffer} buffer holds {got} {unit}, expected {expected}")]
    BufferLength {
        buffer: &'static str,
        /// What is counted: `bytes` or `elements`.
        unit: &'static str,
        got: usize,
        expected: usize,
    },
    /// Nothing here makes this type from 32-bit floats.
    #[error("quantizing to {element_type} is not supported")]
    CannotQuantize { element_type: ElementType },
    /// The type cannot be made without knowing how much each column matters.
    #[error("quantizing to {element_type} needs an importance matrix")]
    NeedsImportance { element_type: ElementType },
    /// Nothing here turns this type into 32-bit floats.
    #[error("reading {element_type} as numbers is not supported")]
    CannotDequantize { element_type: ElementType },
    /// A value is infinite or not a number.
    #[error("element {index} is {value}, expected a finite number")]
    NotFinite {
        index: usize,
        /// The offending value, as text (`NaN`, `inf`, `-inf`).
        value: String,
    },
    /// The scale of a block is infinite or not a number: the values overflow the type.
    #[error("block {block} of {element_type} data has a scale that is not a finite number")]
    InvalidScale { element_type: ElementType, block: usize },
    /// A SIMD level was asked for that does not exist or that this processor lacks.
    #[error("SIMD level {name:?} is not available, expected one of {available}")]
    UnknownPlatform { name: String, available: String },
}
