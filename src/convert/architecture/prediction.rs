//! Layers that predict further tokens, as DeepSeek V3 and its kin append them to the others.

use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::{Configuration, ConvertError, Model};

/// What such a layer has beside what all layers have: a projection of the last state and the next token's embedding,
/// and often a head of its own.
pub(super) const PREDICTION: &[Rule] = &[
    Rule::keep("model.layers.{}.eh_proj.*", "blk.{}.nextn.eh_proj.*"),
    Rule::keep("model.layers.{}.embed_tokens.*", "blk.{}.nextn.embed_tokens.*"),
    Rule::keep("model.layers.{}.enorm.*", "blk.{}.nextn.enorm.*"),
    Rule::keep("model.layers.{}.hnorm.*", "blk.{}.nextn.hnorm.*"),
    Rule::keep("model.layers.{}.shared_head.head.*", "blk.{}.nextn.shared_head_head.*"),
    Rule::keep("model.layers.{}.shared_head.norm.*", "blk.{}.nextn.shared_head_norm.*"),
];

/// How many there are: what the configuration says.
pub(super) fn stated(configuration: &Configuration, _names: &[&str]) -> Result<u64, ConvertError> {
    Ok(configuration.optional_integer(&["num_nextn_predict_layers"])?.unwrap_or(0))
}

/// Writes how many there are, if any.
pub(super) fn write(model: &Model, out: &mut Parameters) -> Result<(), ConvertError> {
    match model.layers - model.main_layers {
        0 => Ok(()),
        layers => out.count("nextn_predict_layers", layers),
    }
}

/// Whether a tensor belongs to such a layer.
pub(super) fn is_beyond(model: &Model, name: &str) -> bool {
    let layer = name.strip_prefix("model.layers.").and_then(|rest| rest.split_once('.'));
    let number = layer.and_then(|(number, _)| number.parse::<u64>().ok());
    number.is_some_and(|number| number >= model.main_layers)
}

/// Writes how many the configuration says there are, none included, if it says anything.
pub(super) fn write_stated(model: &Model, out: &mut Parameters) -> Result<(), ConvertError> {
    match model.configuration.optional_integer(&["num_nextn_predict_layers"])? {
        Some(layers) => out.count("nextn_predict_layers", layers),
        None => Ok(()),
    }
}
