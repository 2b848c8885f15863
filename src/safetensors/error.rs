//! What can be wrong with safetensors files and their index.

/// Why a checkpoint cannot be read. Every message names the file, and the tensor where there is one.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of a variant says what its fields are")]
pub enum SafetensorsError {
    /// Fewer bytes than the length of the header takes.
    #[error("{file}: {length} bytes are too few for a safetensors file; upload it again")]
    TooShort { file: String, length: usize },
    /// A header without content, or one that reaches past the end of the file.
    #[error(
        "{file}: it states a header of {got} bytes, but only 2 to {available} are possible; upload it again"
    )]
    HeaderLength { file: String, got: u64, available: usize },
    /// A header larger than any real one.
    #[error("{file}: the header has {got} bytes, more than the limit of {limit}")]
    HeaderTooLarge { file: String, got: u64, limit: u64 },
    /// The header is not a JSON object.
    #[error("{file}: the header is not a JSON object: {reason}")]
    HeaderJson { file: String, reason: String },
    /// The same name twice in one header.
    #[error("{file}: tensor {tensor:?} is listed twice")]
    DuplicateTensor { file: String, tensor: String },
    /// An entry that lacks a field or has one of the wrong kind.
    #[error("{file}: tensor {tensor:?}: {reason}")]
    Entry { file: String, tensor: String, reason: String },
    /// An element type that the format does not have.
    #[error("{file}: tensor {tensor:?}: element type {got:?} is not one of safetensors")]
    ElementType { file: String, tensor: String, got: String },
    /// Offsets in the wrong order.
    #[error("{file}: tensor {tensor:?} ends at byte {end} of the data, before it begins at byte {begin}")]
    OffsetsReversed {
        file: String,
        tensor: String,
        /// First byte, counted from the end of the header.
        begin: u64,
        /// The byte after the last.
        end: u64,
    },
    /// A tensor that reaches past the end of the file.
    #[error(
        "{file}: tensor {tensor:?} ends at byte {end} of the data, which has {available} bytes: the file is \
         cut off; upload it again"
    )]
    PastEnd {
        file: String,
        tensor: String,
        /// The byte after its last, counted from the end of the header.
        end: u64,
        available: u64,
    },
    /// More elements than can be counted.
    #[error("{file}: tensor {tensor:?}: dimensions {dimensions:?} are too large")]
    TooLarge { file: String, tensor: String, dimensions: Vec<u64> },
    /// The offsets do not span what shape and element type need.
    #[error("{file}: tensor {tensor:?} has {got} bytes, but {dimensions:?} of {dtype} take {expected}")]
    Size { file: String, tensor: String, got: u64, dimensions: Vec<u64>, dtype: String, expected: u64 },
    /// Elements narrower than a byte that do not fill whole bytes.
    #[error("{file}: tensor {tensor:?}: dimensions {dimensions:?} of {dtype} do not fill whole bytes")]
    PartialByte { file: String, tensor: String, dimensions: Vec<u64>, dtype: String },
    /// Two tensors share bytes.
    #[error("{file}: tensors {first:?} and {second:?} overlap at byte {offset} of the data")]
    Overlap { file: String, first: String, second: String, offset: u64 },
    /// Bytes that belong to no tensor.
    #[error("{file}: {length} bytes of the data, from byte {offset} on, belong to no tensor")]
    Gap {
        file: String,
        /// First byte of the gap, counted from the end of the header.
        offset: u64,
        length: u64,
    },
    /// The index is not what an index is.
    #[error("{file}: {reason}")]
    Index {
        /// The index file.
        file: String,
        reason: String,
    },
    /// A shard that was not given.
    #[error("{shard} is missing ({asked_by}); upload it too")]
    MissingShard { shard: String, asked_by: String },
    /// A tensor that a shard should hold and does not.
    #[error("{shard}: tensor {tensor:?} is missing, although {index} places it there")]
    MissingTensor {
        /// The index file.
        index: String,
        shard: String,
        tensor: String,
    },
    /// A tensor in a shard of which the index knows nothing.
    #[error("{shard}: tensor {tensor:?} is not listed in {index}")]
    UnlistedTensor {
        /// The index file.
        index: String,
        shard: String,
        tensor: String,
    },
    /// The same tensor in two shards.
    #[error("tensor {tensor:?} is in both {first} and {second}")]
    InTwoShards { tensor: String, first: String, second: String },
    /// The same file name twice.
    #[error("{file} is given twice")]
    DuplicateFile { file: String },
    /// No weights at all.
    #[error("there is no .safetensors file; upload model.safetensors or the shards of the model")]
    NoWeights,
}
