//! Baichuan 1 and 2.

use super::Family;
use super::common::{EMBEDDINGS, GATED_FEED_FORWARD, NORMS};
use crate::convert::Model;
use crate::convert::hyperparameters::standard;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::weight::{Weight, WeightError, pair_rotary_rows};

pub(super) const FAMILY: Family = Family {
    names: &["BaichuanForCausalLM", "BaiChuanForCausalLM"],
    architecture: "baichuan",
    tokenizer: Flavour::SENTENCE_PIECE,
    hyperparameters: |subject, out| {
        standard(subject, out)?;
        out.set("tensor_data_layout", "Meta AI original pth");
        let model = subject.model;
        out.count("rope.dimension_count", model.hidden_size()? / model.heads()?)
    },
    tensors: &[EMBEDDINGS, NORMS, ATTENTION, GATED_FEED_FORWARD],
    ..Family::STANDARD
};

const ATTENTION: &[Rule] = &[
    Rule::split(
        "model.layers.{}.self_attn.W_pack.weight",
        &["blk.{}.attn_q.weight", "blk.{}.attn_k.weight", "blk.{}.attn_v.weight"],
        thirds,
    )
    .required(),
    Rule::keep("model.layers.{}.self_attn.o_proj.*", "blk.{}.attn_output.*").required(),
];

/// Queries, keys and values, of which there are equally many.
fn thirds(model: &Model, weight: Weight) -> Result<Vec<Weight>, WeightError> {
    let third = weight.row_count() / 3;
    let part = |index: u64| {
        weight.clone().rows(|derivation| derivation.slice(0, index * third..(index + 1) * third))
    };
    let (heads, groups) = (model.heads()?, model.key_value_heads()?);
    Ok(vec![pair_rotary_rows(part(0)?, heads)?, pair_rotary_rows(part(1)?, groups)?, part(2)?])
}
