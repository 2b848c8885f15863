//! Layers that predict further tokens, as DeepSeek V3 and its kin append them to the others.

use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::{Configuration, ConvertError, Model};

/// What such a layer has beside what all layers have: a projection of the last state and the next token's
/// embedding, and often a head of its own.
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
pub(in crate::convert) fn is_beyond(model: &Model, name: &str) -> bool {
    layer(name).is_some_and(|layer| layer >= model.main_layers)
}

/// The layer of a tensor of a text model.
fn layer(name: &str) -> Option<u64> {
    let name = name.replacen("language_model.", "", 1);
    let rest = name.trim_start_matches("model.").strip_prefix("layers.")?;
    rest.split_once('.')?.0.parse().ok()
}

/// Whether a tensor belongs to such a layer in a model whose file does not have them.
pub(super) fn is_stated_beyond(model: &Model, name: &str) -> bool {
    let stated = stated(&model.configuration, &[]).unwrap_or(0);
    layer(name).is_some_and(|layer| (0..stated).contains(&layer.wrapping_sub(model.main_layers)))
}

/// Writes how many there are, none included, if the configuration says anything of them.
pub(super) fn write_stated(model: &Model, out: &mut Parameters) -> Result<(), ConvertError> {
    match model.configuration.optional_integer(&["num_nextn_predict_layers"])? {
        Some(_) => out.count("nextn_predict_layers", model.layers - model.main_layers),
        None => Ok(()),
    }
}
