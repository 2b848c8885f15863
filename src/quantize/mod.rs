//! Quantization as a change of plans: which tensor gets which type.
//!
//! [`quantize`] takes any [`Plan`](crate::plan::Plan) and gives the plan of the quantized file. A GGUF file is the
//! plan that [copies it](crate::plan::Plan::copying); a checkpoint is the plan of its conversion. Either way the
//! result is what llama-quantize would make of the file that the first plan describes, tensor for tensor and byte
//! for byte, without that file ever existing.
//!
//! The rules and their source: llama.cpp, `src/llama-quant.cpp`. [`FileType`] is what is asked for, `eligible` says
//! which tensors are touched at all, `role` what part they play, `mixture` which type each part gets.

mod eligible;
mod error;
mod file_type;
mod mixture;
mod model;
mod planner;
mod role;

pub use error::QuantizeError;
pub use file_type::{FILE_TYPE_KEY, FileType, UnknownFileType};
pub use planner::quantize;
