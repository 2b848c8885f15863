//! Leaving out layers.
//!
//! Source: llama.cpp, `src/llama-quant.cpp`, `remap_layer`. Layers are told by the first `blk.N.` anywhere in
//! a name, met in the order of the file, and numbered again in that order.

use std::collections::{BTreeMap, BTreeSet};

use super::error::QuantizeError;
use super::role::around_layer;
use crate::plan::PlannedTensor;

/// A tensor of a model from which layers may have been left out.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kept {
    /// Its place in the plan of the source.
    pub(super) position: usize,
    /// What it was called, which is what importance matrices call it.
    pub(super) original_name: String,
    pub(super) tensor: PlannedTensor,
}

impl Kept {
    /// A tensor of the source as it is.
    pub(super) fn new(position: usize, tensor: PlannedTensor) -> Self {
        Self { position, original_name: tensor.name.clone(), tensor }
    }
}

/// Leaves out the tensors of some layers and gives those after them new numbers. Answers with how many layers
/// are left, if any were to be left out.
///
/// # Errors
/// A layer is not there, or none is left.
pub(super) fn prune(
    tensors: Vec<Kept>,
    layers: &BTreeSet<u32>,
) -> Result<(Vec<Kept>, Option<u32>), QuantizeError> {
    let Some(&first) = layers.first() else { return Ok((tensors, None)) };
    let mut numbers: BTreeMap<u32, Option<u32>> = BTreeMap::new();
    let mut next = 0;
    let mut kept = Vec::new();
    for mut tensor in tensors {
        if let Some((before, layer, after)) = around_layer(&tensor.original_name) {
            let number = *numbers.entry(layer).or_insert_with(|| {
                if layers.contains(&layer) {
                    return None;
                }
                let number = if layer < first { layer } else { next };
                next = number + 1;
                Some(number)
            });
            let Some(number) = number else { continue };
            tensor.tensor.name = format!("{before}{number}{after}");
        }
        kept.push(tensor);
    }
    if let Some(&layer) = layers.iter().find(|layer| !numbers.contains_key(layer)) {
        return Err(QuantizeError::NoSuchLayer { layer, layers: numbers.len() });
    }
    if next == 0 {
        return Err(QuantizeError::NoLayerLeft);
    }
    Ok((kept, Some(next)))
}
