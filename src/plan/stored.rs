//! A tensor as it lies in a source: where, how its elements are encoded, and its dimensions.

use super::DerivationError;
use super::codes::{Codes, Levels, Packing};
use super::location::Location;
use crate::tensor::ElementType;

/// A tensor as it lies in a source; its elements lie in row-major order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Stored {
    /// Where its first byte is.
    pub location: Location,
    /// How its elements are encoded.
    pub encoding: Encoding,
    /// Slowest first; all positive. An empty list is a scalar.
    pub dimensions: Vec<u64>,
    /// Which of the numbers that lie in the source each element is.
    pub spread: Spread,
}

/// How the elements of a stored tensor are encoded.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// An element type of ggml, row by row.
    Plain(ElementType),
    /// Numbers of a few bits.
    Codes(Codes),
    /// MXFP4 as released checkpoints have it: 16 bytes a block of 32 elements, two consecutive elements
    /// a byte (the first in the low bits), and the blocks' shared exponents in a tensor of their own.
    /// Yields ggml's MXFP4.
    Mxfp4 {
        /// The exponents: one byte a block, in the order of the blocks.
        exponents: Location,
    },
    /// NVFP4 as released checkpoints have it: 8 bytes a group of 16 elements, two consecutive elements a byte
    /// (the first in the low bits), and the groups' scales in a tensor of their own. Yields ggml's NVFP4, in
    /// which four groups are a block. Steps may tear groups and blocks apart as long as rows consist of whole
    /// ones in the end.
    Nvfp4 {
        /// The scales: one byte (e4m3) a group, in the order of the groups. Their signs are not read.
        scales: Location,
    },
}

/// Which of the numbers that lie in a source each element of a tensor is: scales are shared by many elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Spread {
    /// Each is one of its own.
    Each,
    /// Those of a block of the last two dimensions share one; the blocks lie in row-major order, matrix after
    /// matrix, and the last of a row or column may be cut off. One number a tensor is a block as large as a
    /// matrix, one a row is a block of one row.
    Blocks {
        /// Rows that share a number, positive.
        rows: u64,
        /// Columns that share it, positive.
        columns: u64,
    },
    /// A list chooses, for each index of an axis, one from another number of them.
    Chosen {
        /// The axis.
        axis: usize,
        /// Where the list lies, I32, one for each index of the axis.
        numbers: Location,
        /// How many there are to choose from.
        count: u64,
    },
}

impl Stored {
    /// A tensor stored in one of ggml's element types.
    pub fn plain(location: Location, element_type: ElementType, dimensions: &[u64]) -> Self {
        Self::each(location, Encoding::Plain(element_type), dimensions)
    }

    /// A tensor that stores every element.
    pub fn each(location: Location, encoding: Encoding, dimensions: &[u64]) -> Self {
        Self { location, encoding, dimensions: dimensions.to_vec(), spread: Spread::Each }
    }

    /// How many elements there are.
    pub(super) fn element_count(&self) -> u64 {
        self.dimensions.iter().product()
    }

    /// How many numbers lie in the source.
    pub(super) fn stored_count(&self) -> u64 {
        let count = self.element_count();
        match self.spread {
            Spread::Each => count,
            Spread::Blocks { rows, columns } => {
                let (down, across) = self.matrix();
                count / (down * across) * down.div_ceil(rows) * across.div_ceil(columns)
            }
            Spread::Chosen { axis, count: chosen_from, .. } => count / self.length(axis) * chosen_from,
        }
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
        let mut extents = vec![(self.location, self.stored_bytes())];
        match &self.encoding {
            Encoding::Codes(codes) => {
                if let Levels::Table(table) = codes.levels {
                    extents.push((table, codes.table_bytes()));
                }
            }
            Encoding::Plain(_) => {}
            Encoding::Mxfp4 { exponents: apart } | Encoding::Nvfp4 { scales: apart } => {
                extents.push((*apart, self.stored_count() / self.encoding.block()));
            }
        }
        if let Spread::Chosen { axis, numbers, .. } = self.spread {
            extents.push((numbers, 4 * self.length(axis)));
        }
        extents
    }

    /// The length of an axis.
    pub(super) fn length(&self, axis: usize) -> u64 {
        self.dimensions.get(axis).copied().unwrap_or(1)
    }

    /// Bytes of what lies at [`location`](Self::location).
    pub(super) fn stored_bytes(&self) -> u64 {
        let count = self.stored_count();
        match &self.encoding {
            Encoding::Plain(element_type) => bytes_of(*element_type, count),
            Encoding::Codes(codes) => count.div_ceil(codes.packing.codes) * codes.packing.string_bytes(),
            Encoding::Mxfp4 { .. } | Encoding::Nvfp4 { .. } => count / 2,
        }
    }

