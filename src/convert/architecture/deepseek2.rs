//! DeepSeek: the first with experts, V2 and V3 with latent attention, V3.2 with sparse attention.

use super::Family;
use super::common::{DENSE_LAYERS, EMBEDDINGS, EXPERTS, NORMS, text_name};
use super::indexer::{self, INDEXER};
use super::llama::PAIRED_ATTENTION;
use super::prediction::{self, PREDICTION};
use crate::convert::configuration::{Class, Derived};
use crate::convert::hyperparameters::standard;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::{self, Flavour};
use crate::convert::weight::{Weight, WeightError};
use crate::convert::{ConvertError, Model, Subject};

pub(super) const FAMILY: Family = Family {
    names: &["DeepseekV2ForCausalLM", "DeepseekV3ForCausalLM", "YoutuForCausalLM"],
    architecture: "deepseek2",
    classes: &[
        Class::new(
            "deepseek_v2",
            &[Derived::KeyValueHeads, Derived::Same("head_dim", "qk_rope_head_dim")],
            r#"{"vocab_size": 32000, "max_position_embeddings": 2048, "hidden_size": 4096,
            "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
            "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "n_routed_experts": 64, "n_shared_experts": 2,
            "moe_intermediate_size": 1407, "first_k_dense_replace": 0, "norm_topk_prob": false,
            "routed_scaling_factor": 1.0, "kv_lora_rank": 512, "q_lora_rank": 1536, "qk_rope_head_dim": 64,
            "qk_nope_head_dim": 128, "v_head_dim": 128}"#,
        ),
        Class::new(
            "deepseek_v3",
            &[Derived::KeyValueHeads, Derived::Same("head_dim", "qk_rope_head_dim")],
            r#"{"vocab_size": 129280, "max_position_embeddings": 4096, "hidden_size": 7168,
            "intermediate_size": 18432, "num_hidden_layers": 61, "num_attention_heads": 128,
            "num_key_value_heads": 128, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "n_routed_experts": 256,
            "num_experts_per_tok": 8, "n_group": 8, "topk_group": 4, "n_shared_experts": 1,
            "moe_intermediate_size": 2048, "first_k_dense_replace": 3, "norm_topk_prob": true,
            "routed_scaling_factor": 2.5, "kv_lora_rank": 512, "q_lora_rank": 1536, "qk_rope_head_dim": 64,
            "qk_nope_head_dim": 128, "v_head_dim": 128}"#,
        ),
    ],
    hyperparameters,
    rename: |model, name| {
        // The runtime does not predict further tokens for this architecture.
        let left_out = prediction::is_stated_beyond(model, name) || is_tied_output(model, name);
        if left_out { None } else { text_name(name) }
    },
    tensors: &[EMBEDDINGS, NORMS, LATENT_ATTENTION, DENSE_LAYERS, EXPERTS, ROUTING],
    ..Family::STANDARD
};

/// DeepSeek V3.2, whose attention is sparse.
pub(super) const SPARSE: Family = Family {
    names: &["DeepseekV32ForCausalLM"],
    architecture: "deepseek32",
    classes: &[],
    adjust: |_, files| {
        // The runtime expects texts to begin with the token, as the model's own code has it.
        match tokenizer::adds_bos(files)? {
            true => Ok(()),
            false => Err(ConvertError::bad_value("tokenizer_config.json", "add_bos_token", &false, "true")),
        }
    },
    predicted_layers: prediction::stated,
    hyperparameters: |subject, out| {
        hyperparameters(subject, out)?;
        prediction::write_stated(subject.model, out)?;
        indexer::write(subject.model, out)
    },
    rename: |model, name| if is_tied_output(model, name) { None } else { text_name(name) },
    tensors: &[EMBEDDINGS, NORMS, LATENT_ATTENTION, INDEXER, DENSE_LAYERS, EXPERTS, ROUTING, PREDICTION],
    ..FAMILY
};

