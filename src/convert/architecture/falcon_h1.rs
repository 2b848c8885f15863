//! TII's Falcon-H1: Mamba 2 and attention side by side in every layer. The factors that its code applies to
//! inputs and outputs are multiplied into the weights.

use super::Family;
use super::common::flat_kernel;
use super::nemotron_h::{column, grouped_norm};
use crate::convert::configuration::Class;
use crate::convert::hyperparameters::{file_type_here, key_and_value_length};
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::weight::{Weight, WeightError};
use crate::convert::{ConvertError, Model, Subject};
use crate::plan::{Constant, Derivation, Operation};

pub(super) const FAMILY: Family = Family {
    names: &["FalconH1ForCausalLM"],
    architecture: "falcon-h1",
    classes: &[Class::new(
        "falcon_h1",
        &[],
        r#"{"vocab_size": 128000, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "max_position_embeddings": 8192, "num_key_value_heads": 8,
        "rms_norm_eps": 1e-5, "rope_theta": 100000.0, "mamba_d_ssm": 1024, "mamba_n_heads": 128,
        "mamba_d_head": 8, "mamba_n_groups": 1, "mamba_d_state": 256, "mamba_d_conv": 4, "mamba_expand": 2,
        "lm_head_multiplier": 1.0, "embedding_multiplier": 1.0, "mlp_multipliers": [1.0, 1.0],
        "attention_out_multiplier": 1.0, "attention_in_multiplier": 1.0, "key_multiplier": 1.0,
        "ssm_multipliers": [1.0, 1.0, 1.0, 1.0, 1.0], "ssm_in_multiplier": 1.0, "ssm_out_multiplier": 1.0}"#,
    )],
    hyperparameters,
    tensors: &[TRUNK, MAMBA, ATTENTION, FEED_FORWARD],
    ..Family::STANDARD
};

const TRUNK: &[Rule] = &[
    Rule::step("model.embed_tokens.*", "token_embd.*", |model, weight| {
        times(model, weight, &["embedding_multiplier"])
    })
    .required(),
    Rule::keep("model.final_layernorm.*", "output_norm.*").required(),
    Rule::step("lm_head.*", "output.*", |model, weight| times(model, weight, &["lm_head_multiplier"])),
    Rule::keep("model.layers.{}.input_layernorm.*", "blk.{}.attn_norm.*").required(),
    // The runtime looks for it without an ending.
    Rule::keep("model.layers.{}.pre_ff_layernorm.weight", "blk.{}.ffn_norm").required(),
];

const MAMBA: &[Rule] = &[
    Rule::step("model.layers.{}.mamba.A_log", "blk.{}.ssm_a", |model, weight| {
        column(model, weight)?.map(Operation::NegatedExponential)
    })
    .required(),
    Rule::step("model.layers.{}.mamba.D", "blk.{}.ssm_d", column).required(),
    Rule::step("model.layers.{}.mamba.conv1d.weight", "blk.{}.ssm_conv1d.weight", flat_kernel).required(),
    Rule::keep("model.layers.{}.mamba.conv1d.bias", "blk.{}.ssm_conv1d.bias"),
    Rule::keep("model.layers.{}.mamba.dt_bias", "blk.{}.ssm_dt.bias").required(),
    Rule::step("model.layers.{}.mamba.in_proj.*", "blk.{}.ssm_in.*", |model, weight| {
        parts_of_input(model, times(model, weight, &["ssm_in_multiplier"])?)
    })
    .required(),
    Rule::step("model.layers.{}.mamba.norm.weight", "blk.{}.ssm_norm.weight", grouped_norm),
    Rule::step("model.layers.{}.mamba.out_proj.*", "blk.{}.ssm_out.*", |model, weight| {
        times(model, weight, &["ssm_out_multiplier"])
    })
    .required(),
];

const ATTENTION: &[Rule] = &[
    Rule::step("model.layers.{}.self_attn.q_proj.*", "blk.{}.attn_q.*", attention_input).required(),
    Rule::step("model.layers.{}.self_attn.k_proj.*", "blk.{}.attn_k.*", |model, weight| {
        times(model, weight, &["key_multiplier", "attention_in_multiplier"])
    })
    .required(),
    Rule::step("model.layers.{}.self_attn.v_proj.*", "blk.{}.attn_v.*", attention_input).required(),
    Rule::step("model.layers.{}.self_attn.o_proj.*", "blk.{}.attn_output.*", |model, weight| {
        times(model, weight, &["attention_out_multiplier"])
    })
    .required(),
];

