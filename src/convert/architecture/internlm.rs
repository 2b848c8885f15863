//! InternLM 2 and 3.

use super::common::grouped_heads;
use super::{Family, llama};
use crate::convert::hyperparameters::standard;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::weight::{Weight, WeightError, pair_rotary_rows};
use crate::convert::{Model, Subject};

pub(super) const SECOND: Family = Family {
    names: &["InternLM2ForCausalLM"],
    architecture: "internlm2",
    tokenizer: Flavour::INTERNLM2,
    hyperparameters: standard,
    tensors: &[TENSORS],
    ..Family::STANDARD
};

const TENSORS: &[Rule] = &[
    Rule::keep("model.tok_embeddings.*", "token_embd.*").required(),
    Rule::keep("model.norm.*", "output_norm.*").required(),
    Rule::keep("output.*", "output.*"),
    Rule::keep("model.layers.{}.attention_norm.*", "blk.{}.attn_norm.*").required(),
    Rule::split("model.layers.{}.attention.wqkv.weight", QUERIES_KEYS_AND_VALUES, by_kind).required(),
    Rule::keep("model.layers.{}.attention.wo.*", "blk.{}.attn_output.*").required(),
    Rule::keep("model.layers.{}.ffn_norm.*", "blk.{}.ffn_norm.*").required(),
    Rule::keep("model.layers.{}.feed_forward.w1.*", "blk.{}.ffn_gate.*").required(),
    Rule::keep("model.layers.{}.feed_forward.w2.*", "blk.{}.ffn_down.*").required(),
    Rule::keep("model.layers.{}.feed_forward.w3.*", "blk.{}.ffn_up.*").required(),
];

const QUERIES_KEYS_AND_VALUES: &[&str] =
    &["blk.{}.attn_q.weight", "blk.{}.attn_k.weight", "blk.{}.attn_v.weight"];

/// All queries, all keys and all values, which are stored group by group.
fn by_kind(model: &Model, weight: Weight) -> Result<Vec<Weight>, WeightError> {
    let (heads, groups) = (model.heads()?, model.key_value_heads()?);
    let size = model.hidden_size()? / heads;
    let part = |index: usize| {
        weight.clone().rows(|derivation| {
            grouped_heads(derivation, heads, groups, size).map(|mut parts| parts.swap_remove(index))
        })
    };
    let (queries, keys) = (pair_rotary_rows(part(0)?, heads)?, pair_rotary_rows(part(1)?, groups)?);
    Ok(vec![queries, keys, part(2)?])
}

/// Llama's layout.
pub(super) const THIRD: Family = Family {
    names: &["InternLM3ForCausalLM"],
    classes: &[],
    tokenizer: Flavour::INTERNLM3,
    hyperparameters: |subject: &Subject<'_>, out| llama::hyperparameters(subject, out),
    generated: Family::STANDARD.generated,
    ..llama::FAMILY
};
