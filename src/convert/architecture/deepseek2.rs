//! DeepSeek V2 and V3: latent attention, experts beside shared ones.

use super::Family;
use super::common::{DENSE_LAYERS, EMBEDDINGS, EXPERTS, NORMS, text_name};
use crate::convert::configuration::{Class, Derived};
use crate::convert::hyperparameters::standard;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::weight::{Weight, WeightError};
use crate::convert::{ConvertError, Model, Source};

pub(super) const FAMILY: Family = Family {
    names: &["DeepseekV2ForCausalLM", "DeepseekV3ForCausalLM"],
    architecture: "deepseek2",
    classes: &[
        Class::new(
            "deepseek_v2",
            &[Derived::KeyValueHeads, Derived::Same("head_dim", "qk_rope_head_dim")],
            r#"{"vocab_size": 32000, "max_position_embeddings": 2048, "hidden_size": 4096,
            "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32, "rms_norm_eps": 1e-6,
            "rope_theta": 10000.0, "n_routed_experts": 64, "n_shared_experts": 2, "moe_intermediate_size": 1407,
            "first_k_dense_replace": 0, "norm_topk_prob": false, "routed_scaling_factor": 1.0, "kv_lora_rank": 512,
            "q_lora_rank": 1536, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128}"#,
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
        // Layers beyond the last predict further tokens, which the runtime does not do for this architecture.
        let layer = name.strip_prefix("model.layers.").and_then(|rest| rest.split_once('.'));
        let number = layer.and_then(|(number, _)| number.parse::<u64>().ok());
        let beyond = number.is_some_and(|number| number >= model.main_layers);
        if beyond || is_tied_output(model, name) { None } else { text_name(name) }
    },
    tensors: &[EMBEDDINGS, NORMS, LATENT_ATTENTION, DENSE_LAYERS, EXPERTS, ROUTING],
    ..Family::STANDARD
};

/// Queries, keys and values by way of narrow ones.
pub(super) const LATENT_ATTENTION: &[Rule] = &[
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
    Rule::keep("model.layers.{}.mlp.shared_experts.gate_proj.*", "blk.{}.ffn_gate_shexp.*"),
    Rule::keep("model.layers.{}.mlp.shared_experts.up_proj.*", "blk.{}.ffn_up_shexp.*"),
    Rule::keep("model.layers.{}.mlp.shared_experts.down_proj.*", "blk.{}.ffn_down_shexp.*"),
];

/// Whether a tensor is a copy of the embeddings.
pub(super) fn is_tied_output(model: &Model, name: &str) -> bool {
    matches!(name, "lm_head.weight" | "model.lm_head.weight")
        && model.configuration.flag("tie_word_embeddings") == Ok(true)
}

/// Keys, turned so that attention can take them up into its queries, and values.
fn keys_and_values(model: &Model, weight: Weight) -> Result<Vec<Weight>, WeightError> {
    let configuration = &model.configuration;
    let heads = model.key_value_heads()?;
    let (key, value) = (configuration.integer("qk_nope_head_dim")?, configuration.integer("v_head_dim")?);
    let recipe = weight.whole()?;
    let columns = recipe.dimensions().last().copied().unwrap_or(0);
    let by_head = recipe.reshape(&[heads, key.saturating_add(value), columns])?;
    let keys = by_head.clone().slice(1, 0..key)?.transpose(1, 2)?;
    Ok(vec![Weight::Whole(keys), Weight::Whole(by_head.slice(1, key..key + value)?)])
}

pub(super) fn hyperparameters(source: &Source<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    standard(source, out)?;
    let model = source.model;
    let configuration = &model.configuration;
    let optional = |key: &str| configuration.optional_integer(&[key]);
    // All heads share one latent key.
    out.count("attention.head_count_kv", 1)?;
    if !configuration.has("rms_norm_eps") {
        out.float("attention.layer_norm_rms_epsilon", 1e-6);
    }
    let experts = optional("n_routed_experts")?;
    let dense = optional("first_k_dense_replace")?;
    out.count(
        "leading_dense_block_count",
        dense.unwrap_or(if experts.is_some() { 0 } else { model.main_layers }),
    )?;
    let latent = optional("kv_lora_rank")?.unwrap_or(512);
    out.count("vocab_size", configuration.integer("vocab_size")?)?;
    if let Some(rank) = optional("q_lora_rank")? {
        out.count("attention.q_lora_rank", rank)?;
    }
    let rotated = configuration.integer("qk_rope_head_dim")?;
    out.count("attention.kv_lora_rank", latent)?;
    out.count("attention.key_length", latent.saturating_add(rotated))?;
    out.count("attention.value_length", latent)?;
    let plain = configuration.integer("qk_nope_head_dim")?;
    out.count("attention.key_length_mla", plain.saturating_add(rotated))?;
    out.count("attention.value_length_mla", configuration.integer("v_head_dim")?)?;
    let width = configuration.integer_of(&["moe_intermediate_size", "intermediate_size"])?;
    out.count("expert_feed_forward_length", width)?;
    if let Some(experts) = experts {
        out.count("expert_count", experts)?;
    }
    out.count("expert_shared_count", optional("n_shared_experts")?.unwrap_or(0))?;
    if let Some(scale) = configuration.optional_number(&["routed_scaling_factor"])? {
        out.float("expert_weights_scale", scale);
    }
    if configuration.flag("norm_topk_prob")? {
        out.set("expert_weights_norm", true);
    }
    out.count("rope.dimension_count", rotated)?;
    if let Some(scale) = model.rope.common.optional_number(&["mscale_all_dim"])? {
        out.float("rope.scaling.yarn_log_multiplier", 0.1 * scale);
    }
    Ok(())
}
