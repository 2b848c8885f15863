//! ruGPT-3 XL: GPT-2 in the dress of today.

use super::Family;
use super::common::{EMBEDDINGS, NORMS, UNGATED_FEED_FORWARD};
use crate::convert::rule::Rule;

pub(super) const FAMILY: Family = Family {
    names: &["RuGPT3XLForCausalLM"],
    architecture: "gpt2",
    tensors: &[EMBEDDINGS, POSITIONS, NORMS, ATTENTION, UNGATED_FEED_FORWARD],
    ..Family::STANDARD
};

const POSITIONS: &[Rule] = &[Rule::keep("model.embed_positions.*", "position_embd.*").required()];

const ATTENTION: &[Rule] = &[
    Rule::part("model.layers.{}.self_attn.q_proj.weight", "blk.{}.attn_qkv.weight").required(),
    Rule::part("model.layers.{}.self_attn.k_proj.weight", "blk.{}.attn_qkv.weight").required(),
    Rule::part("model.layers.{}.self_attn.v_proj.weight", "blk.{}.attn_qkv.weight").required(),
    Rule::part("model.layers.{}.self_attn.q_proj.bias", "blk.{}.attn_qkv.bias"),
    Rule::part("model.layers.{}.self_attn.k_proj.bias", "blk.{}.attn_qkv.bias"),
    Rule::part("model.layers.{}.self_attn.v_proj.bias", "blk.{}.attn_qkv.bias"),
    Rule::keep("model.layers.{}.self_attn.o_proj.*", "blk.{}.attn_output.*").required(),
];