/// The first DeepSeek with experts, whose attention is that of Llama.
pub(super) const FIRST: Family = Family {
    names: &["DeepseekForCausalLM"],
    architecture: "deepseek",
    tokenizer: Flavour::SENTENCE_PIECE_OR_BYTE_PAIR,
    hyperparameters: |subject, out| {
        standard(subject, out)?;
        let configuration = &subject.model.configuration;
        out.count("rope.dimension_count", subject.model.head_size()?)?;
        out.set("rope.scaling.type", "none");
        out.count("leading_dense_block_count", configuration.integer("first_k_dense_replace")?)?;
        out.count("vocab_size", configuration.integer("vocab_size")?)?;
        out.count("expert_feed_forward_length", configuration.integer("moe_intermediate_size")?)?;
        out.float("expert_weights_scale", 1.0);
        out.count("expert_count", configuration.integer("n_routed_experts")?)?;
        out.count("expert_shared_count", configuration.integer("n_shared_experts")?)
    },
    tensors: &[EMBEDDINGS, NORMS, PAIRED_ATTENTION, DENSE_LAYERS, EXPERTS, ROUTING],
    ..Family::STANDARD
};

/// Queries, keys and values by way of narrow ones.
pub(super) const LATENT_ATTENTION: &[Rule] = &LATENT;

/// The same where not all layers have it.
pub(super) const SOME_LATENT_ATTENTION: &[Rule] = &Rule::optional(LATENT);

const LATENT: [Rule; 8] = [
    Rule::keep("model.layers.{}.self_attn.q_proj.*", "blk.{}.attn_q.*"),
    Rule::keep("model.layers.{}.self_attn.q_a_proj.*", "blk.{}.attn_q_a.*"),
    Rule::keep("model.layers.{}.self_attn.q_a_layernorm.*", "blk.{}.attn_q_a_norm.*"),
    Rule::keep("model.layers.{}.self_attn.q_b_proj.*", "blk.{}.attn_q_b.*"),
    Rule::keep("model.layers.{}.self_attn.kv_a_proj_with_mqa.*", "blk.{}.attn_kv_a_mqa.*").required(),
    Rule::keep("model.layers.{}.self_attn.kv_a_layernorm.*", "blk.{}.attn_kv_a_norm.*").required(),
    Rule::split(
        "model.layers.{}.self_attn.kv_b_proj.weight",
        &["blk.{}.attn_k_b.weight", "blk.{}.attn_v_b.weight"],
        keys_and_values,
    )
    .required(),
    Rule::keep("model.layers.{}.self_attn.o_proj.*", "blk.{}.attn_output.*").required(),
];

/// Router and shared experts.
pub(super) const ROUTING: &[Rule] = &[
    Rule::keep("model.layers.{}.mlp.gate.weight", "blk.{}.ffn_gate_inp.weight"),
    Rule::keep("model.layers.{}.mlp.gate.e_score_correction.bias", "blk.{}.exp_probs_b.bias"),
    SHARED_EXPERTS[0],
    SHARED_EXPERTS[1],
    SHARED_EXPERTS[2],
];

/// Experts that all tokens share.
pub(super) const SHARED_EXPERTS: &[Rule] = &[
    Rule::keep("model.layers.{}.mlp.shared_experts.gate_proj.*", "blk.{}.ffn_gate_shexp.*"),
    Rule::keep("model.layers.{}.mlp.shared_experts.up_proj.*", "blk.{}.ffn_up_shexp.*"),
    Rule::keep("model.layers.{}.mlp.shared_experts.down_proj.*", "blk.{}.ffn_down_shexp.*"),
];

/// Whether a tensor is a copy of the embeddings.
pub(super) fn is_tied_output(model: &Model, name: &str) -> bool {
    matches!(name, "lm_head.weight" | "model.lm_head.weight")
        && model.configuration.flag("tie_word_embeddings") == Ok(true)
}

