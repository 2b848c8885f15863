//! What can keep a checkpoint or an adapter from being converted.

use crate::plan::RecipeError;
use crate::safetensors::SafetensorsError;
use crate::tensor::TensorError;

/// Why a conversion cannot be planned. Messages name the file, key or tensor and say what would help.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ConvertError {
    /// The weights or their index are damaged or incomplete.
    #[error(transparent)]
    Safetensors(#[from] SafetensorsError),
    /// A file without which nothing can be done.
    #[error("{file} is missing; {purpose}")]
    MissingFile {
        /// The file's name.
        file: &'static str,
        /// What it is needed for.
        purpose: &'static str,
    },
    /// A file that is longer than any real one.
    #[error("{file} has {length} bytes, more than the {limit} that are read; make it shorter")]
    TooLarge {
        /// The file's name.
        file: String,
        /// Its length in bytes.
        length: usize,
        /// The longest that is read, in bytes.
        limit: usize,
    },
    /// A file that holds more than any real one.
    #[error("{file} has too many values for its length; remove the key that holds them")]
    TooManyValues {
        /// The file's name.
        file: String,
    },
    /// A file that is not the JSON it should be.
    #[error("{file} is not valid JSON: {reason}")]
    Json {
        /// The file's name.
        file: String,
        /// What the parser says.
        reason: String,
    },
    /// A text file that is not UTF-8.
    #[error("{file} is not UTF-8 text")]
    Text {
        /// The file's name.
        file: String,
    },
    /// The configuration does not say what the model is.
    #[error(
        "config.json has no \"architectures\"; it must name the model's class, such as \"LlamaForCausalLM\""
    )]
    NoArchitecture,
    /// A model class that no family answers to.
    #[error("architecture {name} is not supported; the nearest that are: {}", nearest.join(", "))]
    UnknownArchitecture {
        /// The class named in the configuration.
        name: String,
        /// The supported names most like it.
        nearest: Vec<&'static str>,
    },
    /// A model class of which only other kinds are supported.
    #[error("models of architecture {name} are supported, but not of this kind (model_type {model_type})")]
    UnsupportedVariant {
        /// The class named in the configuration.
        name: String,
        /// The type of the model, and that of its encoder.
        model_type: String,
    },
    /// A base model for adapters whose tensor names are not known.
    #[error("adapters for models of architecture {architecture} are not supported")]
    UnknownBase {
        /// `general.architecture` of the base model.
        architecture: String,
    },
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
        /// The key.
        key: String,
        /// The value, shortened.
        got: String,
        /// What it should be.
        expected: String,
    },
    /// Weights in another program's quantization format.
    #[error(
        "{format}-quantized weights are not supported; use the original checkpoint in F32, F16, BF16 or FP8"
    )]
    ForeignQuantization {
        /// The format's usual name.
        format: String,
    },
    /// A needed tensor whose numbers cannot be converted.
    #[error("tensor {tensor}: element type {dtype} cannot be converted; expected F32, F16, BF16 or F8_E4M3")]
    UnsupportedDtype {
        /// The tensor.
        tensor: String,
        /// Its element type in the checkpoint.
        dtype: String,
    },
    /// A tensor whose numbers become metadata and cannot.
    #[error("tensor {tensor}: {reason}; its numbers belong into the metadata of the model")]
    Numbers {
        /// The tensor.
        tensor: String,
        /// What is wrong.
        reason: String,
    },
    /// Scales that belong to no weight or do not fit theirs.
    #[error("tensor {tensor}: {reason}")]
    Scale {
        /// The tensor of scales.
        tensor: String,
        /// What is wrong.
        reason: String,
    },
    /// A tensor that models of this architecture do not have.
    #[error("tensor {tensor} is not part of a model of architecture {architecture}")]
    UnexpectedTensor {
        /// The tensor.
        tensor: String,
        /// The architecture.
        architecture: String,
    },
    /// A tensor that models of this architecture must have.
    #[error("tensor {tensor} is missing, which a model of architecture {architecture} needs")]
    LackingTensor {
        /// The tensor.
        tensor: String,
        /// The architecture.
        architecture: String,
    },
    /// Two tensors of the checkpoint become the same tensor of the model.
    #[error("two tensors of the checkpoint would become {name}")]
    SameName {
        /// The name in the model.
        name: String,
    },
    /// The dimensions of a tensor do not allow what the architecture does with it.
    #[error("tensor {tensor}: {reason}; does config.json belong to these weights?")]
    Dimensions {
        /// The tensor.
        tensor: String,
        /// What is wrong.
        reason: RecipeError,
    },
    /// A tensor of a shape that a model file cannot hold.
    #[error("tensor {tensor}: {reason}")]
    Shape {
        /// The tensor.
        tensor: String,
        /// What is wrong.
        reason: TensorError,
    },
    /// Vocabulary and embeddings have different sizes.
    #[error("the vocabulary has {tokens} tokens ({source_of_count}), but tensor {tensor} has {rows} rows")]
    VocabularySize {
        /// How many tokens.
        tokens: u64,
        /// What says so.
        source_of_count: &'static str,
        /// The tensor of embeddings.
        tensor: String,
        /// Its rows.
        rows: u64,
    },
    /// The vocabulary cannot be made.
    #[error(transparent)]
    Tokenizer(#[from] super::tokenizer::TokenizerError),
    /// An adapter that llama.cpp cannot represent.
    #[error("the adapter cannot be converted: {reason}")]
    Adapter {
        /// What is wrong.
        reason: String,
    },
}

impl ConvertError {
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
