//! Granite Switch: Granite 4 with several adapters in the model, of which tokens choose one.

use super::common::{EMBEDDINGS, NORMS, consecutive_rows, halves, text_name};
use super::{Family, granite};
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::weight::{Weight, WeightError, pair_rotary_rows};
use crate::convert::{ConvertError, Model, Subject};
use crate::plan::Derivation;

pub(super) const FAMILY: Family = Family {
    names: &["GraniteSwitchForCausalLM"],
    architecture: "graniteswitch",
    classes: &[],
    adjust: |configuration, files| {
        // What chooses the adapter counts as a layer and has no weights.
        let layers = configuration.integer("num_hidden_layers")?;
        configuration.set("num_hidden_layers", layers.saturating_sub(1));
        (granite::FAMILY.adjust)(configuration, files)
    },
    hyperparameters: switch_hyperparameters,
    rename: |_, name| {
        let last = name.rsplit('.').next().unwrap_or(name);
        let of_switch = name.starts_with("model.switch.")
            || name.starts_with("switch.")
            || ["adapter_token_ids", "control_to_substitute_lut"].contains(&last);
        if of_switch || name == "lm_head.weight" { None } else { text_name(name) }
    },
    tensors: &[EMBEDDINGS, NORMS, ATTENTION, FEED_FORWARD],
    ..granite::FAMILY
};

const ATTENTION: &[Rule] = &[
    Rule::step("model.layers.{}.self_attn.qkv_proj.base_layer.weight", "blk.{}.attn_qkv.weight", paired)
        .required(),
    Rule::step("model.layers.{}.self_attn.qkv_proj.lora_A_slices.0", "blk.{}.attn_q.lora_a", first_factor),
    Rule::step("model.layers.{}.self_attn.qkv_proj.lora_A_slices.1", "blk.{}.attn_k.lora_a", first_factor),
    Rule::step("model.layers.{}.self_attn.qkv_proj.lora_A_slices.2", "blk.{}.attn_v.lora_a", first_factor),
    Rule::step(
        "model.layers.{}.self_attn.qkv_proj.lora_B_slices.0",
        "blk.{}.attn_q.lora_b",
        |model, weight| second_factor(weight, Some(model.heads()?)),
    ),
    Rule::step(
        "model.layers.{}.self_attn.qkv_proj.lora_B_slices.1",
        "blk.{}.attn_k.lora_b",
        |model, weight| second_factor(weight, Some(model.key_value_heads()?)),
    ),
    Rule::step("model.layers.{}.self_attn.qkv_proj.lora_B_slices.2", "blk.{}.attn_v.lora_b", |_, weight| {
        second_factor(weight, None)
    }),
    Rule::keep("model.layers.{}.self_attn.o_proj.base_layer.weight", "blk.{}.attn_output.weight").required(),
    Rule::step("model.layers.{}.self_attn.o_proj.lora_A", "blk.{}.attn_output.lora_a", first_factor),
    Rule::step("model.layers.{}.self_attn.o_proj.lora_B", "blk.{}.attn_output.lora_b", |_, weight| {
        second_factor(weight, None)
    }),
];

const FEED_FORWARD: &[Rule] = &[
    Rule::split(
        "model.layers.{}.shared_mlp.input_linear.base_layer.weight",
        &["blk.{}.ffn_gate.weight", "blk.{}.ffn_up.weight"],
        halves,
    )
    .required(),
    Rule::step(
        "model.layers.{}.shared_mlp.input_linear.lora_A_slices.0",
        "blk.{}.ffn_gate.lora_a",
        first_factor,
    ),
    Rule::step(
        "model.layers.{}.shared_mlp.input_linear.lora_A_slices.1",
        "blk.{}.ffn_up.lora_a",
        first_factor,
    ),
    Rule::step(
        "model.layers.{}.shared_mlp.input_linear.lora_B_slices.0",
        "blk.{}.ffn_gate.lora_b",
        |_, weight| second_factor(weight, None),
    ),
    Rule::step(
        "model.layers.{}.shared_mlp.input_linear.lora_B_slices.1",
        "blk.{}.ffn_up.lora_b",
        |_, weight| second_factor(weight, None),
    ),
    Rule::keep("model.layers.{}.shared_mlp.output_linear.base_layer.weight", "blk.{}.ffn_down.weight")
        .required(),
    Rule::step("model.layers.{}.shared_mlp.output_linear.lora_A", "blk.{}.ffn_down.lora_a", first_factor),
    Rule::step("model.layers.{}.shared_mlp.output_linear.lora_B", "blk.{}.ffn_down.lora_b", |_, weight| {
        second_factor(weight, None)
    }),
];

