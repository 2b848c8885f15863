//! The command line.

mod mapped_file;
pub mod quantize;
