//! The shape of a tensor.

use super::TensorError;

/// One to four positive dimensions, *fastest first* as in GGUF: the first is the length of a row. The number
/// of elements fits in 64 bits.
///
/// Checkpoints of other frameworks list the slowest dimension first; see
/// [`from_slowest_first`](Self::from_slowest_first).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    rank: u8,
    /// The dimensions, filled up with ones.
    dimensions: [u64; Self::MAX_RANK],
}

impl Shape {
    /// The largest number of dimensions of a ggml tensor.
    pub const MAX_RANK: usize = 4;

    /// A shape from dimensions in GGUF's order, fastest first.
    ///
    /// # Errors
    ///
    /// [`TensorError::Rank`], [`TensorError::EmptyDimension`] or [`TensorError::TooLarge`].
    pub fn new(dimensions: &[u64]) -> Result<Self, TensorError> {
        if dimensions.is_empty() || dimensions.len() > Self::MAX_RANK {
            return Err(TensorError::Rank { got: dimensions.len() });
        }
        if let Some(index) = dimensions.iter().position(|&length| length == 0) {
            return Err(TensorError::EmptyDimension { index });
        }
        dimensions
            .iter()
            .try_fold(1_u64, |elements, &length| elements.checked_mul(length))
            .ok_or_else(|| TensorError::TooLarge { dimensions: dimensions.to_vec() })?;
        let mut filled = [1; Self::MAX_RANK];
        filled[..dimensions.len()].copy_from_slice(dimensions);
        Ok(Self { rank: dimensions.len() as u8, dimensions: filled })
    }

    /// A shape from dimensions in the order of safetensors, PyTorch and NumPy, slowest first.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn from_slowest_first(dimensions: &[u64]) -> Result<Self, TensorError> {
        let reversed: Vec<u64> = dimensions.iter().rev().copied().collect();
        Self::new(&reversed)
    }

    /// The dimensions as given, fastest first.
    pub fn dimensions(&self) -> &[u64] {
        &self.dimensions[..self.rank()]
    }

    /// The number of dimensions, trailing ones included.
    pub fn rank(&self) -> usize {
        usize::from(self.rank)
    }

    /// The same without dimensions of length one at the end; the first always stays.
    pub fn without_trailing_ones(self) -> Self {
        let last = self.dimensions.iter().rposition(|&length| length != 1).unwrap_or(0);
        Self { rank: last as u8 + 1, ..self }
    }

    /// The length of a row: the first dimension.
    pub fn row_len(&self) -> u64 {
        self.dimensions[0]
    }

    /// The number of rows: the product of all dimensions but the first.
    pub fn rows(&self) -> u64 {
        self.dimensions[1..].iter().product()
    }

    /// The number of elements.
    pub fn elements(&self) -> u64 {
        self.dimensions.iter().product()
    }
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.dimensions())
    }
}

impl std::fmt::Debug for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Shape{:?}", self.dimensions())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_elements_are_counted() {
        let shape = Shape::new(&[256, 3, 5]).unwrap();
        assert_eq!((shape.row_len(), shape.rows(), shape.elements(), shape.rank()), (256, 15, 3840, 3));
        assert_eq!(shape, Shape::from_slowest_first(&[5, 3, 256]).unwrap());
        assert_eq!(shape.to_string(), "[256, 3, 5]");
        for (given, left) in [(vec![7, 1, 2, 1], vec![7, 1, 2]), (vec![1, 1], vec![1]), (vec![5], vec![5])] {
            assert_eq!(Shape::new(&given).unwrap().without_trailing_ones(), Shape::new(&left).unwrap());
        }
    }

    #[test]
    fn impossible_shapes_are_refused() {
        assert_eq!(Shape::new(&[]), Err(TensorError::Rank { got: 0 }));
        assert_eq!(Shape::new(&[1; 5]), Err(TensorError::Rank { got: 5 }));
        assert_eq!(Shape::new(&[7, 0]), Err(TensorError::EmptyDimension { index: 1 }));
        assert!(matches!(Shape::new(&[1 << 32, 1 << 32]), Err(TensorError::TooLarge { .. })));
    }
}