const FEED_FORWARD: &[Rule] = &[
    Rule::step("model.layers.{}.feed_forward.gate_proj.*", "blk.{}.ffn_gate.*", |model, weight| {
        factor(weight, multipliers(model, "mlp_multipliers")?.first().copied())
    })
    .required(),
    Rule::keep("model.layers.{}.feed_forward.up_proj.*", "blk.{}.ffn_up.*").required(),
    Rule::step("model.layers.{}.feed_forward.down_proj.*", "blk.{}.ffn_down.*", |model, weight| {
        factor(weight, multipliers(model, "mlp_multipliers")?.get(1).copied())
    })
    .required(),
];

fn attention_input(model: &Model, weight: Weight) -> Result<Weight, WeightError> {
    times(model, weight, &["attention_in_multiplier"])
}

/// One factor after the other, as the reference rounds in between.
fn times(model: &Model, weight: Weight, keys: &[&str]) -> Result<Weight, WeightError> {
    keys.iter().try_fold(weight, |weight, key| factor(weight, Some(model.configuration.number(key)?)))
}

fn factor(weight: Weight, number: Option<f64>) -> Result<Weight, WeightError> {
    weight.map(Operation::Multiply(Constant::new(number.unwrap_or(1.0))))
}

fn multipliers(model: &Model, key: &str) -> Result<Vec<f64>, ConvertError> {
    model.configuration.numbers(key)?.ok_or_else(|| model.configuration.missing(&[key]))
}

/// Gate, input, both states and time steps lie one after the other, and have a factor each.
fn parts_of_input(model: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let configuration = &model.configuration;
    let inner = configuration.integer("mamba_d_ssm")?;
    let groups = configuration.integer("mamba_n_groups")?;
    let state = groups.saturating_mul(configuration.integer("mamba_d_state")?);
    let rows = weight.row_count();
    let factors = multipliers(model, "ssm_multipliers")?;
    let derivation = weight.whole()?;
    let mut start = 0_u64;
    let mut parts = Vec::new();
    for (size, factor) in [inner, inner, state, state, u64::MAX].into_iter().zip(&factors) {
        let end = start.saturating_add(size).min(rows);
        let part = derivation.clone().slice(0, start..end)?;
        parts.push(part.map(Operation::Multiply(Constant::new(*factor))));
        start = end;
    }
    Ok(Weight::Whole(Derivation::concatenate(0, parts)?))
}

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let model = subject.model;
    let configuration = &model.configuration;
    let inner = configuration.integer("mamba_d_ssm")?;
    let head = configuration.integer("mamba_d_head")?.max(1);
    if !inner.is_multiple_of(head) {
        return Err(configuration.bad("mamba_d_ssm", &inner, &format!("a multiple of mamba_d_head {head}")));
    }
    for (key, name) in [
        ("context_length", "max_position_embeddings"),
        ("embedding_length", "hidden_size"),
        ("feed_forward_length", "intermediate_size"),
        ("attention.head_count", "num_attention_heads"),
        ("block_count", "num_hidden_layers"),
        ("ssm.conv_kernel", "mamba_d_conv"),
        ("ssm.inner_size", "mamba_d_ssm"),
        ("ssm.state_size", "mamba_d_state"),
    ] {
        out.count(key, configuration.integer(name)?)?;
    }
    out.count("ssm.time_step_rank", inner / head)?;
    out.count("ssm.group_count", configuration.integer("mamba_n_groups")?)?;
    out.float("attention.layer_norm_rms_epsilon", configuration.number("rms_norm_eps")?);
    file_type_here(out);
    out.count("vocab_size", configuration.integer("vocab_size")?)?;
    out.count("attention.head_count_kv", model.key_value_heads()?)?;
    key_and_value_length(out, configuration.integer("head_dim")?)?;
    out.float("rope.freq_base", model.rope.full.number("rope_theta")?);
    Ok(())
}