    /// Checks what every reader of this tensor relies on.
    pub(super) fn check(&self) -> Result<(), DerivationError> {
        let zero = self.dimensions.contains(&0);
        // Sixteen bytes an element is more than any encoding needs, so sizes in bytes cannot overflow.
        let countable = |lengths: &[u64]| {
            lengths.iter().try_fold(16_u64, |count, &length| count.checked_mul(length)).is_some()
        };
        if zero || !countable(&self.dimensions) {
            return Err(DerivationError::Dimensions { dimensions: self.dimensions.clone() });
        }
        let block = self.encoding.block();
        let columns = self.matrix().1;
        if !columns.is_multiple_of(block) {
            return Err(DerivationError::RowNotInBlocks { columns, block });
        }
        if let Encoding::Codes(codes) = &self.encoding {
            codes.check()?;
            let Packing { codes, abreast, .. } = codes.packing;
            let row = codes.saturating_mul(abreast);
            if abreast > 1 && !self.stored_count().is_multiple_of(row) {
                return Err(DerivationError::RowNotInBlocks { columns: self.stored_count(), block: row });
            }
        }
        self.check_spread(countable)
    }

    fn check_spread(&self, countable: impl Fn(&[u64]) -> bool) -> Result<(), DerivationError> {
        match self.spread {
            Spread::Each => return Ok(()),
            Spread::Blocks { rows, columns } if rows == 0 || columns == 0 => {
                return Err(DerivationError::SharedBlock { rows, columns });
            }
            Spread::Blocks { .. } => {}
            Spread::Chosen { axis, count, .. } => {
                let mut dimensions = self.dimensions.clone();
                let length = dimensions.get_mut(axis);
                let length = length
                    .ok_or_else(|| DerivationError::Axis { axis, dimensions: self.dimensions.clone() })?;
                *length = count;
                if count == 0 || !countable(&dimensions) {
                    return Err(DerivationError::Dimensions { dimensions });
                }
            }
        }
        match &self.encoding {
            Encoding::Codes(_)
            | Encoding::Plain(ElementType::F32 | ElementType::F16 | ElementType::Bf16 | ElementType::F64) => {
                Ok(())
            }
            other => Err(DerivationError::SharedType { element_type: other.precision() }),
        }
    }

    /// For elements of which blocks share a number: that of element `index`, and for how many elements,
    /// `stride` apart, it holds from there on.
    pub(super) fn covering(&self, (rows, columns): (u64, u64), index: u64, stride: u64) -> (u64, u64) {
        let (height, width) = self.matrix();
        let (line, column) = (index / width, index % width);
        let (matrix, row) = (line / height, line % height);
        let number =
            (matrix * height.div_ceil(rows) + row / rows) * width.div_ceil(columns) + column / columns;
        let steps = if stride == 1 {
            (columns - column % columns).min(width - column)
        } else if stride.is_multiple_of(width) && stride > 0 {
            (rows - row % rows).min(height - row).div_ceil(stride / width)
        } else {
            1
        };
        (number, steps)
    }
}

impl Encoding {
    /// Elements in an MXFP4 block (OCP microscaling formats, version 1.0).
    const MXFP4_BLOCK: u64 = 32;
    /// Elements that share a scale in NVFP4.
    const NVFP4_GROUP: u64 = 16;

    /// How many consecutive elements of a row can only be moved together.
    pub(super) fn block(&self) -> u64 {
        match self {
            Encoding::Plain(element_type) => element_type.block_len() as u64,
            Encoding::Codes(_) => 1,
            Encoding::Mxfp4 { .. } => Self::MXFP4_BLOCK,
            Encoding::Nvfp4 { .. } => Self::NVFP4_GROUP,
        }
    }

    /// The narrowest element type of ggml that holds every value exactly as it is.
    pub(super) fn precision(&self) -> ElementType {
        match self {
            Encoding::Plain(element_type) => *element_type,
            Encoding::Codes(_) => ElementType::F32,
            Encoding::Mxfp4 { .. } => ElementType::Mxfp4,
            Encoding::Nvfp4 { .. } => ElementType::Nvfp4,
        }
    }
}

/// Bytes of `count` elements, a whole number of blocks.
pub(super) fn bytes_of(element_type: ElementType, count: u64) -> u64 {
    count / element_type.block_len() as u64 * element_type.block_bytes() as u64
}
