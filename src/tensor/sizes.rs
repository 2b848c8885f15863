//! How many bytes rows and tensors take.

use super::{ElementType, Shape, TensorError};

impl ElementType {
    /// The number of bytes of a row of `columns` elements.
    ///
    /// # Errors
    ///
    /// [`TensorError::PartialBlock`] if blocks do not divide the row, [`TensorError::TooLarge`] if the
    /// number of bytes does not fit in 64 bits.
    pub fn row_bytes(self, columns: u64) -> Result<u64, TensorError> {
        let block_len = self.block_len() as u64;
        if !columns.is_multiple_of(block_len) {
            return Err(TensorError::PartialBlock { element_type: self, columns });
        }
        (columns / block_len)
            .checked_mul(self.block_bytes() as u64)
            .ok_or_else(|| TensorError::TooLarge { dimensions: vec![columns] })
    }

    /// The number of bytes of a whole tensor, without padding after it.
    ///
    /// # Errors
    ///
    /// As for [`row_bytes`](Self::row_bytes).
    pub fn tensor_bytes(self, shape: &Shape) -> Result<u64, TensorError> {
        self.row_bytes(shape.row_len())?
            .checked_mul(shape.rows())
            .ok_or_else(|| TensorError::TooLarge { dimensions: shape.dimensions().to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::ElementType::{F64, Q4K};
    use super::*;

    #[test]
    fn rows_are_whole_blocks() {
        assert_eq!(Q4K.row_bytes(512), Ok(288));
        assert_eq!(Q4K.row_bytes(128), Err(TensorError::PartialBlock { element_type: Q4K, columns: 128 }));
        assert!(matches!(F64.row_bytes(u64::MAX), Err(TensorError::TooLarge { .. })));
    }
}
