//! A tensor as it lies in a source: where, how its elements are encoded, and its dimensions.

use super::RecipeError;
use crate::tensor::ElementType;

/// A place in one of the sources of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Location {
    /// Index into [`Plan::sources`](super::Plan::sources).
    pub source: usize,
    /// Offset of the first byte in that source.
    pub offset: u64,
}

/// A tensor as it lies in a source; its elements lie in row-major order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Stored {
    /// Where its first byte is.
    pub location: Location,
    /// How its elements are encoded.
    pub encoding: Encoding,
    /// Slowest first; all positive. An empty list is a scalar.
    pub dimensions: Vec<u64>,
}

/// How the elements of a stored tensor are encoded.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// An element type of ggml, row by row.
    Plain(ElementType),
    /// 8-bit floats (OCP e4m3fn) with scales that multiply them; without scales they are the values.
    F8E4M3(Option<BlockScale>),
    /// MXFP4 as released checkpoints have it: 16 bytes a block of 32 elements, two consecutive elements
    /// a byte (the first in the low bits), and the blocks' shared exponents in a tensor of their own.
    /// Yields ggml's MXFP4.
    Mxfp4 {
        /// The exponents: one byte a block, in the order of the blocks.
        exponents: Location,
    },
}

/// Scales of 8-bit floats: one for each block of the last two dimensions, in row-major order, matrix
/// after matrix. One scale a tensor is a block as large as a matrix; one a row is a block of one row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BlockScale {
    /// Where the first scale lies.
    pub location: Location,
    /// F32, BF16 or F16.
    pub element_type: ElementType,
    /// Rows and columns that share one scale, both positive; the last block of either may be cut off.
    pub block: (u64, u64),
}

impl Stored {
    /// A tensor stored in one of ggml's element types.
    pub fn plain(location: Location, element_type: ElementType, dimensions: &[u64]) -> Self {
        Self { location, encoding: Encoding::Plain(element_type), dimensions: dimensions.to_vec() }
    }

    /// How many elements there are.
    pub(super) fn element_count(&self) -> u64 {
        self.dimensions.iter().product()
    }

    /// Rows and columns of the matrices that the last two dimensions form; a vector is one row.
    pub(super) fn matrix(&self) -> (u64, u64) {
        match self.dimensions.as_slice() {
            [] => (1, 1),
            [columns] => (1, *columns),
            [.., rows, columns] => (*rows, *columns),
        }
    }

    /// The byte ranges that this tensor occupies: source, offset and length of each.
    pub(super) fn extents(&self) -> Vec<(Location, u64)> {
        let count = self.element_count();
        match &self.encoding {
            Encoding::Plain(element_type) => vec![(self.location, bytes_of(*element_type, count))],
            Encoding::F8E4M3(None) => vec![(self.location, count)],
            Encoding::F8E4M3(Some(scale)) => {
                let scales = scale.count(self);
                vec![(self.location, count), (scale.location, bytes_of(scale.element_type, scales))]
            }
            Encoding::Mxfp4 { exponents } => {
                let blocks = count / Encoding::MXFP4_BLOCK;
                vec![(self.location, blocks * 16), (*exponents, blocks)]
            }
        }
    }

    /// Checks what every reader of this tensor relies on.
    pub(super) fn check(&self) -> Result<(), RecipeError> {
        let zero = self.dimensions.contains(&0);
        // Sixteen bytes an element is more than any encoding needs, so sizes in bytes cannot overflow.
        let count = self.dimensions.iter().try_fold(16_u64, |count, &length| count.checked_mul(length));
        if zero || count.is_none() {
            return Err(RecipeError::Dimensions { dimensions: self.dimensions.clone() });
        }
        let block = self.encoding.block();
        let columns = self.matrix().1;
        if !columns.is_multiple_of(block) {
            return Err(RecipeError::RowNotInBlocks { columns, block });
        }
        match &self.encoding {
            Encoding::F8E4M3(Some(scale)) if scale.block.0 == 0 || scale.block.1 == 0 => {
                Err(RecipeError::ScaleBlock { rows: scale.block.0, columns: scale.block.1 })
            }
            Encoding::F8E4M3(Some(BlockScale { element_type, .. })) => match element_type {
                ElementType::F32 | ElementType::F16 | ElementType::Bf16 => Ok(()),
                _ => Err(RecipeError::ScaleType { element_type: *element_type }),
            },
            _ => Ok(()),
        }
    }
}

impl Encoding {
    /// Elements in an MXFP4 block (OCP microscaling formats, version 1.0).
    pub(super) const MXFP4_BLOCK: u64 = 32;

    /// How many consecutive elements of a row can only be moved together.
    pub(super) fn block(&self) -> u64 {
        match self {
            Encoding::Plain(element_type) => element_type.block_len() as u64,
            Encoding::F8E4M3(_) => 1,
            Encoding::Mxfp4 { .. } => Self::MXFP4_BLOCK,
        }
    }

    /// The narrowest element type of ggml that holds every value exactly as it is.
    pub(super) fn precision(&self) -> ElementType {
        match self {
            Encoding::Plain(element_type) => *element_type,
            Encoding::F8E4M3(_) => ElementType::F32,
            Encoding::Mxfp4 { .. } => ElementType::Mxfp4,
        }
    }
}

impl BlockScale {
    /// How many scales `tensor` has, rows and columns of scales included.
    pub(super) fn count(&self, tensor: &Stored) -> u64 {
        let (rows, columns) = tensor.matrix();
        let matrices = tensor.element_count() / (rows * columns);
        matrices * rows.div_ceil(self.block.0) * columns.div_ceil(self.block.1)
    }

    /// The index of the scale of element `index` of `tensor`, and for how many elements from there on it holds.
    pub(super) fn covering(&self, tensor: &Stored, index: u64) -> (u64, u64) {
        let (rows, columns) = tensor.matrix();
        let (matrix, row, column) = (index / (rows * columns), index / columns % rows, index % columns);
        let (scale_rows, scale_columns) = (rows.div_ceil(self.block.0), columns.div_ceil(self.block.1));
        let scale = (matrix * scale_rows + row / self.block.0) * scale_columns + column / self.block.1;
        (scale, (self.block.1 - column % self.block.1).min(columns - column))
    }
}

/// Bytes of `count` elements, a whole number of blocks.
pub(super) fn bytes_of(element_type: ElementType, count: u64) -> u64 {
    count / element_type.block_len() as u64 * element_type.block_bytes() as u64
}
