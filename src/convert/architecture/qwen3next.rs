//! Qwen 3-Next: three layers of linear attention for each of full attention, experts, and layers that predict
//! further tokens.

use std::borrow::Cow;

use super::Family;
use super::common::{EXPERTS, SHARED_EXPERT, STACKED_EXPERTS, add_one, flat_kernel, text_name};
use crate::convert::configuration::{Class, Derived};
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::shapes::{ANY, GATED_QUERIES, Shapes, WIDTH};
use crate::convert::weight::{Weight, WeightError, rows_as};
use crate::convert::{Configuration, ConvertError, Model, Subject};
use crate::plan::{Derivation, Operation};

pub(super) const FAMILY: Family = Family {
    names: &["Qwen3NextForCausalLM"],
    architecture: "qwen3next",
    classes: &[Class::new(
        "qwen3_next",
        &[Derived::KeyValueHeads],
        r#"{"vocab_size": 151936, "max_position_embeddings": 32768, "hidden_size": 2048,
        "intermediate_size": 5632, "num_hidden_layers": 48, "num_attention_heads": 16,
        "num_key_value_heads": 2, "head_dim": 256, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
        "partial_rotary_factor": 0.25, "num_experts": 512, "num_experts_per_tok": 10,
        "moe_intermediate_size": 512, "shared_expert_intermediate_size": 512, "linear_conv_kernel_dim": 4,
        "linear_key_head_dim": 128, "linear_value_head_dim": 128, "linear_num_key_heads": 16,
        "linear_num_value_heads": 32}"#,
    )],
    predicted_layers,
    hyperparameters,
    rename: |model, name| text_name(name).map(|name| predicting_name(model, name)),
    tensors: &[TRUNK, ATTENTION, LINEAR_ATTENTION, EXPERTS, STACKED_EXPERTS, SHARED_EXPERT],
    shapes: SHAPES,
    ..Family::STANDARD
};

/// Queries, keys and values with norms of their own, which are stored around zero.
pub(super) const ATTENTION: &[Rule] = &[
    Rule::keep("model.layers.{}.self_attn.q_proj.*", "blk.{}.attn_q.*"),
    Rule::keep("model.layers.{}.self_attn.k_proj.*", "blk.{}.attn_k.*"),
    Rule::keep("model.layers.{}.self_attn.v_proj.*", "blk.{}.attn_v.*"),
    Rule::keep("model.layers.{}.self_attn.o_proj.*", "blk.{}.attn_output.*"),
    Rule::step("model.layers.{}.self_attn.q_norm.*", "blk.{}.attn_q_norm.*", add_one),
    Rule::step("model.layers.{}.self_attn.k_norm.*", "blk.{}.attn_k_norm.*", add_one),
];

/// Embeddings, norms and the layers that predict further tokens; norms are stored around zero.
pub(super) const TRUNK: &[Rule] = &[
    Rule::keep("model.embed_tokens.*", "token_embd.*").required(),
    Rule::step("model.norm.*", "output_norm.*", add_one).required(),
    Rule::keep("lm_head.*", "output.*"),
    Rule::step("model.layers.{}.input_layernorm.*", "blk.{}.attn_norm.*", add_one).required(),
    Rule::step("model.layers.{}.post_attention_layernorm.*", "blk.{}.post_attention_norm.*", add_one)
        .required(),
    Rule::keep("model.layers.{}.eh_proj.*", "blk.{}.nextn.eh_proj.*"),
    Rule::step("model.layers.{}.enorm.*", "blk.{}.nextn.enorm.*", add_one),
    Rule::step("model.layers.{}.hnorm.*", "blk.{}.nextn.hnorm.*", add_one),
    Rule::step("model.layers.{}.shared_head.norm.*", "blk.{}.nextn.shared_head_norm.*", add_one),
];

/// Queries with gates, and linear attention with heads of its own.
pub(super) const SHAPES: &[Shapes] = &[
    ("attn_q.weight", &[&[WIDTH, GATED_QUERIES]]),
    ("attn_q.bias", &[&[GATED_QUERIES]]),
    ("attn_qkv.weight", &[&[WIDTH, ANY]]),
];

const LINEAR_ATTENTION: &[Rule] = &[
    Rule::step("model.layers.{}.linear_attn.A_log", "blk.{}.ssm_a", decay),
    Rule::keep("model.layers.{}.linear_attn.dt_bias", "blk.{}.ssm_dt.bias"),
    Rule::step("model.layers.{}.linear_attn.conv1d.weight", "blk.{}.ssm_conv1d.weight", flat_kernel),
    Rule::keep("model.layers.{}.linear_attn.in_proj_ba.*", "blk.{}.ssm_ba.*"),
    Rule::split(
        "model.layers.{}.linear_attn.in_proj_qkvz.weight",
        &["blk.{}.attn_qkv.weight", "blk.{}.attn_gate.weight"],
        queries_keys_values_and_gate,
    ),
    Rule::keep("model.layers.{}.linear_attn.norm.*", "blk.{}.ssm_norm.*"),
    Rule::keep("model.layers.{}.linear_attn.out_proj.*", "blk.{}.ssm_out.*"),
];

