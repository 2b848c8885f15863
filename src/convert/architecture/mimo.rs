//! Xiaomi's MiMo V2: sliding attention with sinks between layers of full attention, and experts.

use std::borrow::Cow;

use super::common::{ATTENTION, DENSE_LAYERS, EMBEDDINGS, NORMS, replaced, text_name};
use super::deepseek2::ROUTING;
use super::prediction::PREDICTION;
use super::{Family, vision};
use crate::convert::hyperparameters::standard;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::weight::{Weight, WeightError, rows_as};
use crate::convert::{ConvertError, Model, Subject};
use crate::plan::Derivation;

pub(super) const FAMILY: Family = Family {
    names: &["MiMoV2FlashForCausalLM", "MiMoV2ForCausalLM"],
    architecture: "mimo2",
    // All releases have as many, and no configuration says so.
    predicted_layers: |_, _| Ok(3),
    hyperparameters,
    rename,
    tensors: &[
        EMBEDDINGS,
        NORMS,
        FUSED_ATTENTION,
        SEPARATE_ATTENTION,
        DENSE_LAYERS,
        EXPERTS,
        ROUTING,
        PREDICTION,
    ],
    stored_by_rank: &[".self_attn.qkv_proj.weight"],
    modules: &[vision::mimo::FOLDER],
    projector: Some(&vision::mimo::PROJECTOR),
    ..Family::STANDARD
};

const FUSED_ATTENTION: &[Rule] = &[
    Rule::step("model.layers.{}.self_attn.qkv_proj.weight", "blk.{}.attn_qkv.weight", |model, weight| {
        gathered(model, weight, model.key_value_heads()?)
    }),
    Rule::step("model.layers.{}.sliding.qkv_proj.weight", "blk.{}.attn_qkv.weight", |model, weight| {
        gathered(model, weight, model.configuration.integer("swa_num_key_value_heads")?)
    }),
    Rule::keep("model.layers.{}.self_attn.attention_sink_bias", "blk.{}.attn_sinks.weight"),
    Rule::keep("model.layers.{}.pre_mlp_layernorm.*", "blk.{}.ffn_norm.*"),
    Rule::keep("model.layers.{}.final_layernorm.*", "blk.{}.layer_output_norm.*"),
];

const SEPARATE_ATTENTION: &[Rule] =
    &Rule::optional([ATTENTION[0], ATTENTION[1], ATTENTION[2], ATTENTION[3], ATTENTION[4], ATTENTION[5]]);

/// Packed experts stand in another order.
const EXPERTS: &[Rule] = &[
    Rule::expert("model.layers.{}.mlp.experts.{}.gate_proj.weight", "blk.{}.ffn_gate_exps.weight"),
    Rule::expert("model.layers.{}.mlp.experts.{}.up_proj.weight", "blk.{}.ffn_up_exps.weight"),
    Rule::expert("model.layers.{}.mlp.experts.{}.down_proj.weight", "blk.{}.ffn_down_exps.weight"),
    Rule::expert("model.layers.{}.mlp.packed.{}.down_proj.packed", "blk.{}.ffn_down_exps.weight"),
    Rule::expert("model.layers.{}.mlp.packed.{}.gate_proj.packed", "blk.{}.ffn_gate_exps.weight"),
    Rule::expert("model.layers.{}.mlp.packed.{}.up_proj.packed", "blk.{}.ffn_up_exps.weight"),
];

/// The layers that predict further tokens follow the others, and slide.
fn rename<'n>(model: &Model, name: &'n str) -> Option<Cow<'n, str>> {
    let name = text_name(name)?;
    if name.ends_with(".packed") {
        return Some(replaced(name, ".mlp.experts.", ".mlp.packed."));
    }
    let predicted = name.strip_prefix("model.mtp.layers.").map(|rest| (model.main_layers, rest));
    let located = predicted.or_else(|| name.strip_prefix("model.layers.").map(|rest| (0, rest)));
    let Some((first, rest)) = located else { return Some(name) };
    let Some((number, rest)) = rest.split_once('.') else { return Some(name) };
    let Ok(number) = number.parse::<u64>() else { return Some(name) };
    let layer = first.saturating_add(number);
    let slides = kinds(model).is_ok_and(|kinds| kinds.get(layer as usize) == Some(&1));
    match rest.strip_prefix("self_attn.qkv_proj.").filter(|_| slides) {
        Some(rest) => Some(format!("model.layers.{layer}.sliding.qkv_proj.{rest}").into()),
        None if first == 0 => Some(name),
        None => Some(format!("model.layers.{layer}.{rest}").into()),
    }
}

