//! What is wished for: the target, and where it is to be deviated from.

use std::collections::{BTreeMap, BTreeSet};

use super::file_type::FileType;
use super::metadata_override::MetadataOverride;
use super::target::Target;
use super::type_override::TypeOverride;
use crate::tensor::ElementType;

/// Everything that decides what a model is quantized to, but for the model itself and an importance matrix.
/// What each field does is what the option of llama-quantize does that bears its name.
#[derive(Debug, Clone, PartialEq)]
pub struct Scheme {
    /// What most tensors get.
    pub target: Target,
    /// Types by the names of tensors. The first pattern that matches decides, and the mixture does not count
    /// the tensor; only where the mixture would quantize, and only for targets that are quantized.
    pub tensor_types: Vec<TypeOverride>,
    /// The type of `output.weight`, or of the token embedding where that is used in its place.
    pub output_tensor_type: Option<ElementType>,
    /// The type of the token embedding.
    pub token_embedding_type: Option<ElementType>,
    /// No mixture: every tensor that is quantized gets the one type.
    pub pure: bool,
    /// `output.weight` stays as it is.
    pub leave_output_tensor: bool,
    /// Tensors that are quantized already may be quantized again, which loses quality.
    pub allow_requantize: bool,
    /// Layers that are left out; those after them move up.
    pub prune_layers: BTreeSet<u32>,
    /// Keys of the metadata that are set.
    pub override_kv: Vec<MetadataOverride>,
    /// Types by the whole names of tensors, found by measuring; in place of what the mixture says.
    pub assigned: BTreeMap<String, ElementType>,
    /// Tensors stay in the order of the files that they come from, instead of that of their layers and names.
    pub keep_split: bool,
}

impl Scheme {
    /// A target and no deviation.
    pub fn new(target: impl Into<Target>) -> Self {
        Self {
            target: target.into(),
            tensor_types: Vec::new(),
            output_tensor_type: None,
            token_embedding_type: None,
            pure: false,
            leave_output_tensor: false,
            allow_requantize: false,
            prune_layers: BTreeSet::new(),
            override_kv: Vec::new(),
            assigned: BTreeMap::new(),
            keep_split: false,
        }
    }
}

impl From<FileType> for Scheme {
    fn from(file_type: FileType) -> Self {
        Self::new(file_type)
    }
}
