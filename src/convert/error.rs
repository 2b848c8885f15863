//! What can keep a checkpoint or an adapter from being converted.

use crate::plan::DerivationError;
use crate::safetensors::SafetensorsError;
use crate::tensor::TensorError;

/// Why a conversion cannot be planned. Messages name the file, key or tensor and say what would help.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of a variant says what its fields are")]
pub enum ConvertError {
    /// The weights or their index are damaged or incomplete.
    #[error(transparent)]
    Safetensors(#[from] SafetensorsError),
    /// A file without which nothing can be done.
    #[error("{file} is missing; {purpose}")]
    MissingFile { file: &'static str, purpose: &'static str },
    /// A file that is longer than any real one.
    #[error("{file} has {length} bytes, more than the {limit} that are read; make it shorter")]
    TooLarge {
        file: String,
        /// Its length in bytes.
        length: usize,
        /// The longest that is read, in bytes.
        limit: usize,
    },
    /// A file that holds more than any real one.
    #[error("{file} has too many values for its length; remove the key that holds them")]
    TooManyValues { file: String },
    /// A file that is not the JSON it should be.
    #[error("{file} is not valid JSON: {reason}")]
    Json { file: String, reason: String },
    /// A text file that is not UTF-8.
    #[error("{file} is not UTF-8 text")]
    Text { file: String },
    /// The configuration does not say what the model is.
    #[error(
        "config.json has no \"architectures\"; it must name the model's class, such as \"LlamaForCausalLM\""
    )]
    NoArchitecture,
    /// A model class that no family answers to.
    #[error("architecture {name} is not supported; the nearest that are: {}", nearest.join(", "))]
    UnknownArchitecture { name: String, nearest: Vec<&'static str> },
    /// A model class of which only other kinds are supported.
    #[error("models of architecture {name} are supported, but not of this kind (model_type {model_type})")]
    UnsupportedVariant { name: String, model_type: String },
    /// A base model for adapters whose tensor names are not known.
    #[error("adapters for models of architecture {architecture} are not supported")]
    UnknownBase { architecture: String },
    /// Neither the configuration nor its class's defaults have a key.
    #[error("{file}: {key} is missing")]
    MissingKey {
        /// The file, or the part of it.
        file: String,
        /// The key, or the alternatives.
        key: String,
    },
    /// A configuration value that cannot be what it should be.
    #[error("{file}: {key} is {got}, expected {expected}")]
    BadValue {
        /// The file, or the part of it.
        file: String,
        key: String,
        /// The value, shortened.
        got: String,
        expected: String,
    },
    /// Weights in another program's quantization format.
    #[error("{format} are not supported; use the original checkpoint in F32, F16, BF16 or FP8")]
    ForeignQuantization {
        /// What they are, by the format's usual name.
        format: String,
    },
    /// A needed tensor whose numbers cannot be converted.
    #[error(
        "tensor {tensor:?}: element type {dtype} cannot be converted; expected F32, F16, BF16 or F8_E4M3"
    )]
    UnsupportedDtype { tensor: String, dtype: String },
    /// A tensor whose numbers become metadata and cannot.
    #[error("tensor {tensor:?}: {reason}; its numbers belong in the metadata of the model")]
    Numbers { tensor: String, reason: String },
    /// A table of a draft's tokens that does not say what they are.
    #[error(
        "tensor {tensor:?}: {reason}; it must lead every token of the draft to another one of its target"
    )]
    TokenTable { tensor: String, reason: String },
    /// A part of a packed weight that is missing, belongs to no weight or does not fit the rest.
    #[error("tensor {tensor:?}: {reason}")]
    Packed { tensor: String, reason: String },
    /// A tensor that models of this architecture do not have.
    #[error("tensor {tensor:?} is not part of a model of architecture {architecture}")]
    UnexpectedTensor { tensor: String, architecture: String },
    /// A tensor that models of this architecture must have.
    #[error(
        "tensor {tensor:?} is missing, which a model of architecture {architecture} needs; does config.json \
         belong to these weights?"
    )]
    LackingTensor { tensor: String, architecture: String },
    /// A tensor of another shape than the configuration calls for.
    #[error("tensor {tensor:?} has the shape {got}, but config.json calls for {expected}: {because}")]
    Contradiction {
        tensor: String,
        /// Its shape, slowest dimension first.
        got: String,
        /// The shape that it should have.
        expected: String,
        /// What the configuration says.
        because: String,
    },
    /// A layer that the configuration does not count.
    #[error(
        "config.json says {key} {stated}, but the checkpoint has a layer {layer} (tensor {tensor:?}); does \
         config.json belong to these weights?"
    )]
    LayerCount { key: &'static str, stated: u64, layer: u64, tensor: String },
    /// Experts that the configuration does not count, or fewer than it does.
    #[error("config.json says {key} {stated}, the checkpoint has {found} in layer {layer}")]
    ExpertCount { key: &'static str, stated: u64, found: u64, layer: u64 },
    /// Two tensors of the checkpoint become the same tensor of the model.
    #[error("two tensors of the checkpoint would become {name:?}")]
    SameName { name: String },
    /// The dimensions of a tensor do not allow what the architecture does with it.
    #[error("tensor {tensor:?}: {reason}; does config.json belong to these weights?")]
    Dimensions { tensor: String, reason: DerivationError },
    /// A tensor of a shape that a model file cannot hold.
    #[error("tensor {tensor:?}: {reason}")]
    Shape { tensor: String, reason: TensorError },
    /// Vocabulary and embeddings have different sizes.
    #[error(
        "the vocabulary has {tokens} tokens ({source_of_count}), but tensor {tensor:?} has {rows} rows; does \
         the tokenizer belong to these weights?"
    )]
    VocabularySize { tokens: u64, source_of_count: &'static str, tensor: String, rows: u64 },
    /// The vocabulary cannot be made.
    #[error(transparent)]
    Tokenizer(#[from] super::tokenizer::TokenizerError),
    /// An adapter that llama.cpp cannot represent.
    #[error("the adapter cannot be converted: {reason}")]
    Adapter { reason: String },
}

impl ConvertError {
    /// The same about a tensor that families know as `known`, by its name in the checkpoint.
    pub(super) fn naming(mut self, known: &str, stored: &str) -> Self {
        if let Self::UnexpectedTensor { tensor, .. } | Self::Dimensions { tensor, .. } = &mut self
            && tensor == known
        {
            stored.clone_into(tensor);
        }
        self
    }

    /// A value of a configuration that is not what it should be; long values are cut.
    pub(super) fn bad_value(
        file: &str,
        key: &str,
        got: &impl std::fmt::Display,
        expected: impl Into<String>,
    ) -> Self {
        let mut got = got.to_string();
        if let Some((end, _)) = got.char_indices().nth(60) {
            got.truncate(end);
            got.push('…');
        }
        Self::BadValue { file: file.to_owned(), key: key.to_owned(), got, expected: expected.into() }
    }
}
