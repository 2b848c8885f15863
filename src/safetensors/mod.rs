//! The safetensors file format and checkpoints made of several such files, read over untrusted bytes.
//!
//! A file is a 64-bit length, a JSON header of that length and the tensors' bytes, without gaps or
//! overlaps (<https://huggingface.co/docs/safetensors>). A checkpoint is one file, or several with an
//! index that says which tensor lies where. Nothing here reads a weight.

mod checkpoint;
mod error;
mod header;
mod index;

pub use self::checkpoint::{Checkpoint, CheckpointTensor, has_all_weights};
pub use self::error::SafetensorsError;
pub use self::header::{HEADER_LIMIT, Header, TensorEntry};
pub use self::index::INDEX_FILE;
pub use ::safetensors::Dtype;

/// A file of a checkpoint: what the person who asked calls it, and its bytes (usually a memory map).
#[derive(Clone, Copy)]
pub struct NamedSource<'a> {
    /// The name within the checkpoint's directory, such as `config.json` or `1_Pooling/config.json`.
    pub name: &'a str,
    /// All of its bytes.
    pub bytes: &'a [u8],
}

impl std::fmt::Debug for NamedSource<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NamedSource").field("name", &self.name).field("length", &self.bytes.len()).finish()
    }
}
