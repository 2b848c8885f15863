//! Falcon 1: 7B, 40B, 180B.

use super::Family;
use super::common::{grouped_heads, is_buffer};
use crate::convert::configuration::Class;
use crate::convert::hyperparameters::file_type_here;
use crate::convert::rule::Rule;
use crate::convert::weight::{Weight, WeightError};
use crate::convert::{ConvertError, Model};
use crate::plan::Derivation;

pub(super) const FAMILY: Family = Family {
    names: &["FalconForCausalLM", "RWForCausalLM"],
    architecture: "falcon",
    classes: &[Class::new(
        "falcon",
        &[],
        r#"{"vocab_size": 65024, "hidden_size": 4544, "num_hidden_layers": 32, "num_attention_heads": 71,
        "layer_norm_epsilon": 1e-5, "new_decoder_architecture": false, "multi_query": true}"#,
    )],
    hyperparameters: |subject, out| {
        let model = subject.model;
        let width = model.hidden_size()?;
        // The configuration does not say.
        out.count("context_length", 2048)?;
        out.set("tensor_data_layout", "jploski");
        out.count("embedding_length", width)?;
        out.count("feed_forward_length", width.saturating_mul(4))?;
        out.count("block_count", model.layers)?;
        out.count("attention.head_count", model.heads()?)?;
        out.count("attention.head_count_kv", key_value_heads(model)?)?;
        out.float("attention.layer_norm_epsilon", model.configuration.number("layer_norm_epsilon")?);
        file_type_here(out);
        Ok(())
    },
    rename: |_, name| (!is_buffer(name)).then(|| name.into()),
    tensors: &[TENSORS],
    ..Family::STANDARD
};

const TENSORS: &[Rule] = &[
    Rule::keep("transformer.word_embeddings.*", "token_embd.*").required(),
    Rule::keep("transformer.ln_f.*", "output_norm.*").required(),
    Rule::keep("lm_head.*", "output.*"),
    Rule::keep("transformer.h.{}.input_layernorm.*", "blk.{}.attn_norm.*"),
    Rule::keep("transformer.h.{}.ln_mlp.*", "blk.{}.attn_norm.*"),
    Rule::keep("transformer.h.{}.ln_attn.*", "blk.{}.attn_norm_2.*"),
    Rule::step("transformer.h.{}.self_attention.query_key_value.*", "blk.{}.attn_qkv.*", by_kind).required(),
    Rule::keep("transformer.h.{}.self_attention.dense.*", "blk.{}.attn_output.*").required(),
    Rule::keep("transformer.h.{}.mlp.dense_h_to_4h.*", "blk.{}.ffn_up.*").required(),
    Rule::keep("transformer.h.{}.mlp.dense_4h_to_h.*", "blk.{}.ffn_down.*").required(),
];

/// Models of the first kind with one key for all queries state as many as there are queries all the same.
fn key_value_heads(model: &Model) -> Result<u64, ConvertError> {
    let configuration = &model.configuration;
    let newer = configuration.flag("new_decoder_architecture")?;
    if !newer && configuration.flag("multi_query")? {
        return Ok(1);
    }
    let stated = ["num_kv_heads", "n_head_kv", "num_key_value_heads"];
    let stated = stated.iter().find_map(|key| configuration.optional_integer(&[key]).transpose());
    stated.unwrap_or_else(|| model.heads())
}

/// The queries, the key and the value of each group in turn become all queries, all keys, all values.
fn by_kind(model: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let (heads, groups, size) = (model.heads()?, key_value_heads(model)?, model.head_size()?);
    weight.rows(|derivation| Derivation::concatenate(0, grouped_heads(derivation, heads, groups, size)?))
}
