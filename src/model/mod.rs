//! The vocabulary of the crate: names, digests, manifests, configurations, parameters. No I/O.

mod config;
mod digest;
pub mod go_json;
pub(crate) mod go_text;
mod hub_model;
mod json_size;
mod layer_json;
mod manifest;
mod manifest_list;
mod message;
mod name;
mod nearest;
mod oci;
mod parameters;
mod reference;
mod repository;
mod suggested_parameter;

pub(crate) use config::is_zero;
pub use config::{LONGEST_CONFIG, ModelConfig, human_count};
pub use digest::{Digest, InvalidDigest};
pub use hub_model::HubModel;
pub(crate) use json_size::tree_size;
pub use layer_json::layer_json;
pub use manifest::{LONGEST_TEXT, Layer, Manifest, MediaType};
pub use manifest_list::{Child, InlineManifest, ListElement, ManifestList};
pub use message::{Message, ToolCall, ToolCallFunction};
pub(crate) use name::{DEFAULT_NAMESPACE, DEFAULT_TAG};
pub use name::{InvalidName, Name, PUBLIC_HOST, PUBLIC_HOST_ALIAS, Scheme};
pub use nearest::{nearest, nearest_part};
pub use oci::{
    DOCKER_INDEX, Descriptor, IndexElement, InvalidDocument, OCI_INDEX, OCI_MANIFEST, OciContent, OciDocument,
};
pub use parameters::{
    InvalidParameter, ParameterKind, Parameters, check_parameters, known_parameters, parameter_kind,
    parameters_to_bytes,
};
pub use reference::Reference;
pub use repository::{InvalidLabel, InvalidRepository, Label, Repository, Tag};
pub use suggested_parameter::{parameter_in_any_case, suggested_parameter};
