//! Qwen of the first kind.

use super::Family;
use super::common::is_buffer;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;

pub(super) const FAMILY: Family = Family {
    names: &["QWenLMHeadModel"],
    architecture: "qwen",
    tokenizer: Flavour::QWEN,
    rename: |_, name| (!is_buffer(name)).then(|| name.strip_prefix("transformer.").unwrap_or(name).into()),
    tensors: &[TENSORS],
    ..Family::STANDARD
};

const TENSORS: &[Rule] = &[
    Rule::keep("wte.*", "token_embd.*").required(),
    Rule::keep("ln_f.*", "output_norm.*").required(),
    Rule::keep("lm_head.*", "output.*"),
    Rule::keep("h.{}.ln_1.*", "blk.{}.attn_norm.*").required(),
    Rule::keep("h.{}.ln_2.*", "blk.{}.ffn_norm.*").required(),
    Rule::keep("h.{}.attn.c_attn.*", "blk.{}.attn_qkv.*").required(),
    Rule::keep("h.{}.attn.c_proj.*", "blk.{}.attn_output.*").required(),
    Rule::keep("h.{}.mlp.w1.*", "blk.{}.ffn_up.*").required(),
    Rule::keep("h.{}.mlp.w2.*", "blk.{}.ffn_gate.*").required(),
    Rule::keep("h.{}.mlp.c_proj.*", "blk.{}.ffn_down.*").required(),
];