/// Layer by layer 1 where attention slides, and 0 where it does not.
fn kinds(model: &Model) -> Result<Vec<u64>, ConvertError> {
    const KEY: &str = "hybrid_layer_pattern";
    let kinds = model.configuration.integers(KEY)?;
    let mut kinds = kinds.ok_or_else(|| model.configuration.missing(&[KEY]))?;
    if kinds.len() as u64 != model.main_layers {
        let expected = format!("one number for each of {} layers", model.main_layers);
        return Err(model.configuration.bad(KEY, &format!("{} numbers", kinds.len()), &expected));
    }
    kinds.resize(model.layers as usize, 1);
    Ok(kinds)
}

/// Queries, keys and values of all ranks, which each have their part of all three, sorted by kind.
fn gathered(model: &Model, weight: Weight, key_heads: u64) -> Result<Weight, WeightError> {
    let derivation = weight.whole()?;
    let [ranks, _, columns] = derivation.dimensions()[..] else { return Ok(Weight::Whole(derivation)) };
    let configuration = &model.configuration;
    let (key, value) = (configuration.integer("head_dim")?, configuration.integer("v_head_dim")?);
    let sizes =
        [model.heads()?.saturating_mul(key), key_heads.saturating_mul(key), key_heads.saturating_mul(value)];
    let sizes = sizes.map(|size| size / ranks);
    let derivation = derivation.reshape(&[ranks, sizes.iter().sum(), columns])?;
    let mut start = 0;
    let mut parts: Vec<Derivation> = Vec::new();
    for size in sizes {
        parts.push(rows_as(derivation.clone().slice(1, start..start + size)?, 2, &[ranks * size])?);
        start += size;
    }
    Ok(Weight::Whole(Derivation::concatenate(0, parts)?))
}

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    standard(subject, out)?;
    let model = subject.model;
    let configuration = &model.configuration;
    for (key, other) in [
        ("swa_head_dim", "head_dim"),
        ("swa_num_attention_heads", "num_attention_heads"),
        ("swa_v_head_dim", "v_head_dim"),
    ] {
        let (value, expected) = (configuration.integer(key)?, configuration.integer(other)?);
        if value != expected {
            return Err(configuration.bad(key, &value, &format!("{other}, which is {expected}")));
        }
    }
    let kinds = kinds(model)?;
    let (full, sliding) = (model.key_value_heads()?, configuration.integer("swa_num_key_value_heads")?);
    let heads: Vec<u64> = kinds.iter().map(|kind| if *kind == 1 { sliding } else { full }).collect();
    out.counts("attention.head_count_kv", &heads)?;
    out.count("attention.sliding_window", configuration.integer("sliding_window")?)?;
    out.counts("attention.sliding_window_pattern", &kinds)?;
    out.count("attention.value_length", configuration.integer("v_head_dim")?)?;
    out.count("expert_count", configuration.integer("n_routed_experts")?)?;
    out.count("expert_feed_forward_length", configuration.integer("moe_intermediate_size")?)?;
    let fraction = model.rope.common.number("partial_rotary_factor")?;
    out.count("rope.dimension_count", model.rotary_size(fraction)?)?;
    let epsilon = configuration.optional_number(&["layernorm_epsilon"])?;
    out.float("attention.layer_norm_rms_epsilon", epsilon.unwrap_or(1e-5));
    if let Some(scale) = configuration.optional_number(&["attention_value_scale"])? {
        out.float("attention.value_scale", scale);
    }
    out.count("nextn_predict_layers", model.layers - model.main_layers)
}
