//! BLOOM.

use super::Family;
use super::common::inside_transformer;
use super::gptneox::by_kind;
use crate::convert::configuration::Class;
use crate::convert::hyperparameters::file_type_here;
use crate::convert::rule::Rule;

pub(super) const FAMILY: Family = Family {
    names: &["BloomForCausalLM", "BloomModel"],
    architecture: "bloom",
    classes: &[Class::new(
        "bloom",
        &[],
        r#"{"vocab_size": 250880, "hidden_size": 64, "n_layer": 2, "n_head": 8, "layer_norm_epsilon": 1e-5}"#,
    )],
    adjust: |configuration, _| {
        if let Some(width) = configuration.optional_integer(&["n_embed"])? {
            configuration.set("hidden_size", width);
        }
        Ok(())
    },
    hyperparameters: |subject, out| {
        let model = subject.model;
        let configuration = &model.configuration;
        let (width, heads) = (model.hidden_size()?, model.heads()?);
        out.count("context_length", configuration.optional_integer(&["seq_length"])?.unwrap_or(width))?;
        out.count("embedding_length", width)?;
        out.count("feed_forward_length", width.saturating_mul(4))?;
        out.count("block_count", model.layers)?;
        out.count("attention.head_count", heads)?;
        out.count("attention.head_count_kv", heads)?;
        out.float("attention.layer_norm_epsilon", configuration.number("layer_norm_epsilon")?);
        file_type_here(out);
        Ok(())
    },
    rename: |_, name| Some(inside_transformer(name)),
    tensors: &[TENSORS],
    ..Family::STANDARD
};

const TENSORS: &[Rule] = &[
    Rule::keep("word_embeddings.*", "token_embd.*").required(),
    Rule::keep("word_embeddings_layernorm.*", "token_embd_norm.*").required(),
    Rule::keep("ln_f.*", "output_norm.*").required(),
    Rule::keep("lm_head.*", "output.*"),
    Rule::keep("h.{}.input_layernorm.*", "blk.{}.attn_norm.*").required(),
    Rule::keep("h.{}.post_attention_layernorm.*", "blk.{}.ffn_norm.*").required(),
    Rule::step("h.{}.self_attention.query_key_value.*", "blk.{}.attn_qkv.*", by_kind).required(),
    Rule::keep("h.{}.self_attention.dense.*", "blk.{}.attn_output.*").required(),
    Rule::keep("h.{}.mlp.dense_h_to_4h.*", "blk.{}.ffn_up.*").required(),
    Rule::keep("h.{}.mlp.dense_4h_to_h.*", "blk.{}.ffn_down.*").required(),
];
