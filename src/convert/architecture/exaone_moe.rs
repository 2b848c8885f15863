//! LG's K-EXAONE: sliding and full attention, experts, and layers that predict further tokens.

use super::Family;
use super::common::{ATTENTION, DENSE_LAYERS, EMBEDDINGS, EXPERTS, NORMS, text_name};
use super::deepseek2::SHARED_EXPERTS;
use super::llama::rope_factors;
use super::prediction::{self, PREDICTION};
use super::qwen3next::predicting_name;
use crate::convert::hyperparameters::standard;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::{ConvertError, Model, Subject};

pub(super) const FAMILY: Family = Family {
    names: &["ExaoneMoEForCausalLM", "ExaoneMoeForCausalLM"],
    architecture: "exaone-moe",
    predicted_layers: prediction::stated,
    hyperparameters,
    generated: rope_factors,
    rename: |model, name| text_name(name).map(|name| predicting_name(model, name)),
    tensors: &[EMBEDDINGS, NORMS, ATTENTION, DENSE_LAYERS, EXPERTS, ROUTER, SHARED_EXPERTS, PREDICTION],
    ..Family::STANDARD
};

const ROUTER: &[Rule] = &[
    Rule::keep("model.layers.{}.mlp.gate.weight", "blk.{}.ffn_gate_inp.weight"),
    Rule::keep("model.layers.{}.mlp.e_score_correction.bias", "blk.{}.exp_probs_b.bias"),
];

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    standard(subject, out)?;
    let model = subject.model;
    let configuration = &model.configuration;
    out.count("vocab_size", configuration.integer("vocab_size")?)?;
    if let Some(window) = configuration.optional_integer(&["sliding_window"])? {
        out.count("attention.sliding_window", window)?;
        if let Some(sliding) = sliding_layers(model)? {
            out.set("attention.sliding_window_pattern", sliding);
        }
    }
    let width = configuration.integer("moe_intermediate_size")?;
    let shared = configuration.integer("num_shared_experts")?;
    out.count("expert_feed_forward_length", width)?;
    out.count("expert_shared_count", shared)?;
    out.count("expert_shared_feed_forward_length", width.saturating_mul(shared))?;
    out.float("expert_weights_scale", configuration.number("routed_scaling_factor")?);
    out.set("expert_weights_norm", configuration.flag("norm_topk_prob")?);
    let dense = ["first_k_dense_replace", "first_last_k_dense_replace"];
    out.count("leading_dense_block_count", configuration.optional_integer(&dense)?.unwrap_or(0))?;
    out.count("nextn_predict_layers", model.layers - model.main_layers)?;
    out.set("rope.scaling.type", "none");
    Ok(())
}

/// Layer by layer whether attention slides: from a list, or a pattern of letters or a number that repeats.
fn sliding_layers(model: &Model) -> Result<Option<Vec<bool>>, ConvertError> {
    const KEY: &str = "sliding_window_pattern";
    let listed = model.layers_of_kind("sliding_attention")?;
    if listed.is_some() {
        return Ok(listed);
    }
    let configuration = &model.configuration;
    let layers = 0..model.main_layers;
    match configuration.value(KEY) {
        Some(value) if value.is_string() => {
            let letters: Vec<char> = configuration.text_value(KEY)?.unwrap_or_default().chars().collect();
            let sliding =
                layers.map(|layer| letters.get(layer as usize % letters.len().max(1)) == Some(&'L'));
            Ok(Some(sliding.collect()))
        }
        Some(_) => {
            let interval = configuration.integer(KEY)?.max(1);
            Ok(Some(layers.map(|layer| !(layer + 1).is_multiple_of(interval)).collect()))
        }
        None => Ok(None),
    }
}
