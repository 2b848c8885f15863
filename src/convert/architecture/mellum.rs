//! JetBrains' Mellum 2: experts, and a window on most layers.

use super::Family;
use super::common::{ATTENTION, EMBEDDINGS, EXPERTS, NORMS};
use crate::convert::hyperparameters::standard;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::{ConvertError, Subject};

pub(super) const FAMILY: Family = Family {
    names: &["MellumForCausalLM"],
    architecture: "mellum",
    hyperparameters,
    tensors: &[EMBEDDINGS, NORMS, ATTENTION, EXPERTS, ROUTER],
    ..Family::STANDARD
};

const ROUTER: &[Rule] = &[Rule::keep("model.layers.{}.mlp.gate.*", "blk.{}.ffn_gate_inp.*").required()];

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    standard(subject, out)?;
    let model = subject.model;
    let configuration = &model.configuration;
    if let Some(width) = configuration.optional_integer(&["moe_intermediate_size"])? {
        out.count("expert_feed_forward_length", width)?;
    }
    let is_used = configuration.optional_flag("use_sliding_window")?.unwrap_or(true);
    if let Some(window) = configuration.optional_integer(&["sliding_window"])?.filter(|_| is_used) {
        out.count("attention.sliding_window", window)?;
        let layers = model.layers_of_kind("sliding_attention")?;
        let layers = layers.ok_or_else(|| configuration.missing(&["layer_types"]))?;
        out.set("attention.sliding_window_pattern", layers);
    }
    Ok(())
}
