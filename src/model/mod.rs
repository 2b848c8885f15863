//! The vocabulary of the crate: names, digests, manifests, configurations, parameters. No I/O.

mod config;
mod digest;
pub mod go_json;
mod manifest;
mod message;
mod name;
mod parameters;

pub(crate) use config::is_zero;
pub use config::{ModelConfig, human_count};
pub use digest::{Digest, InvalidDigest};
pub use manifest::{Layer, Manifest, MediaType};
pub use message::{Message, ToolCall, ToolCallFunction};
pub use name::{InvalidName, Name, Scheme};
pub use parameters::{
    InvalidParameter, ParameterKind, Parameters, check_parameters, known_parameters, parameter_kind,
    parameters_to_bytes,
};
