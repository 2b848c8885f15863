//! Why a plan cannot be quantized.

use super::file_type::FileType;
use crate::gguf::GgufError;
use crate::tensor::{ElementType, TensorError};

/// Why a plan cannot be quantized.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum QuantizeError {
    /// The metadata lack what the mixture depends on, or state nonsense.
    #[error(transparent)]
    Metadata(#[from] GgufError),
    /// The source is quantized already.
    #[error(
        "tensor {tensor:?} is already quantized to {got}, quantizing it again to {wanted} for {file_type} would lose \
         quality; start from the F16, BF16 or F32 model"
    )]
    AlreadyQuantized {
        /// The tensor.
        tensor: String,
        /// Its type.
        got: ElementType,
        /// The type that it would get.
        wanted: ElementType,
        /// What was asked for.
        file_type: FileType,
    },
    /// A tensor that holds no floats would have to be quantized.
    #[error("tensor {tensor:?} has element type {got}, which cannot become {wanted}")]
    NotFloat {
        /// The tensor.
        tensor: String,
        /// Its type.
        got: ElementType,
        /// The type that it would get.
        wanted: ElementType,
    },
    /// A tensor of four dimensions would have to be quantized.
    #[error("tensor {tensor:?} has four dimensions, quantization supports at most three")]
    FourDimensions {
        /// The tensor.
        tensor: String,
    },
    /// A tensor of an expert whose layer the model does not have.
    #[error("tensor {tensor:?} belongs to no layer, expected \"blk.N.\" with N below {layers}")]
    Layer {
        /// The tensor.
        tensor: String,
        /// The layers that the metadata state.
        layers: u32,
    },
    /// The type does not fit the tensor.
    #[error("tensor {tensor:?}: {reason}")]
    Tensor {
        /// The tensor.
        tensor: String,
        /// What does not fit.
        reason: TensorError,
    },
}