/// The state's decay, stored as its logarithm.
pub(super) fn decay(_: &Model, weight: Weight) -> Result<Weight, WeightError> {
    weight.map(Operation::NegatedExponential)
}

/// Rows that lie head by head as queries, keys, values and gates, sorted by kind.
fn queries_keys_values_and_gate(model: &Model, weight: Weight) -> Result<Vec<Weight>, WeightError> {
    let configuration = &model.configuration;
    let heads = configuration.integer("linear_num_key_heads")?;
    let key = configuration.integer("linear_key_head_dim")?;
    let values = configuration.integer("linear_num_value_heads")?;
    let size = configuration.integer("linear_value_head_dim")?;
    let value = values.checked_div(heads).unwrap_or(0).saturating_mul(size);
    let all = key.saturating_add(value).saturating_mul(2);
    let part = |grouped: Derivation, from: u64, length: u64| {
        rows_as(grouped.slice(1, from..from + length)?, 2, &[heads * length])
    };
    let attention = weight.clone().rows(|derivation| {
        let derivation = rows_as(derivation, 1, &[heads, all])?;
        let queries = part(derivation.clone(), 0, key)?;
        let keys = part(derivation.clone(), key, key)?;
        Derivation::concatenate(0, vec![queries, keys, part(derivation, 2 * key, value)?])
    })?;
    let gate =
        weight.rows(|derivation| part(rows_as(derivation, 1, &[heads, all])?, 2 * key + value, value))?;
    Ok(vec![attention, gate])
}

/// The number of layers that predict further tokens, from the configuration or else from the tensors.
pub(super) fn predicted_layers(configuration: &Configuration, names: &[&str]) -> Result<u64, ConvertError> {
    let stated = configuration.optional_integer(&["mtp_num_hidden_layers"])?.unwrap_or(0);
    let number = |name: &&str| {
        let name = name.strip_prefix("model.").unwrap_or(name);
        name.strip_prefix("mtp.layers.")?.split_once('.')?.0.parse::<u64>().ok()
    };
    let found = names.iter().filter_map(number).max().map_or(0, |last| last.saturating_add(1));
    Ok(if stated > 0 { stated } else { found })
}

/// Tensors of the layers that predict further tokens, as of layers after the last.
pub(super) fn predicting_name<'n>(model: &Model, name: Cow<'n, str>) -> Cow<'n, str> {
    let inner = name.strip_prefix("model.").unwrap_or(&name).strip_prefix("mtp.");
    let Some(inner) = inner else { return name };
    let first = model.main_layers;
    let layer = inner.strip_prefix("layers.").and_then(|rest| rest.split_once('.'));
    let layer = layer.and_then(|(number, rest)| Some((number.parse::<u64>().ok()?, rest)));
    if let Some((number, rest)) = layer {
        return format!("model.layers.{}.{rest}", first.saturating_add(number)).into();
    }
    for (from, to) in [
        ("fc.", "eh_proj."),
        ("pre_fc_norm_embedding.", "enorm."),
        ("pre_fc_norm_hidden.", "hnorm."),
        ("norm.", "shared_head.norm."),
    ] {
        if let Some(rest) = inner.strip_prefix(from) {
            return format!("model.layers.{first}.{to}{rest}").into();
        }
    }
    name
}

pub(super) fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    super::qwen2moe::hyperparameters(subject, out)?;
    let model = subject.model;
    let configuration = &model.configuration;
    if model.layers > model.main_layers {
        out.count("nextn_predict_layers", model.layers - model.main_layers)?;
    }
    out.count("ssm.conv_kernel", configuration.integer("linear_conv_kernel_dim")?)?;
    out.count("ssm.state_size", configuration.integer("linear_key_head_dim")?)?;
    out.count("ssm.group_count", configuration.integer("linear_num_key_heads")?)?;
    let heads = configuration.integer("linear_num_value_heads")?;
    out.count("ssm.time_step_rank", heads)?;
    let size = configuration.integer("linear_value_head_dim")?;
    out.count("ssm.inner_size", heads.saturating_mul(size))?;
    let interval = configuration.optional_integer(&["full_attention_interval"])?.unwrap_or(4);
    let derived = || (1..=model.main_layers).map(|number| interval == 0 || number % interval != 0).collect();
    let mut recurrent: Vec<bool> = model.layers_of_kind("linear_attention")?.unwrap_or_else(derived);
    if recurrent.len() as u64 != model.main_layers {
        let expected = format!("{} layers", model.main_layers);
        return Err(configuration.bad("layer_types", &recurrent.len(), &expected));
    }
    recurrent.resize(model.layers as usize, false);
    out.set("attention.recurrent_layers", recurrent);
    out.count("full_attention_interval", interval)?;
    let fraction = model.rope.common.optional_number(&["partial_rotary_factor"])?.unwrap_or(0.25);
    out.count("rope.dimension_count", model.rotary_size(fraction)?)
}
