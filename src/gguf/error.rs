//! What can be wrong with a GGUF file.

use super::ValueType;
use crate::tensor::{ElementType, TensorError};

/// Why a file is not a valid GGUF model. Offsets are bytes from the start of the file.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of a variant says what its fields are")]
pub enum GgufError {
    /// The file does not begin with `GGUF`.
    #[error("not a GGUF file: it begins with bytes {got:02x?}, expected \"GGUF\"")]
    Magic {
        /// The first bytes, at most four.
        got: Vec<u8>,
    },
    /// The file was written for big-endian machines.
    #[error("big-endian GGUF files are not supported; convert the file to little-endian")]
    BigEndian,
    /// The file has version 1, whose lengths have 32 bits.
    #[error("GGUF version 1 is not supported; convert the model again with a newer converter")]
    Version1,
    /// A version that does not exist or is not known yet.
    #[error("GGUF version {got} is not supported, expected 2 or 3")]
    Version { got: u32 },
    /// The file ends before what should be there.
    #[error(
        "the file ends within {what} at byte {offset}: {remaining} bytes remain, {needed} are needed; it may \
         be cut off"
    )]
    Truncated {
        what: String,
        offset: u64,
        /// The bytes that remain from there on.
        remaining: u64,
        /// The bytes that it needs.
        needed: u64,
    },
    /// The header does not end where that of any model has ended.
    #[error("the header goes on beyond byte {limit}, within {what}; no model has a header of that length")]
    HeaderLength {
        what: String,
        /// The longest header that is read, in bytes.
        limit: usize,
    },
    /// More key-value pairs or tensors than the file has room for or any model has.
    #[error("the file states {got} {what}, at most {limit} are possible")]
    Count { what: &'static str, got: u64, limit: u64 },
    /// A string that is not UTF-8.
    #[error("{what} at byte {offset} is not valid UTF-8")]
    Utf8 {
        what: String,
        /// Where its bytes begin.
        offset: u64,
    },
    /// An empty key.
    #[error("the key at byte {offset} is empty")]
    EmptyKey { offset: u64 },
    /// A key longer than the format permits.
    #[error("the key at byte {offset} has {got} bytes, at most 65535 are permitted")]
    KeyLength {
        offset: u64,
        /// Its length in bytes.
        got: u64,
    },
    /// A key that occurred before.
    #[error("key {key:?} occurs twice, the second time at byte {offset}")]
    DuplicateKey { key: String, offset: u64 },
    /// A number that stands for no value type.
    #[error("key {key:?} has unknown value type {got} at byte {offset}, expected 0 to 12")]
    UnknownValueType { key: String, offset: u64, got: u32 },
    /// An array of arrays.
    #[error("key {key:?} at byte {offset} is an array of arrays, which is not supported")]
    NestedArray { key: String, offset: u64 },
    /// A bool that is neither 0 nor 1.
    #[error("key {key:?} holds {got} at byte {offset}, expected a bool of 0 or 1")]
    Bool {
        key: String,
        /// Where the byte is.
        offset: u64,
        /// The byte.
        got: u8,
    },
    /// A key without which the model cannot be understood.
    #[error("key {key:?} is missing")]
    MissingKey { key: String },
    /// A value of the wrong type or out of its range.
    #[error("key {key:?} has type {got}, expected {expected}")]
    KeyType { key: String, got: ValueType, expected: &'static str },
    /// An alignment that is not a power of two or absurdly large.
    #[error("general.alignment is {got}, expected a power of two up to 1048576")]
    Alignment { got: u32 },
    /// A number of layers that no model has.
    #[error("{key} is {got}, expected 1 to 512")]
    BlockCount { key: String, got: u32 },
    /// An empty tensor name, or one that llama.cpp would refuse.
    #[error("the tensor name at byte {offset} has {got} bytes, expected 1 to 63")]
    NameLength {
        offset: u64,
        /// Its length in bytes.
        got: u64,
    },
    /// A tensor name that occurred before.
    #[error("tensor {tensor:?} occurs twice, the second time at byte {offset}")]
    DuplicateTensor { tensor: String, offset: u64 },
    /// No dimension or more than four, a dimension of zero, too many elements, or rows that are not
    /// whole blocks.
    #[error("tensor {tensor:?} at byte {offset}: {reason}")]
    Shape { tensor: String, offset: u64, reason: TensorError },
    /// A number that stands for no element type.
    #[error(
        "tensor {tensor:?} has unknown element type {got} at byte {offset}; the file is damaged, or newer \
         than this program"
    )]
    UnknownElementType { tensor: String, offset: u64, got: u32 },
    /// Data that does not follow that of the tensor before: unaligned, overlapping or with a gap.
    #[error("tensor {tensor:?} states data offset {got} at byte {offset}, expected {expected}")]
    DataOffset {
        tensor: String,
        offset: u64,
        /// The number, counted from the start of the data.
        got: u64,
        expected: u64,
    },
    /// Data past the end of the file.
    #[error(
        "tensor {tensor:?} has {needed} bytes of {element_type} data at byte {offset}, but the file ends at \
         byte {length}: it is cut off; download it again"
    )]
    DataPastEnd {
        tensor: String,
        element_type: ElementType,
        offset: u64,
        /// How many bytes it needs.
        needed: u64,
        length: u64,
    },
    /// The sizes of all tensors do not add up to a number of 64 bits.
    #[error("the data up to tensor {tensor:?} has more bytes than can be counted")]
    DataTooLarge { tensor: String },
}
