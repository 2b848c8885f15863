//! NVIDIA's Nemotron-H and Nemotron Nano 2: Mamba 2, attention and feed-forward networks as layers of their own; with
//! experts in some.

use super::Family;
use super::llama::{pair_keys, pair_queries};
use crate::convert::configuration::Configuration;
use crate::convert::hyperparameters::{key_and_value_length, standard};
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::weight::{Weight, WeightError};
use crate::convert::{ConvertError, Model, Source};
use crate::plan::Operation;

pub(super) const FAMILY: Family = Family {
    names: &["NemotronHForCausalLM"],
    architecture: "nemotron_h",
    applies: |configuration| !has_experts(configuration),
    adjust: |configuration, _| {
        // Heads are not an equal share of the width, which is what the usual key would be read as.
        let size = configuration.integer_of(&["head_dim", "attention_head_dim"])?;
        configuration.set("attention_head_dim", size);
        configuration.remove("head_dim");
        Ok(())
    },
    tokenizer: Flavour::NEMOTRON_H,
    hyperparameters,
    rename: |_, name| {
        // PEFT calls the trunk by its usual name.
        let name = super::common::text_name(name)?;
        Some(match name.strip_prefix("model.layers.").filter(|rest| rest.contains(".mixer.")) {
            Some(rest) => format!("backbone.layers.{rest}").into(),
            None => name,
        })
    },
    tensors: &[TRUNK, MAMBA, ATTENTION, FEED_FORWARD],
    ..Family::STANDARD
};

pub(super) const MIXTURE: Family = Family {
    architecture: "nemotron_h_moe",
    applies: has_experts,
    hyperparameters: mixture_hyperparameters,
    tensors: &[TRUNK, MAMBA, ATTENTION, FEED_FORWARD, EXPERTS],
    ..FAMILY
};

const TRUNK: &[Rule] = &[
    Rule::keep("backbone.embeddings.*", "token_embd.*").required(),
    Rule::keep("backbone.norm_f.*", "output_norm.*").required(),
    Rule::keep("lm_head.*", "output.*"),
    Rule::keep("backbone.layers.{}.norm.*", "blk.{}.attn_norm.*").required(),
];

const MAMBA: &[Rule] = &[
    Rule::step("backbone.layers.{}.mixer.A_log", "blk.{}.ssm_a", |model, weight| {
        column(model, weight)?.map(Operation::NegatedExponential)
    }),
    Rule::step("backbone.layers.{}.mixer.D", "blk.{}.ssm_d", column),
    Rule::step("backbone.layers.{}.mixer.conv1d.weight", "blk.{}.ssm_conv1d.weight", |_, weight| {
        Ok(Weight::Whole(weight.whole()?.squeeze(1)?))
    }),
    Rule::keep("backbone.layers.{}.mixer.conv1d.bias", "blk.{}.ssm_conv1d.bias"),
    Rule::keep("backbone.layers.{}.mixer.dt_bias", "blk.{}.ssm_dt.bias"),
    Rule::keep("backbone.layers.{}.mixer.in_proj.*", "blk.{}.ssm_in.*"),
    Rule::step("backbone.layers.{}.mixer.norm.weight", "blk.{}.ssm_norm.weight", |model, weight| {
        let groups = model.configuration.integer_of(&GROUPS)?;
        let size = weight.row_count().checked_div(groups).unwrap_or(0);
        Ok(Weight::Whole(weight.whole()?.reshape(&[groups, size])?))
    }),
    Rule::keep("backbone.layers.{}.mixer.out_proj.*", "blk.{}.ssm_out.*"),
];

const ATTENTION: &[Rule] = &[
    Rule::step("backbone.layers.{}.mixer.q_proj.*", "blk.{}.attn_q.*", pair_queries),
    Rule::step("backbone.layers.{}.mixer.k_proj.*", "blk.{}.attn_k.*", pair_keys),
    Rule::keep("backbone.layers.{}.mixer.v_proj.*", "blk.{}.attn_v.*"),
    Rule::keep("backbone.layers.{}.mixer.o_proj.*", "blk.{}.attn_output.*"),
];

const FEED_FORWARD: &[Rule] = &[
    Rule::keep("backbone.layers.{}.mixer.up_proj.*", "blk.{}.ffn_up.*"),
    Rule::keep("backbone.layers.{}.mixer.down_proj.*", "blk.{}.ffn_down.*"),
];

const EXPERTS: &[Rule] = &[
    Rule::keep("backbone.layers.{}.mixer.gate.weight", "blk.{}.ffn_gate_inp.weight"),
    Rule::keep("backbone.layers.{}.mixer.gate.e_score_correction.bias", "blk.{}.exp_probs_b.bias"),
    Rule::keep("backbone.layers.{}.mixer.shared_experts.up_proj.*", "blk.{}.ffn_up_shexp.*"),
    Rule::keep("backbone.layers.{}.mixer.shared_experts.down_proj.*", "blk.{}.ffn_down_shexp.*"),
    Rule::expert("backbone.layers.{}.mixer.experts.{}.down_proj.weight", "blk.{}.ffn_down_exps.weight"),
    Rule::expert("backbone.layers.{}.mixer.experts.{}.up_proj.weight", "blk.{}.ffn_up_exps.weight"),
];

