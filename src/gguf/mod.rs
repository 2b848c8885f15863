//! The GGUF file format, read over untrusted bytes and written.

mod value;

pub use value::{Array, Metadata, Value};
