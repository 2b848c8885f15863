//! Quantization as a change of plans: which tensor gets which type.
//!
//! [`quantize`] takes any [`Plan`](crate::plan::Plan) and gives the plan of the quantized file. A GGUF file
//! is the plan that [copies it](crate::plan::Plan::copying); a checkpoint is the plan of its conversion.
//! Either way the result is what llama-quantize would make of the file that the first plan describes, tensor
//! for tensor and byte for byte, without that file ever existing.
//!
//! The rules and their source: llama.cpp, `src/llama-quant.cpp`. What is asked for is a [`Scheme`]: a
//! [`Target`], which is a [`FileType`] or a copy, and deviations from it. Of the model, `eligible` says which
//! tensors are touched at all, `role` what part they play, `mixture` which type each part gets, `fallback`
//! what replaces a type that does not fit; `choice` puts these together with the scheme. An
//! [`ImportanceMatrix`] says how much the columns of tensors matter; `weights` finds what it has for each.
//! `prune` leaves out layers, `stated` are the metadata. [`Fitting`] finds the types that fit a size best. A
//! [`Recipe`] is a scheme without its target as people write and send it.

mod choice;
mod derived;
mod eligible;
mod error;
mod fallback;
mod file_type;
mod fit;
mod fitting;
mod importance;
mod metadata_override;
mod mixture;
mod model;
mod pattern;
mod planner;
mod prune;
mod quality;
mod recipe;
mod role;
mod scheme;
mod size;
mod stated;
mod target;
mod type_override;
mod warning;
mod weights;

pub use choice::{Choice, Reason};
pub use derived::Example;
pub use error::QuantizeError;
pub use file_type::{FILE_TYPE_KEY, FileType};
pub use fitting::Fitting;
pub use importance::{Counts, Entry, ImportanceError, ImportanceMatrix, Selection};
pub use metadata_override::{InvalidMetadataOverride, MetadataOverride};
pub use pattern::{InvalidPattern, Pattern};
pub use planner::{Quantized, quantize};
pub use quality::{quality, relative_errors};
pub use recipe::{InvalidRecipe, Recipe};
pub use scheme::Scheme;
pub use size::{InvalidSize, Size};
pub(crate) use stated::{NVFP4_FILE, QUANTIZATION_VERSION};
pub use target::{Target, UnknownFileType};
pub use type_override::{InvalidOverride, InvalidType, TypeOverride, target_type};
pub use warning::Warning;
