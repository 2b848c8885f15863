//! Weights that are split into several layers, as one part of a model.

use std::sync::Arc;

use super::base_layer::BaseLayer;
use super::input::Input;
use super::part::{Origin, Part};
use super::{CreateError, Quantization};
use crate::library::{Shards, shard_label};
use crate::model::{Layer, MediaType};
use crate::store::Blob;

/// The layers of these shards: kept as they are, or planned as one file of another type.
pub(super) fn open_shards(
    shards: Shards,
    layers: &[(Layer, Blob)],
    model: &str,
    quantize: Option<&Quantization>,
) -> Result<Vec<BaseLayer>, CreateError> {
    let Shards { count, first, description } = shards;
    let group = &layers[..count];
    let kind = group[first].0.media_type.clone();
    let inputs: Vec<Input> = (1..)
        .zip(group)
        .map(|(number, (_, blob))| Input { file: shard_label(&kind, model, number), blob: blob.clone() })
        .collect();
    if let Some(to) = quantize.filter(|_| kind == MediaType::Model) {
        let part = Part { kind, origin: Origin::Base, ..Part::joined(inputs)? }.quantized(to)?;
        let (layer, blob) = group[first].clone();
        return Ok(vec![BaseLayer { layer, blob, part: Some(part) }]);
    }
    // The first shard speaks for all of them.
    let mut description = Some(Arc::new(description));
    let kept = group.iter().cloned().zip(inputs).enumerate().map(|(index, ((layer, blob), input))| {
        let speaks = description.take_if(|_| index == first);
        let part = speaks.map(|description| Part::existing(kind.clone(), Origin::Base, input, description));
        BaseLayer { layer, blob, part }
    });
    Ok(kept.collect())
}
