//! Why a plan cannot be quantized.

use super::target::Target;
use crate::gguf::GgufError;
use crate::plan::DerivationError;
use crate::tensor::{ElementType, TensorError};

/// Why a plan cannot be quantized.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of a variant says what its fields are")]
pub enum QuantizeError {
    /// The metadata lack what the mixture depends on, or state nonsense.
    #[error(transparent)]
    Metadata(#[from] GgufError),
    /// A model that makes images or films.
    #[error("{architecture} is not a language model; it cannot be quantized here")]
    NoLanguageModel { architecture: String },
    /// The source is quantized already.
    #[error(
        "tensor {tensor:?} is already quantized to {got}, {} to {wanted} for {target} {}; start from the \
         F16, BF16 or F32 model, or allow requantizing",
        if wanted.is_quantized() { "quantizing it again" } else { "unpacking it" },
        consequence(*wanted)
    )]
    AlreadyQuantized { tensor: String, got: ElementType, wanted: ElementType, target: Target },
    /// A tensor that holds no floats would have to be quantized.
    #[error("tensor {tensor:?} has element type {got}, which cannot become {wanted}")]
    NotFloat { tensor: String, got: ElementType, wanted: ElementType },
    /// A tensor of four dimensions would have to be quantized.
    #[error("tensor {tensor:?} has four dimensions, quantization supports at most three")]
    FourDimensions { tensor: String },
    /// A tensor of an expert whose layer the model does not have.
    #[error("tensor {tensor:?} belongs to no layer, expected \"blk.N.\" with N below {layers}")]
    Layer { tensor: String, layers: u32 },
    /// The type does not fit the tensor.
    #[error("tensor {tensor:?}: {reason}")]
    Tensor { tensor: String, reason: TensorError },
    /// No type is known to replace the one that does not fit.
    #[error(
        "tensor {tensor:?} has rows of {row} elements, which are not whole blocks of {wanted} ({}), and \
         nothing replaces that type; override the type of this tensor",
        wanted.block_len()
    )]
    NoFallback { tensor: String, wanted: ElementType, row: u64 },
    /// The patterns would take too long.
    #[error("the {patterns} patterns of tensor types are too much for {tensors} tensors; write shorter ones")]
    TooManyPatterns { patterns: usize, tensors: usize },
    /// A layer that is to be left out is not there.
    #[error(
        "prune_layers: layer {layer} cannot be left out, since the model has {layers} layers, counted from 0"
    )]
    NoSuchLayer { layer: u32, layers: usize },
    /// All layers are to be left out.
    #[error("prune_layers leaves no layer; leave out fewer")]
    NoLayerLeft,
    /// A tensor would be worth nothing without an importance matrix.
    #[error(
        "tensor {tensor:?} would become {wanted}, which needs an importance matrix; give one, or give this \
         tensor another type, such as \"{tensor}=q4_k\""
    )]
    NeedsImportance { tensor: String, wanted: ElementType },
    /// A tensor would be worth nothing without values that the importance matrix does not have.
    #[error(
        "tensor {tensor:?} would become {wanted}, for which the importance matrix has no values; give a \
         matrix that has them, or give this tensor another type, such as \"{tensor}=q4_k\""
    )]
    NoImportance { tensor: String, wanted: ElementType },
    /// The importance matrix is of another model.
    #[error(
        "the importance matrix has {got} values for tensor {tensor:?}, expected {expected}; it is of another \
         model"
    )]
    ImportanceLength { tensor: String, got: u64, expected: u64 },
    /// Counts of the importance matrix that do not fit the experts of a tensor.
    #[error(
        "the importance matrix has neither one count for tensor {tensor:?} nor one for each of its matrices"
    )]
    ImportanceCounts { tensor: String },
    /// Values of the importance matrix that cannot be read.
    #[error("the importance of tensor {tensor:?}: {reason}")]
    Weighing { tensor: String, reason: Box<DerivationError> },
    /// A size for what is only copied.
    #[error(
        "COPY keeps the types of all tensors, so target_size has no effect on it; give a type such as Q4_K_M"
    )]
    SizeOfCopy,
    /// The size is too small.
    #[error(
        "the model does not fit into {size} bytes (target_size); the smallest that it can be made is {least} \
         bytes"
    )]
    DoesNotFit {
        /// The size in bytes.
        size: u64,
        least: u64,
    },
    /// There is no such file.
    #[error("{reason}")]
    Unwritable { reason: String },
}

/// What comes of making another type of quantized values.
fn consequence(wanted: ElementType) -> &'static str {
    match wanted.is_quantized() {
        true => "would lose quality",
        false => "takes more room and brings nothing back that was lost",
    }
}
