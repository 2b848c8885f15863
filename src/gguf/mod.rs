//! The GGUF file format, read over untrusted bytes and written.
//!
//! Source of the format: the GGUF specification (ggml, `docs/gguf.md`) and the checks of its reader
//! (`ggml/src/gguf.cpp`). Versions 2 and 3 are read, little-endian; version 3 is written.
//!
//! [`Gguf::parse`] is the one way in: what it returns has passed every check, so names are unique, types
//! known, shapes positive, and the data of every tensor lies inside the file. It borrows from the bytes
//! of the file and copies no value; [`Metadata`] is the owned form that a file to be written has.

mod cursor;
mod error;
mod file;
mod metadata;
mod shard_name;
mod strings;
mod value;
mod value_ref;
mod write;

pub use error::GgufError;
pub use file::{Gguf, MAX_HEADER, MAX_TENSORS, TensorInfo};
pub use metadata::Metadata;
pub use shard_name::ShardName;
pub use strings::Strings;
pub use value::{Array, Value, ValueType};
pub use value_ref::{ArrayRef, ValueRef};
pub use write::{Header, TensorDescription};

/// The first four bytes of every file.
const MAGIC: [u8; 4] = *b"GGUF";

/// The key that states the alignment of tensor data.
const ALIGNMENT_KEY: &str = "general.alignment";

/// The alignment of a file that does not state one.
const DEFAULT_ALIGNMENT: u64 = 32;

/// The longest tensor name in bytes that llama.cpp loads (`GGML_MAX_NAME` includes the final zero).
const MAX_NAME_BYTES: usize = 63;

/// The longest key in bytes (GGUF specification).
const MAX_KEY_BYTES: usize = 65_535;
