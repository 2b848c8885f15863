//! Poolside's Laguna: sliding and full attention with different numbers of heads, gates on them, experts.

use serde_json::Value;

use super::Family;
use super::common::{ATTENTION, DENSE_LAYERS, EMBEDDINGS, NORMS, SHARED_EXPERT};
use crate::convert::hyperparameters::{GATING_SIGMOID, standard};
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::{ConvertError, Model, Subject};

pub(super) const FAMILY: Family = Family {
    names: &["LagunaForCausalLM"],
    architecture: "laguna",
    tokenizer: Flavour::LAGUNA,
    hyperparameters,
    tensors: &[EMBEDDINGS, NORMS, ATTENTION, GATES, DENSE_LAYERS, EXPERTS, SHARED_EXPERT],
    ..Family::STANDARD
};

const GATES: &[Rule] = &[Rule::keep("model.layers.{}.self_attn.g_proj.*", "blk.{}.attn_gate.*").required()];

const EXPERTS: &[Rule] = &[
    Rule::expert("model.layers.{}.mlp.experts.{}.gate_proj.weight", "blk.{}.ffn_gate_exps.weight"),
    Rule::expert("model.layers.{}.mlp.experts.{}.up_proj.weight", "blk.{}.ffn_up_exps.weight"),
    Rule::expert("model.layers.{}.mlp.experts.{}.down_proj.weight", "blk.{}.ffn_down_exps.weight"),
    Rule::keep("model.layers.{}.mlp.experts.e_score_correction.bias", "blk.{}.exp_probs_b.bias"),
];

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    standard(subject, out)?;
    let model = subject.model;
    let configuration = &model.configuration;
    out.count("vocab_size", configuration.integer("vocab_size")?)?;
    out.counts("attention.head_count", &heads_by_layer(model)?)?;
    check_gates(model)?;
    let window = configuration.optional_integer(&["sliding_window"])?;
    if let Some(window) = window.filter(|window| *window > 0) {
        out.count("attention.sliding_window", window)?;
    }
    out.count("expert_feed_forward_length", configuration.integer("moe_intermediate_size")?)?;
    let shared_width = configuration.integer("shared_expert_intermediate_size")?;
    out.count("expert_shared_feed_forward_length", shared_width)?;
    out.set("expert_weights_norm", true);
    out.float("expert_weights_scale", configuration.number("moe_routed_scaling_factor")?);
    out.set("expert_gating_func", GATING_SIGMOID);
    let kinds = configuration.strings("mlp_layer_types")?;
    let kinds = kinds.ok_or_else(|| configuration.missing(&["mlp_layer_types"]))?;
    let dense = kinds.iter().take_while(|kind| **kind == "dense").count();
    out.count("leading_dense_block_count", dense as u64)?;
    let rotated = |fraction: Option<f64>| model.rotary_size(fraction.unwrap_or(1.0));
    let full = model.rope.full.optional_number(&["partial_rotary_factor"])?;
    out.count("rope.dimension_count", rotated(full)?)?;
    if let Some(sliding) = &model.rope.sliding {
        let part = sliding.optional_number(&["partial_rotary_factor"])?;
        out.count("rope.dimension_count_swa", rotated(part)?)?;
    }
    Ok(())
}

fn heads_by_layer(model: &Model) -> Result<Vec<u64>, ConvertError> {
    const KEY: &str = "num_attention_heads_per_layer";
    let listed = model.configuration.integers(KEY)?.filter(|heads| !heads.is_empty());
    let heads = match listed {
        Some(heads) => heads,
        None => vec![model.heads()?; model.main_layers as usize],
    };
    if heads.len() as u64 != model.main_layers {
        let expected = format!("one number for each of {} layers", model.main_layers);
        return Err(model.configuration.bad(KEY, &format!("{} numbers", heads.len()), &expected));
    }
    Ok(heads)
}

/// Checks that it is said, once and clearly, whether gates are one a head or one an element.
fn check_gates(model: &Model) -> Result<(), ConvertError> {
    let configuration = &model.configuration;
    let normal = |kind: &str| kind.replace('-', "_");
    let known = |kind: &String| ["per_element", "per_head"].contains(&kind.as_str());
    let (scalar, listed) = (configuration.value("gating"), configuration.strings("gating_types")?);
    let scalar = match scalar {
        Some(Value::Bool(true)) => Some("per_head".to_owned()),
        Some(Value::String(kind)) => Some(normal(kind)),
        _ => None,
    };
    let listed: Vec<String> = listed.unwrap_or_default().into_iter().map(normal).collect();
    let kinds = if listed.is_empty() { scalar.clone().into_iter().collect() } else { listed };
    let clear = !kinds.is_empty()
        && kinds.iter().all(known)
        && (kinds.iter().all(|kind| kind == "per_head") || scalar.as_deref() == Some("per_element"));
    match clear {
        true => Ok(()),
        false => {
            let got = configuration.value("gating").cloned().unwrap_or_default();
            Err(configuration.bad("gating", &got, "\"per-head\" or \"per-element\", as in gating_types"))
        }
    }
}
