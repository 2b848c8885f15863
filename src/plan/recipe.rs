//! How the elements of one tensor come about, as an expression over stored tensors.
//!
//! A recipe has *dimensions*, slowest first as checkpoints and NumPy have them (a file's
//! [`Shape`](crate::tensor::Shape) is the reverse). Reshapes, slices, transpositions and row
//! permutations are all one thing, a strided view of a stored tensor, so they cost nothing until
//! the elements are read, and any sequence of them that needs no copy is still one view.

use crate::tensor::ElementType;

/// An expression that yields the elements of a tensor in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub enum Recipe {
    /// A strided view of a stored tensor.
    View(View),
    /// Elements known from the configuration (rope factors, padding).
    Constant {
        /// Slowest first.
        dimensions: Vec<u64>,
        /// As many as the dimensions say.
        values: Vec<f32>,
    },
    /// Inputs one after the other along `axis`; all other dimensions agree.
    Concatenate {
        /// Index into the dimensions of every input.
        axis: usize,
        /// At least one.
        inputs: Vec<Recipe>,
    },
    /// One operation on each element.
    Map {
        /// The operation.
        operation: Operation,
        /// Its input.
        input: Box<Recipe>,
    },
}

/// A tensor as it lies in a source.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// Index into [`Plan::sources`](super::Plan::sources).
    pub source: usize,
    /// Offset of its first byte in the source.
    pub offset: u64,
    /// How its elements are encoded.
    pub encoding: Encoding,
    /// Slowest first; elements lie in row-major order.
    pub dimensions: Vec<u64>,
}

/// How the elements of a stored tensor are encoded.
#[derive(Debug, Clone, PartialEq)]
pub enum Encoding {
    /// An element type of ggml, row by row.
    Plain(ElementType),
    /// 8-bit floats (e4m3fn) with scales that multiply them, one a block of the last two dimensions.
    F8E4M3(Option<BlockScale>),
    /// MXFP4 as released checkpoints have it: blocks of 16 bytes with two consecutive elements a byte,
    /// and the blocks' shared exponents in a tensor of their own. Yields ggml's MXFP4.
    Mxfp4 {
        /// Where the exponents lie: one byte a block of 32 elements, same source.
        exponents: (usize, u64),
    },
}

/// Scales of 8-bit floats.
#[derive(Debug, Clone, PartialEq)]
pub struct BlockScale {
    /// Source index and byte offset of the scales.
    pub location: (usize, u64),
    /// F32, BF16 or F16.
    pub element_type: ElementType,
    /// Rows and columns that share one scale; the last block of either may be cut off.
    pub block: (u64, u64),
}

/// A strided view: element `i0, i1, …` is the stored element `offset + Σ i·stride`.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// What is viewed.
    pub stored: Stored,
    /// Index of the first element in row-major order.
    pub offset: u64,
    /// Length and stride, in elements, of each dimension, slowest first.
    pub dimensions: Vec<(u64, u64)>,
}

/// An operation on each element.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Operation {
    /// `x + 1`, rounded to the element type named (F16 sources are added to in half precision).
    AddOne(ElementType),
    /// `-exp(x)`, rounded likewise.
    NegatedExponential(ElementType),
}
