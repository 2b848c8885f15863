//! Why a plan cannot be carried out.

use std::io;
use std::sync::Arc;

use crate::gguf::GgufError;
use crate::tensor::{ElementType, Shape, TensorError};

/// Why a plan cannot be, or was not, carried out. Several files of a batch may fail for one reason, so it can
/// be copied.
#[derive(Debug, Clone, thiserror::Error)]
#[expect(missing_docs, reason = "the message of a variant says what its fields are")]
pub enum PlanError {
    /// The header of the file to come is impossible: names, shapes, sizes.
    #[error("the file cannot be written: {0}")]
    Header(#[from] GgufError),
    /// The shape of a tensor has not as many elements as its derivation yields.
    #[error("tensor {tensor:?} has {expected} elements, but its derivation yields {got}")]
    ElementCount { tensor: String, got: u64, expected: u64 },
    /// A derivation refers to a source that the plan does not have.
    #[error("tensor {tensor:?} refers to source {source_index} of {count}")]
    NoSuchSource {
        tensor: String,
        /// The index of the source.
        source_index: usize,
        count: usize,
    },
    /// A stored tensor does not lie within its source.
    #[error("tensor {tensor:?} needs {needed} bytes at byte {offset} of {label:?}, which has {length}")]
    PastEnd {
        tensor: String,
        label: String,
        /// Where its bytes begin.
        offset: u64,
        needed: u64,
        length: u64,
    },
    /// Nothing converts the stored type into the planned one.
    #[error("tensor {tensor:?}: {reason}")]
    Convert { tensor: String, reason: TensorError },
    /// An importance matrix was made for a tensor of another shape.
    #[error(
        "the importance of tensor {tensor:?} has {matrices} x {columns} values, which do not fit its shape \
         {shape}"
    )]
    ImportanceShape { tensor: String, shape: Shape, matrices: u64, columns: u64 },
    /// A row is too long to be weighed by importance.
    #[error("tensor {tensor:?} has rows of {columns} elements, with importance they may have {longest}")]
    RowTooLong { tensor: String, columns: u64, longest: u64 },
    /// The executor was given other sources than the plan describes.
    #[error("source {label:?} has {got} bytes, the plan was made for {expected}")]
    SourceLength { label: String, got: u64, expected: u64 },
    /// The executor was given fewer or more sources than the plan describes.
    #[error("{got} sources were given, the plan was made for {expected}")]
    SourceCount { got: usize, expected: usize },
    /// A source could not be read.
    #[error("cannot read {length} bytes at byte {offset} of {label:?} for tensor {tensor:?}: {reason}")]
    Read { tensor: String, label: String, offset: u64, length: u64, reason: Arc<io::Error> },
    /// A list that chooses what elements are scaled by names one that is not there.
    #[error(
        "tensor {tensor:?}: number {position} of the list at byte {offset} of {label:?} is {got}, expected 0 \
         to {last}"
    )]
    NoSuchChoice {
        tensor: String,
        label: String,
        /// Where the list begins.
        offset: u64,
        position: u64,
        got: i32,
        last: u64,
    },
    /// A value that is to be quantized is infinite or not a number.
    #[error("tensor {tensor:?} has invalid data: element {element} is {value}, expected a finite number")]
    NotFinite {
        tensor: String,
        /// The position of the element in the tensor, in row-major order.
        element: u64,
        /// The value, as text.
        value: String,
    },
    /// Values are too large for the element type: quantized, they would be infinite.
    #[error(
        "tensor {tensor:?} does not fit {element_type}: elements {first} to {last} would become infinite"
    )]
    Overflow { tensor: String, element_type: ElementType, first: u64, last: u64 },
    /// The finished bytes could not be written.
    #[error("cannot write byte {offset} of the result: {reason}")]
    Write { offset: u64, reason: Arc<io::Error> },
    /// The operating system has no thread to compute on.
    #[error("there is no thread to compute on: {reason}; try again later")]
    NoThread { reason: Arc<io::Error> },
    /// Whoever asked for the file no longer wants it.
    #[error("cancelled")]
    Cancelled,
}
