//! Gemma 1 and 2.

use super::Family;
use super::common::{ATTENTION, GATED_FEED_FORWARD, add_one};
use crate::convert::configuration::Class;
use crate::convert::hyperparameters::{file_type_here, key_and_value_length};
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::{ConvertError, Subject};

pub(super) const FIRST: Family = Family {
    names: &["GemmaForCausalLM"],
    architecture: "gemma",
    classes: &[Class::new(
        "gemma",
        &[],
        r#"{"vocab_size": 256000, "max_position_embeddings": 8192, "hidden_size": 3072,
        "intermediate_size": 24576, "num_hidden_layers": 28, "num_attention_heads": 16,
        "num_key_value_heads": 16, "head_dim": 256, "rms_norm_eps": 1e-6, "rope_theta": 10000.0}"#,
    )],
    tokenizer: Flavour::GEMMA,
    hyperparameters,
    tensors: &[
        EMBEDDINGS,
        &[
            Rule::step("model.layers.{}.input_layernorm.*", "blk.{}.attn_norm.*", add_one).required(),
            Rule::step("model.layers.{}.post_attention_layernorm.*", "blk.{}.ffn_norm.*", add_one).required(),
        ],
        ATTENTION,
        GATED_FEED_FORWARD,
    ],
    ..Family::STANDARD
};

pub(super) const SECOND: Family = Family {
    names: &["Gemma2ForCausalLM"],
    architecture: "gemma2",
    classes: &[Class::new(
        "gemma2",
        &[],
        r#"{"vocab_size": 256000, "max_position_embeddings": 8192, "hidden_size": 2304,
        "intermediate_size": 9216, "num_hidden_layers": 26, "num_attention_heads": 8,
        "num_key_value_heads": 4, "head_dim": 256, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
        "sliding_window": 4096, "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0}"#,
    )],
    tokenizer: Flavour::GEMMA2,
    hyperparameters: |subject, out| {
        hyperparameters(subject, out)?;
        let configuration = &subject.model.configuration;
        for key in ["attn_logit_softcapping", "final_logit_softcapping"] {
            out.float(key, configuration.number(key)?);
        }
        out.count("attention.sliding_window", configuration.integer("sliding_window")?)
    },
    tensors: &[EMBEDDINGS, NORMS, ATTENTION, GATED_FEED_FORWARD],
    ..Family::STANDARD
};

/// The output is the embeddings; a copy of them is passed over.
const EMBEDDINGS: &[Rule] = &[
    Rule::keep("model.embed_tokens.*", "token_embd.*").required(),
    Rule::step("model.norm.*", "output_norm.*", add_one).required(),
    Rule::drop("lm_head.weight"),
];

/// Norms before and after each part of a layer, stored around zero.
pub(super) const NORMS: &[Rule] = &[
    Rule::step("model.layers.{}.input_layernorm.*", "blk.{}.attn_norm.*", add_one).required(),
    Rule::step("model.layers.{}.post_attention_layernorm.*", "blk.{}.post_attention_norm.*", add_one)
        .required(),
    Rule::step("model.layers.{}.pre_feedforward_layernorm.*", "blk.{}.ffn_norm.*", add_one).required(),
    Rule::step("model.layers.{}.post_feedforward_layernorm.*", "blk.{}.post_ffw_norm.*", add_one).required(),
];

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let model = subject.model;
    let configuration = &model.configuration;
    out.count("context_length", configuration.integer("max_position_embeddings")?)?;
    out.count("embedding_length", model.hidden_size()?)?;
    out.count("block_count", model.layers)?;
    out.count("feed_forward_length", configuration.integer("intermediate_size")?)?;
    out.count("attention.head_count", model.heads()?)?;
    out.count("attention.head_count_kv", model.key_value_heads()?)?;
    out.float("attention.layer_norm_rms_epsilon", configuration.number("rms_norm_eps")?);
    key_and_value_length(out, configuration.integer("head_dim")?)?;
    file_type_here(out);
    Ok(())
}
