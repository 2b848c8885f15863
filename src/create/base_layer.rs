//! A layer of the model that another is made from.

use super::part::Part;
use crate::model::Layer;
use crate::store::Blob;

/// One of its layers.
#[derive(Debug)]
pub(super) struct BaseLayer {
    pub(super) layer: Layer,
    pub(super) blob: Blob,
    /// What shall become of a layer that is a GGUF file.
    pub(super) part: Option<Part>,
}
