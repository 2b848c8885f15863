//! GPT-NeoX and Pythia.

use super::Family;
use super::common::is_buffer;
use crate::convert::Model;
use crate::convert::configuration::Class;
use crate::convert::rule::Rule;
use crate::convert::weight::{Weight, WeightError, regroup_rows};

pub(super) const FAMILY: Family = Family {
    names: &["GPTNeoXForCausalLM"],
    architecture: "gptneox",
    classes: &[Class::new(
        "gpt_neox",
        &[],
        r#"{"vocab_size": 50432, "max_position_embeddings": 2048, "hidden_size": 6144,
        "intermediate_size": 24576, "num_hidden_layers": 44, "num_attention_heads": 64,
        "layer_norm_eps": 1e-5, "rotary_pct": 0.25, "rotary_emb_base": 10000, "rope_theta": 10000,
        "use_parallel_residual": true}"#,
    )],
    hyperparameters: |subject, out| {
        let model = subject.model;
        let configuration = &model.configuration;
        out.count("context_length", configuration.integer("max_position_embeddings")?)?;
        out.count("embedding_length", model.hidden_size()?)?;
        out.count("block_count", model.layers)?;
        out.count("feed_forward_length", configuration.integer("intermediate_size")?)?;
        out.count("rope.dimension_count", model.rotary_size(configuration.number("rotary_pct")?)?)?;
        out.count("attention.head_count", model.heads()?)?;
        let parallel = configuration.optional_flag("use_parallel_residual")?.unwrap_or(true);
        out.set("use_parallel_residual", parallel);
        out.float("attention.layer_norm_epsilon", configuration.number("layer_norm_eps")?);
        Ok(())
    },
    tensors: &[TENSORS],
    rename: |_, name| (!is_buffer(name)).then(|| name.into()),
    ..Family::STANDARD
};

const TENSORS: &[Rule] = &[
    Rule::keep("gpt_neox.embed_in.*", "token_embd.*").required(),
    Rule::keep("gpt_neox.final_layer_norm.*", "output_norm.*").required(),
    Rule::keep("embed_out.*", "output.*"),
    Rule::keep("gpt_neox.layers.{}.input_layernorm.*", "blk.{}.attn_norm.*").required(),
    Rule::keep("gpt_neox.layers.{}.post_attention_layernorm.*", "blk.{}.ffn_norm.*").required(),
    Rule::step("gpt_neox.layers.{}.attention.query_key_value.*", "blk.{}.attn_qkv.*", by_kind).required(),
    Rule::keep("gpt_neox.layers.{}.attention.dense.*", "blk.{}.attn_output.*").required(),
    Rule::keep("gpt_neox.layers.{}.mlp.dense_h_to_4h.*", "blk.{}.ffn_up.*").required(),
    Rule::keep("gpt_neox.layers.{}.mlp.dense_4h_to_h.*", "blk.{}.ffn_down.*").required(),
];

/// Query, key and value of each head in turn become all queries, all keys, all values.
pub(super) fn by_kind(model: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let (heads, size) = (model.heads()?, model.head_size()?);
    weight.rows(|derivation| regroup_rows(derivation, &[heads, 3, size], &[1, 0, 2]))
}
