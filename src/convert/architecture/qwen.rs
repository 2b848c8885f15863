//! Qwen of the first kind.

use super::Family;
use super::common::{inside_transformer, is_buffer};
use super::gpt2::{EMBEDDINGS, NORMS};
use crate::convert::lengths::Length;
use crate::convert::rule::Rule;
use crate::convert::shapes::{ANY, WIDTH};
use crate::convert::tokenizer::Flavour;

pub(super) const FAMILY: Family = Family {
    names: &["QWenLMHeadModel"],
    architecture: "qwen",
    tokenizer: Flavour::QWEN,
    rename: |_, name| (!is_buffer(name)).then(|| inside_transformer(name)),
    tensors: &[EMBEDDINGS, NORMS, LAYERS],
    // The configuration says the width of gate and up together.
    shapes: &[("ffn_gate.weight", HALF), ("ffn_up.weight", HALF), ("ffn_down.weight", &[&[ANY, WIDTH]])],
    ..Family::STANDARD
};

const LAYERS: &[Rule] = &[
    Rule::keep("h.{}.attn.c_attn.*", "blk.{}.attn_qkv.*").required(),
    Rule::keep("h.{}.attn.c_proj.*", "blk.{}.attn_output.*").required(),
    Rule::keep("h.{}.mlp.w1.*", "blk.{}.ffn_up.*").required(),
    Rule::keep("h.{}.mlp.w2.*", "blk.{}.ffn_gate.*").required(),
    Rule::keep("h.{}.mlp.c_proj.*", "blk.{}.ffn_down.*").required(),
];

/// A matrix whose width is not that of the configuration.
const HALF: &[&[Length]] = &[&[WIDTH, ANY]];
