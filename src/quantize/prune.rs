//! Leaving out layers.
//!
//! Source: llama.cpp, `src/llama-quant.cpp`, `remap_layer`. Layers are told by the first `blk.N.` anywhere in a name,
//! met in the order of the file, and numbered again in that order.

use std::collections::{BTreeMap, BTreeSet};

use super::error::QuantizeError;
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

/// Leaves out the tensors of some layers and gives those after them new numbers. Answers with how many layers are
/// left, if any were to be left out.
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
        if let Some((before, layer, after)) = split(&tensor.original_name) {
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

/// What stands before the number of the layer in a name, the number, and what stands after it.
fn split(name: &str) -> Option<(&str, u32, &str)> {
    const PREFIX: &str = "blk.";
    name.match_indices(PREFIX).find_map(|(at, _)| {
        let (before, rest) = name.split_at(at + PREFIX.len());
        let (number, after) = rest.split_at(rest.find('.')?);
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
        // No model has so many layers that the next one could not be counted.
        let layer = number.parse().ok().filter(|&layer: &u32| is_number && layer < 1 << 24)?;
        Some((before, layer, after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layer_is_the_first_number_behind_its_prefix() {
        assert_eq!(split("blk.12.attn_v.weight"), Some(("blk.", 12, ".attn_v.weight")));
        assert_eq!(split("enc.blk.3.x"), Some(("enc.blk.", 3, ".x")));
        assert_eq!(split("blk.x.blk.0.y"), Some(("blk.x.blk.", 0, ".y")));
        for name in ["output.weight", "blk.1", "blk..x", "blk.99999999999.x"] {
            assert_eq!(split(name), None, "{name}");
        }
    }
}
