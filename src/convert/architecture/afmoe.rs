//! Arcee's Trinity: gated attention, norms before and after everything, experts.

use super::Family;
use super::common::{ATTENTION, DENSE_LAYERS, EMBEDDINGS};
use super::deepseek2::SHARED_EXPERTS;
use super::llama::{hyperparameters, rope_factors};
use crate::convert::hyperparameters::count;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;

pub(super) const FAMILY: Family = Family {
    names: &["AfmoeForCausalLM"],
    architecture: "afmoe",
    tokenizer: Flavour::LLAMA,
    hyperparameters: |subject, out| {
        hyperparameters(subject, out)?;
        let model = subject.model;
        for (key, name) in [
            ("expert_shared_count", "num_shared_experts"),
            ("expert_feed_forward_length", "moe_intermediate_size"),
            ("leading_dense_block_count", "num_dense_layers"),
        ] {
            count(model, out, key, &[name])?;
        }
        if let Some(norm) = model.configuration.optional_flag("route_norm")? {
            out.set("expert_weights_norm", norm);
        }
        if let Some(scale) = model.configuration.optional_number(&["route_scale"])? {
            out.float("expert_weights_scale", scale);
        }
        count(model, out, "attention.sliding_window", &["sliding_window"])
    },
    generated: rope_factors,
    tensors: &[EMBEDDINGS, ATTENTION, LAYERS, DENSE_LAYERS, EXPERTS, SHARED_EXPERTS],
    ..Family::STANDARD
};

const LAYERS: &[Rule] = &[
    Rule::keep("model.layers.{}.input_layernorm.*", "blk.{}.attn_norm.*").required(),
    Rule::keep("model.layers.{}.post_attention_layernorm.*", "blk.{}.post_attention_norm.*").required(),
    Rule::keep("model.layers.{}.pre_mlp_layernorm.*", "blk.{}.ffn_norm.*").required(),
    Rule::keep("model.layers.{}.post_mlp_layernorm.*", "blk.{}.post_ffw_norm.*").required(),
    Rule::keep("model.layers.{}.self_attn.gate_proj.*", "blk.{}.attn_gate.*").required(),
];

const EXPERTS: &[Rule] = &[
    Rule::expert("model.layers.{}.mlp.experts.{}.gate_proj.weight", "blk.{}.ffn_gate_exps.weight"),
    Rule::expert("model.layers.{}.mlp.experts.{}.up_proj.weight", "blk.{}.ffn_up_exps.weight"),
    Rule::expert("model.layers.{}.mlp.experts.{}.down_proj.weight", "blk.{}.ffn_down_exps.weight"),
    Rule::keep("model.layers.{}.mlp.router.gate.*", "blk.{}.ffn_gate_inp.*"),
    Rule::keep("model.layers.{}.mlp.expert_bias", "blk.{}.exp_probs_b.bias"),
];