/// Queries and keys in the order in which llama.cpp rotates them, with the values after them.
fn paired(model: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let (heads, groups, size) = (model.heads()?, model.key_value_heads()?, head_size(model)?);
    let (queries, keys) = (heads.saturating_mul(size), groups.saturating_mul(size));
    let parts = consecutive_rows(weight, &[queries, keys, keys])?;
    let mut parts = parts.into_iter();
    let mut next = |heads: Option<u64>| {
        let part = parts.next().ok_or(WeightError::LowRank)?;
        heads.map_or_else(|| Ok(part.clone()), |heads| pair_rotary_rows(part.clone(), heads))?.whole()
    };
    let parts = vec![next(Some(heads))?, next(Some(groups))?, next(None)?];
    Ok(Weight::Whole(Derivation::concatenate(0, parts)?))
}

fn head_size(model: &Model) -> Result<u64, ConvertError> {
    match model.configuration.optional_integer(&["projection_head_dim"])?.filter(|size| *size > 0) {
        Some(size) => model.checked_head_size("projection_head_dim", size),
        None => model.head_size(),
    }
}

/// The first factors of all adapters, after those of one that changes nothing.
fn first_factor(_: &Model, weight: Weight) -> Result<Weight, WeightError> {
    Ok(Weight::Whole(after_none(weight.whole()?.squeeze(1)?)?))
}

/// The second factors likewise, their outputs in the order of those that they change.
fn second_factor(weight: Weight, heads: Option<u64>) -> Result<Weight, WeightError> {
    let factors = weight.whole()?.squeeze(1)?;
    let factors = match (heads, factors.dimensions().as_slice()) {
        (Some(heads), &[adapters, rows, rank]) => {
            let half = rows.checked_div(heads.saturating_mul(2)).unwrap_or(0);
            let by_head = factors.reshape(&[adapters, heads, 2, half, rank])?.permute(&[0, 1, 3, 2, 4])?;
            by_head.reshape(&[adapters, rows, rank])?
        }
        _ => factors,
    };
    Ok(Weight::Whole(after_none(factors)?))
}

fn after_none(factors: Derivation) -> Result<Derivation, WeightError> {
    let mut dimensions = factors.dimensions();
    if let Some(adapters) = dimensions.first_mut() {
        *adapters = 1;
    }
    Ok(Derivation::concatenate(0, vec![Derivation::filled(0.0, &dimensions)?, factors])?)
}

fn switch_hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    granite::mixture_hyperparameters(subject, out)?;
    let configuration = &subject.model.configuration;
    if configuration.optional_integer(&["num_local_experts"])?.unwrap_or(0) == 0 {
        out.count("expert_used_count", 0)?;
    }
    out.count("adapters.count", configuration.integer("num_adapters")?)?;
    out.count("adapters.lora_rank", configuration.integer("max_lora_rank")?)?;
    for (key, name) in [
        ("adapters.token_ids_activate", "adapter_token_ids"),
        ("adapters.token_ids_substitute", "adapter_substitute_token_ids"),
    ] {
        let tokens = configuration.integers(name)?.ok_or_else(|| configuration.missing(&[name]))?;
        out.counts(key, &tokens)?;
    }
    let gain = configuration.optional_number(&["control_token_gain"])?.unwrap_or(15.0);
    out.float("adapters.router_gain", gain);
    Ok(())
}
