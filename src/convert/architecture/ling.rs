//! Ant's Ling 1 to 3, whose code calls them Bailing, and Sarvam, which is built like the second.

use std::borrow::Cow;

use super::Family;
use super::common::{DENSE_LAYERS, EMBEDDINGS, EXPERTS, NORMS, consecutive_rows, replaced, text_name};
use super::deepseek2::{ROUTING, SHARED_EXPERTS, SOME_LATENT_ATTENTION};
use super::kda::{self, DELTA_ATTENTION};
use super::llama::{pair_keys, pair_queries};
use super::prediction::{self, PREDICTION};
use crate::convert::hyperparameters::standard;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::weight::{Weight, WeightError};
use crate::convert::{Configuration, ConvertError, Model, Subject};
use crate::plan::Operation;

pub(super) const FIRST: Family = Family {
    names: &["BailingMoeForCausalLM"],
    architecture: "bailingmoe",
    hyperparameters: |subject, out| {
        standard(subject, out)?;
        out.count("rope.dimension_count", subject.model.head_size()?)?;
        let configuration = &subject.model.configuration;
        // The output would have to be divided by the norms of its columns.
        if configuration.optional_flag("norm_head")? == Some(true) {
            return Err(configuration.bad("norm_head", &true, "false"));
        }
        counts(
            configuration,
            out,
            &["leading_dense_block_count", "vocab_size", "expert_feed_forward_length"],
        )?;
        out.float("expert_weights_scale", 1.0);
        counts(configuration, out, &["expert_shared_count"])?;
        out.set("expert_weights_norm", configuration.flag("norm_topk_prob")?);
        Ok(())
    },
    rename: |_, name| usual_name(name),
    tensors: &[
        EMBEDDINGS,
        NORMS,
        &[
            Rule::split(
                "model.layers.{}.self_attn.query_key_value.weight",
                &["blk.{}.attn_q.weight", "blk.{}.attn_k.weight", "blk.{}.attn_v.weight"],
                queries_keys_and_values,
            )
            .required(),
            Rule::keep("model.layers.{}.self_attn.o_proj.*", "blk.{}.attn_output.*").required(),
        ],
        DENSE_LAYERS,
        EXPERTS,
        ROUTING,
    ],
    ..Family::STANDARD
};

pub(super) const SECOND: Family = Family {
    names: &["BailingMoeV2ForCausalLM"],
    architecture: "bailingmoe2",
    predicted_layers: prediction::stated,
    hyperparameters: second_hyperparameters,
    rename: |_, name| usual_name(name),
    tensors: &[EMBEDDINGS, NORMS, SECOND_ATTENTION, DENSE_LAYERS, EXPERTS, ROUTING, PREDICTION],
    ..Family::STANDARD
};

/// Sarvam's models, whose routers are biased around zero.
pub(super) const SARVAM: Family = Family {
    names: &["SarvamMoEForCausalLM", "modeling_sarvam_moe.SarvamMoEForCausalLM"],
    hyperparameters: |subject, out| {
        second_hyperparameters(subject, out)?;
        out.count("rope.dimension_count", subject.model.head_size()?)
    },
    tensors: &[
        EMBEDDINGS,
        NORMS,
        SECOND_ATTENTION,
        DENSE_LAYERS,
        EXPERTS,
        SHARED_EXPERTS,
        CENTRED_ROUTING,
        PREDICTION,
    ],
    ..SECOND
};

const CENTRED_ROUTING: &[Rule] = &[
    Rule::keep("model.layers.{}.mlp.gate.weight", "blk.{}.ffn_gate_inp.weight"),
    Rule::step("model.layers.{}.mlp.gate.e_score_correction.bias", "blk.{}.exp_probs_b.bias", |_, weight| {
        weight.map(Operation::Centre)
    }),
];

const SECOND_ATTENTION: &[Rule] = &[
    Rule::keep("model.layers.{}.self_attn.query_key_value.*", "blk.{}.attn_qkv.*").required(),
    Rule::keep("model.layers.{}.self_attn.query_layernorm.*", "blk.{}.attn_q_norm.*"),
    Rule::keep("model.layers.{}.self_attn.key_layernorm.*", "blk.{}.attn_k_norm.*"),
    Rule::keep("model.layers.{}.self_attn.o_proj.*", "blk.{}.attn_output.*").required(),
    LAST_NORM,
];

/// Delta attention in most layers and latent attention with a gate at the end of each group.
pub(super) const THIRD: Family = Family {
    names: &["BailingMoeV3ForCausalLM"],
    architecture: "bailingmoe3",
    predicted_layers: prediction::stated,
    hyperparameters: third_hyperparameters,
    rename: |model, name| {
        let name = usual_name(name)?;
        // The gates of the two kinds of attention have one name.
        let full = layer_of(&name).is_some_and(|layer| is_full(model, layer) == Ok(true));
        let gate = if full { ".self_attn.output_gate." } else { ".self_attn.g_a_proj." };
        let name = replaced(name, ".self_attn.g_proj.", gate);
        Some(replaced(name, ".self_attn.f_proj.", ".self_attn.f_a_proj."))
    },
    tensors: &[
        EMBEDDINGS,
        NORMS,
        SOME_LATENT_ATTENTION,
        DELTA_ATTENTION,
        &[
            Rule::step("model.layers.{}.self_attn.A_log", "blk.{}.ssm_a", |_, weight| {
                let heads = weight.row_count();
                weight.rows(|derivation| derivation.reshape(&[heads, 1]))?.map(Operation::Exponential)
            }),
            Rule::keep("model.layers.{}.self_attn.output_gate.*", "blk.{}.attn_gate.*"),
            LAST_NORM,
        ],
        DENSE_LAYERS,
        EXPERTS,
        ROUTING,
        PREDICTION,
    ],
    ..Family::STANDARD
};

