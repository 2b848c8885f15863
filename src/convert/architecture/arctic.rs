//! Snowflake's Arctic: experts beside a dense network in every layer.

use super::common::EMBEDDINGS;
use super::llama::{MIXTRAL_EXPERTS, PAIRED_ATTENTION};
use super::{Family, llama};
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;

pub(super) const FAMILY: Family = Family {
    names: &["ArcticForCausalLM"],
    architecture: "arctic",
    adjust: |configuration, _| {
        configuration.remove("head_dim");
        Ok(())
    },
    tokenizer: Flavour::ARCTIC,
    hyperparameters: llama::hyperparameters,
    tensors: &[EMBEDDINGS, PAIRED_ATTENTION, LAYERS, MIXTRAL_EXPERTS],
    ..Family::STANDARD
};

const LAYERS: &[Rule] = &[
    Rule::keep("model.layers.{}.input_layernorm.*", "blk.{}.attn_norm.*").required(),
    Rule::keep("model.layers.{}.post_attention_layernorm.*", "blk.{}.ffn_norm_exps.*").required(),
    Rule::keep("model.layers.{}.residual_layernorm.*", "blk.{}.ffn_norm.*").required(),
    Rule::keep("model.layers.{}.residual_mlp.w1.*", "blk.{}.ffn_gate.*").required(),
    Rule::keep("model.layers.{}.residual_mlp.w2.*", "blk.{}.ffn_down.*").required(),
    Rule::keep("model.layers.{}.residual_mlp.w3.*", "blk.{}.ffn_up.*").required(),
    Rule::keep("model.layers.{}.block_sparse_moe.gate.*", "blk.{}.ffn_gate_inp.*").required(),
];