const GROUPS: [&str; 3] = ["n_groups", "num_groups", "mamba_n_groups"];
const MAMBA_HEADS: [&str; 3] = ["mamba_num_heads", "mamba_n_heads", "num_heads"];

fn has_experts(configuration: &Configuration) -> bool {
    configuration.has("num_experts_per_tok")
}

/// A vector as a matrix of one column, as the runtime multiplies it.
fn column(_: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let rows = weight.row_count();
    Ok(Weight::Whole(weight.whole()?.reshape(&[rows, 1])?))
}

/// Layer by layer whether the pattern of layers has one of these there.
fn layers_of(configuration: &Configuration, letter: char, names: &[&str]) -> Result<Vec<bool>, ConvertError> {
    if let Ok(Some(pattern)) = configuration.text_value("hybrid_override_pattern") {
        return Ok(pattern.chars().map(|kind| kind == letter).collect());
    }
    let kinds = configuration.strings("layers_block_type")?;
    let kinds =
        kinds.ok_or_else(|| configuration.missing(&["hybrid_override_pattern", "layers_block_type"]))?;
    Ok(kinds.into_iter().map(|kind| names.contains(&kind)).collect())
}

/// A number in the layers that have something, zero in the others.
fn where_present(present: &[bool], number: u64) -> Vec<u64> {
    present.iter().map(|present| if *present { number } else { 0 }).collect()
}

fn hyperparameters(source: &Source<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    shared_hyperparameters(source, out)?;
    let configuration = &source.model.configuration;
    let width = configuration.integer_of(&["intermediate_size", "n_inner", "hidden_dim"])?;
    let layers = layers_of(configuration, '-', &["mlp"])?;
    out.counts("feed_forward_length", &where_present(&layers, width))
}

fn mixture_hyperparameters(source: &Source<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    shared_hyperparameters(source, out)?;
    let configuration = &source.model.configuration;
    let width = configuration.integer("moe_intermediate_size")?;
    let layers = layers_of(configuration, 'E', &["moe"])?;
    out.counts("feed_forward_length", &where_present(&layers, width))?;
    for (key, name) in [
        ("expert_used_count", "num_experts_per_tok"),
        ("expert_feed_forward_length", "moe_intermediate_size"),
        ("expert_shared_feed_forward_length", "moe_shared_expert_intermediate_size"),
        ("expert_count", "n_routed_experts"),
        ("expert_shared_count", "n_shared_experts"),
    ] {
        out.count(key, configuration.integer(name)?)?;
    }
    out.set("expert_weights_norm", configuration.flag("norm_topk_prob")?);
    out.float("expert_weights_scale", configuration.number("routed_scaling_factor")?);
    out.count("expert_group_count", configuration.integer("n_group")?)?;
    match configuration.optional_integer(&["moe_latent_size"])? {
        Some(size) => out.count("moe_latent_size", size),
        None => Ok(()),
    }
}

fn shared_hyperparameters(source: &Source<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let model = source.model;
    let configuration = &model.configuration;
    standard(source, out)?;
    out.count("vocab_size", configuration.integer("vocab_size")?)?;
    // Nothing is rotated; the reference states an equal share of the width.
    out.count("rope.dimension_count", model.hidden_size()? / model.heads()?)?;
    out.count("ssm.conv_kernel", configuration.integer_of(&["conv_kernel", "d_conv", "mamba_d_conv"])?)?;
    let state = ["state_size", "d_state", "state_dim", "ssm_state_size", "mamba_d_state"];
    out.count("ssm.state_size", configuration.integer_of(&state)?)?;
    out.count("ssm.group_count", configuration.integer_of(&GROUPS)?)?;
    let heads = configuration.integer_of(&MAMBA_HEADS)?;
    let size = configuration.integer_of(&["mamba_head_dim", "mamba_d_head"])?;
    out.count("ssm.inner_size", heads.saturating_mul(size))?;
    out.count("ssm.time_step_rank", heads)?;
    let attention = layers_of(configuration, '*', &["attention", "full_attention"])?;
    if attention.len() as u64 != model.layers {
        let expected = format!("one letter for each of {} layers", model.layers);
        return Err(configuration.bad("hybrid_override_pattern", &attention.len(), &expected));
    }
    let key_heads = model.key_value_heads()?;
    out.counts("attention.head_count_kv", &where_present(&attention, key_heads))?;
    out.set("rope.scaling.finetuned", false);
    out.count("context_length", 1 << 20)?;
    key_and_value_length(out, configuration.integer("attention_head_dim")?)
}