/// The norm after the layer that predicts a further token.
const LAST_NORM: Rule = Rule::keep("model.layers.{}.final_layernorm.*", "blk.{}.layer_output_norm.*");

/// What these models call by names of their own.
fn usual_name(name: &str) -> Option<Cow<'_, str>> {
    const NAMES: [(&str, &str); 4] = [
        ("model.word_embeddings.", "model.embed_tokens."),
        (".attention.dense.", ".self_attn.o_proj."),
        (".attention.", ".self_attn."),
        (".mlp.gate.expert_bias", ".mlp.gate.e_score_correction.bias"),
    ];
    let name = text_name(name)?;
    Some(NAMES.iter().fold(name, |name, (from, to)| replaced(name, from, to)))
}

fn layer_of(name: &str) -> Option<u64> {
    name.strip_prefix("model.layers.")?.split_once('.')?.0.parse().ok()
}

fn queries_keys_and_values(model: &Model, weight: Weight) -> Result<Vec<Weight>, WeightError> {
    let (heads, key_heads, size) = (model.heads()?, model.key_value_heads()?, model.head_size()?);
    let keys = key_heads.saturating_mul(size);
    let mut parts = consecutive_rows(weight, &[heads.saturating_mul(size), keys, keys])?.into_iter();
    let mut result = Vec::new();
    if let (Some(queries), Some(keys)) = (parts.next(), parts.next()) {
        result.push(pair_queries(model, queries)?);
        result.push(pair_keys(model, keys)?);
    }
    result.extend(parts);
    Ok(result)
}

/// Numbers that the three generations state under the same names, by the keys under which they are written.
fn counts(configuration: &Configuration, out: &mut Parameters, keys: &[&str]) -> Result<(), ConvertError> {
    for key in keys {
        let name = match *key {
            "leading_dense_block_count" => "first_k_dense_replace",
            "expert_feed_forward_length" => "moe_intermediate_size",
            "expert_shared_count" => "num_shared_experts",
            other => other,
        };
        out.count(key, configuration.integer(name)?)?;
    }
    Ok(())
}

fn second_hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    standard(subject, out)?;
    let model = subject.model;
    let configuration = &model.configuration;
    let fraction = model.rope.common.optional_number(&["partial_rotary_factor"])?.unwrap_or(0.5);
    out.count("rope.dimension_count", model.rotary_size(fraction)?)?;
    counts(configuration, out, &["leading_dense_block_count", "vocab_size", "expert_feed_forward_length"])?;
    let width = configuration.integer("moe_intermediate_size")?;
    let shared = configuration.integer("num_shared_experts")?;
    let shared_width = configuration.optional_integer(&["moe_shared_expert_intermediate_size"])?;
    let shared_width = shared_width.unwrap_or(width.saturating_mul(shared));
    out.count("expert_shared_feed_forward_length", shared_width)?;
    out.float("expert_weights_scale", configuration.number("routed_scaling_factor")?);
    out.count("expert_shared_count", shared)?;
    out.set("expert_weights_norm", configuration.flag("norm_topk_prob")?);
    prediction::write_stated(model, out)
}

/// Whether the attention of a layer is latent: at the end of each group, in an incomplete last group, and
/// beyond.
fn is_full(model: &Model, layer: u64) -> Result<bool, ConvertError> {
    let size = model.configuration.integer("layer_group_size")?.max(1);
    let layers = model.main_layers;
    Ok(layer >= layers || (layer + 1).is_multiple_of(size) || layer >= layers / size * size)
}

fn third_hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    standard(subject, out)?;
    let model = subject.model;
    let configuration = &model.configuration;
    for key in ["no_kda_lora", "kda_safe_gate"] {
        if !configuration.flag(key)? {
            return Err(configuration.bad(key, &false, "true"));
        }
    }
    const GATES: &str = "gated_attention_proj_granularity_type";
    match configuration.text_value(GATES)? {
        Some("head_wise") => {}
        other => return Err(configuration.bad(GATES, &other.unwrap_or("null"), "head_wise")),
    }
    let full: Vec<bool> = (0..model.layers).map(|layer| is_full(model, layer)).collect::<Result<_, _>>()?;
    kda::write_kinds(&full, out)?;
    counts(configuration, out, &["vocab_size"])?;
    out.count("ssm.conv_kernel", configuration.integer("short_conv_kernel_size")?)?;
    out.count("kda.head_dim", configuration.integer("head_dim")?)?;
    out.set("kda.safe_gate", true);
    out.float("kda.gate_lower_bound", configuration.number("kda_lower_bound")?);
    kda::write_latent_sizes(model, false, out)?;
    counts(configuration, out, &["expert_feed_forward_length"])?;
    let shared_width = configuration.integer("moe_shared_expert_intermediate_size")?;
    out.count("expert_shared_feed_forward_length", shared_width)?;
    let shared = configuration.optional_integer(&["num_shared_experts"])?.unwrap_or(1);
    out.count("expert_shared_count", shared)?;
    counts(configuration, out, &["leading_dense_block_count"])?;
    out.float("expert_weights_scale", configuration.number("routed_scaling_factor")?);
    out.set("expert_weights_norm", configuration.flag("norm_topk_prob")?);
    for (key, name) in [
        ("swiglu_clamp_exp", "expert_swiglu_limit_list"),
        ("swiglu_clamp_shexp", "share_expert_swiglu_limit_list"),
    ] {
        if let Some(limits) = configuration.limits(name, model.layers)? {
            out.floats(key, &limits);
        }
    }
    prediction::write(model, out)
}
