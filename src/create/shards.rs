//! Weights that are split into several layers, as one part of a model.
//!
//! Rules: Ollama from 0.35 on. The shards are layers of one media type that follow each other, as many as each says.

use std::sync::Arc;

use super::base_layer::BaseLayer;
use super::input::Input;
use super::part::{Origin, Part};
use super::{CreateError, Quantization};
use crate::library::Description;
use crate::model::{Layer, MediaType};
use crate::plan::{Plan, Shard};
use crate::store::Blob;

/// A model is split into no more files.
const MOST_SHARDS: u64 = 1024;

/// Opens the shards that begin with the first of these layers: kept as they are, or planned as one file of another
/// type. Answers with the layers and how many they were made of, or with what is wrong with them in words.
pub(super) fn open_shards(
    layers: &[(Layer, Blob)],
    model: &str,
    quantize: Option<&Quantization>,
) -> Result<Result<(Vec<BaseLayer>, usize), String>, CreateError> {
    let Some((kind, count)) = kind_and_count(layers, model)? else { return Ok(Ok((Vec::new(), 0))) };
    if count > MOST_SHARDS {
        return Ok(Err(format!("it is split into {count} shards; at most {MOST_SHARDS} are taken")));
    }
    let group = match layers.get(..count as usize) {
        Some(group) if group.iter().all(|(layer, _)| layer.media_type == kind) => group,
        _ => return Ok(Err(format!("it is split into {count} shards, and they do not follow each other"))),
    };
    let inputs: Vec<Input> =
        (1..).zip(group).map(|(number, (_, blob))| input(&kind, model, number, blob)).collect();
    let shards = inputs.iter().map(shard).collect::<Result<Vec<_>, _>>()?;
    for key in ["general.architecture", "general.file_type"] {
        let mut stated = shards.iter().filter_map(|shard| shard.file.get(key));
        let one = stated.next();
        if stated.any(|other| Some(other) != one) {
            return Ok(Err(format!("its shards disagree about {key}")));
        }
    }
    if let Err(error) = Plan::joining(&shards) {
        return Ok(Err(error.to_string()));
    }
    let first = shards.iter().position(Shard::is_first).unwrap_or(0);
    let parameter_count = shards.iter().map(|shard| Description::of(&shard.file).parameter_count).sum();
    let description = Description { parameter_count, ..Description::of(&shards[first].file) };
    drop(shards);
    if let Some(to) = quantize.filter(|_| kind == MediaType::Model) {
        let part = Part { kind, origin: Origin::Base, ..Part::joined(inputs)? }.quantized(to)?;
        let (layer, blob) = group[first].clone();
        return Ok(Ok((vec![BaseLayer { layer, blob, part: Some(part) }], group.len())));
    }
    // The first shard speaks for all of them.
    let mut description = Some(Arc::new(description));
    let kept = group.iter().cloned().zip(inputs).enumerate().map(|(index, ((layer, blob), input))| {
        let speaks = description.take_if(|_| index == first);
        let part = speaks.map(|description| Part::existing(kind.clone(), Origin::Base, input, description));
        BaseLayer { layer, blob, part }
    });
    Ok(Ok((kept.collect(), group.len())))
}

/// The media type of the first layer, and into how many it says that the model is split.
fn kind_and_count(layers: &[(Layer, Blob)], model: &str) -> Result<Option<(MediaType, u64)>, CreateError> {
    let Some((layer, blob)) = layers.first() else { return Ok(None) };
    let kind = layer.media_type.clone();
    let count = shard(&input(&kind, model, 1, blob))?.count().unwrap_or(0);
    Ok(Some((kind, count)))
}

fn input(kind: &MediaType, model: &str, number: usize, blob: &Blob) -> Input {
    Input { file: format!("{} of {model}, shard {number}", kind.noun()), blob: blob.clone() }
}

fn shard(input: &Input) -> Result<Shard<'_>, CreateError> {
    Ok(Shard { description: input.source(), file: input.parse()? })
}
