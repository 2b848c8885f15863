//! Why a derivation cannot be.

use crate::tensor::ElementType;

/// Why a derivation cannot be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of a variant says what its fields are")]
pub enum DerivationError {
    /// A dimension of zero, or more elements than can be counted.
    #[error("dimensions {dimensions:?} are not positive or too large")]
    Dimensions {
        /// Those dimensions, slowest first.
        dimensions: Vec<u64>,
    },
    /// Values do not fill their dimensions.
    #[error("{got} values were given for dimensions {dimensions:?}")]
    ValueCount { got: usize, dimensions: Vec<u64> },
    /// A row does not consist of whole blocks of its element type.
    #[error("rows of {columns} elements do not consist of whole blocks of {block}")]
    RowNotInBlocks { columns: u64, block: u64 },
    /// Codes that do not fit their words.
    #[error("{codes} codes of {bits} bits do not fit {words} words")]
    Packing { bits: u32, codes: u64, words: u64 },
    /// Numbers that are shared by empty blocks.
    #[error("blocks of {rows} by {columns} elements mean nothing")]
    SharedBlock { rows: u64, columns: u64 },
    /// Numbers that cannot be shared one by one.
    #[error("scales have element type {element_type}, expected F32, F16 or BF16")]
    SharedType { element_type: ElementType },
    /// Two inputs of different dimensions that would meet element by element.
    #[error("dimensions {one:?} and {other:?} do not meet element by element")]
    Pair { one: Vec<u64>, other: Vec<u64> },
    /// A reshape to another number of elements, or one that would cut a permuted axis apart.
    #[error("dimensions {from:?} cannot be reshaped to {to:?}")]
    Reshape { from: Vec<u64>, to: Vec<u64> },
    /// Not a permutation of the axes.
    #[error("axes {order:?} are not a permutation of those of dimensions {dimensions:?}")]
    Permutation { order: Vec<usize>, dimensions: Vec<u64> },
    /// An axis that is not there.
    #[error("there is no axis {axis} in dimensions {dimensions:?}")]
    Axis { axis: usize, dimensions: Vec<u64> },
    /// A slice that is empty, past the end, or no walk of constant strides.
    #[error("an axis of length {length} cannot be sliced from {start} to {end} in steps of {step}")]
    Slice {
        /// First index.
        start: u64,
        /// The index after the last.
        end: u64,
        step: u64,
        length: u64,
    },
    /// An axis to be squeezed that has more than one element.
    #[error("axis {axis} of dimensions {dimensions:?} is longer than one")]
    Squeeze { axis: usize, dimensions: Vec<u64> },
    /// Elements of a block format would have to be separated.
    #[error(
        "dimensions {dimensions:?} would tear apart blocks of {block} elements that can only move together"
    )]
    CutsBlock { dimensions: Vec<u64>, block: u64 },
    /// Nothing to concatenate, or inputs whose other dimensions differ.
    #[error("cannot concatenate along axis {axis}: dimensions {dimensions:?}")]
    Concatenation { axis: usize, dimensions: Vec<Vec<u64>> },
    /// A change of matrices of other dimensions.
    #[error("factors of dimensions {inputs:?} and {outputs:?} do not change a matrix of dimensions {base:?}")]
    Change {
        /// The dimensions of the matrix, slowest first.
        base: Vec<u64>,
        inputs: Vec<u64>,
        outputs: Vec<u64>,
    },
    /// Sums that are not matrices of columns, or not one count for each.
    #[error(
        "importance of sums of dimensions {sums:?} has counts of dimensions {counts:?}, expected one a matrix"
    )]
    Importance {
        /// The dimensions of the sums, slowest first.
        sums: Vec<u64>,
        counts: Vec<u64>,
    },
}