fn keys_and_values(model: &Model, weight: Weight) -> Result<Vec<Weight>, WeightError> {
    let configuration = &model.configuration;
    let (key, value) = (configuration.integer("qk_nope_head_dim")?, configuration.integer("v_head_dim")?);
    split_keys_and_values(weight, model.key_value_heads()?, key, value)
}

/// Keys, turned so that attention can take them up into its queries, and values.
pub(super) fn split_keys_and_values(
    weight: Weight,
    heads: u64,
    key: u64,
    value: u64,
) -> Result<Vec<Weight>, WeightError> {
    let derivation = weight.whole()?;
    let columns = derivation.dimensions().last().copied().unwrap_or(0);
    let all = key.saturating_add(value);
    let by_head = derivation.reshape(&[heads, all, columns])?;
    let keys = by_head.clone().slice(1, 0..key)?.transpose(1, 2)?;
    Ok(vec![Weight::Whole(keys), Weight::Whole(by_head.slice(1, key..all)?)])
}

pub(super) fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    standard(subject, out)?;
    let configuration = &subject.model.configuration;
    // All heads share one latent key.
    out.count("attention.head_count_kv", 1)?;
    if !configuration.has("rms_norm_eps") {
        out.float("attention.layer_norm_rms_epsilon", 1e-6);
    }
    dense_layers(subject.model, out)?;
    let latent = configuration.optional_integer(&["kv_lora_rank"])?.unwrap_or(512);
    let rotated = configuration.integer("qk_rope_head_dim")?;
    out.count("attention.kv_lora_rank", latent)?;
    out.count("attention.key_length", latent.saturating_add(rotated))?;
    out.count("attention.value_length", latent)?;
    let plain = configuration.integer("qk_nope_head_dim")?;
    out.count("attention.key_length_mla", plain.saturating_add(rotated))?;
    out.count("attention.value_length_mla", configuration.integer("v_head_dim")?)?;
    experts(subject.model, out)?;
    if let Some(scale) = subject.model.rope.common.optional_number(&["mscale_all_dim"])? {
        out.float("rope.scaling.yarn_log_multiplier", 0.1 * scale);
    }
    Ok(())
}

/// How many layers have no experts, and what else comes before latent attention.
pub(super) fn dense_layers(model: &Model, out: &mut Parameters) -> Result<(), ConvertError> {
    let configuration = &model.configuration;
    let optional = |key: &str| configuration.optional_integer(&[key]);
    let otherwise = if optional("n_routed_experts")?.is_some() { 0 } else { model.main_layers };
    let dense = optional("first_k_dense_replace")?;
    out.count("leading_dense_block_count", dense.unwrap_or(otherwise))?;
    out.count("vocab_size", configuration.integer("vocab_size")?)?;
    match optional("q_lora_rank")? {
        Some(rank) => out.count("attention.q_lora_rank", rank),
        None => Ok(()),
    }
}

/// The experts, and how many dimensions are rotated.
pub(super) fn experts(model: &Model, out: &mut Parameters) -> Result<(), ConvertError> {
    let configuration = &model.configuration;
    let width = configuration.integer_of(&["moe_intermediate_size", "intermediate_size"])?;
    out.count("expert_feed_forward_length", width)?;
    if let Some(experts) = configuration.optional_integer(&["n_routed_experts"])? {
        out.count("expert_count", experts)?;
    }
    let shared = configuration.optional_integer(&["n_shared_experts"])?;
    out.count("expert_shared_count", shared.unwrap_or(0))?;
    if let Some(scale) = configuration.optional_number(&["routed_scaling_factor"])? {
        out.float("expert_weights_scale", scale);
    }
    if configuration.flag("norm_topk_prob")? {
        out.set("expert_weights_norm", true);
    }
    out.count("rope.dimension_count", configuration.integer("qk_rope_head_dim")?)
}
