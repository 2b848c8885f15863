//! Cohere's Command R, Aya and Command R7B.

use super::Family;
use super::common::{ATTENTION, GATED_FEED_FORWARD, text_name};
use super::deepseek2::is_tied_output;
use crate::convert::configuration::{Class, Derived};
use crate::convert::hyperparameters::standard;
use crate::convert::rule::Rule;

pub(super) const FIRST: Family = Family {
    names: &["CohereForCausalLM"],
    architecture: "command-r",
    classes: &[Class::new(
        "cohere",
        &[Derived::KeyValueHeads],
        r#"{"vocab_size": 256000, "max_position_embeddings": 8192, "hidden_size": 8192, "intermediate_size": 22528,
        "num_hidden_layers": 40, "num_attention_heads": 64, "layer_norm_eps": 1e-5, "rope_theta": 10000.0,
        "logit_scale": 0.0625, "tie_word_embeddings": true}"#,
    )],
    adjust: |configuration, _| {
        // The context that the models were trained with.
        if let Some(length) = configuration.optional_integer(&["model_max_length"])? {
            configuration.set("max_position_embeddings", length);
        }
        Ok(())
    },
    hyperparameters: |source, out| {
        standard(source, out)?;
        out.float("logit_scale", source.model.configuration.number("logit_scale")?);
        out.set("rope.scaling.type", "none");
        Ok(())
    },
    rename: |model, name| if is_tied_output(model, name) { None } else { text_name(name) },
    tensors: &[EMBEDDINGS, ONE_NORM, ATTENTION, GATED_FEED_FORWARD],
    ..Family::STANDARD
};

pub(super) const SECOND: Family = Family {
    names: &["Cohere2ForCausalLM"],
    architecture: "cohere2",
    classes: &[Class::new(
        "cohere2",
        &[Derived::KeyValueHeads, Derived::HeadSize],
        r#"{"vocab_size": 256000, "max_position_embeddings": 8192, "hidden_size": 8192, "intermediate_size": 22528,
        "num_hidden_layers": 40, "num_attention_heads": 64, "layer_norm_eps": 1e-5, "rope_theta": 10000.0,
        "logit_scale": 0.0625, "sliding_window": 4096, "tie_word_embeddings": true}"#,
    )],
    hyperparameters: |source, out| {
        standard(source, out)?;
        let model = source.model;
        let configuration = &model.configuration;
        out.float("logit_scale", configuration.number("logit_scale")?);
        out.count("attention.sliding_window", configuration.integer("sliding_window")?)?;
        out.count("vocab_size", configuration.integer("vocab_size")?)?;
        let fraction = configuration.optional_number(&["rotary_pct"])?.unwrap_or(1.0);
        let head = model.hidden_size()? / model.heads()?;
        out.count("rope.dimension_count", (fraction * head as f64) as u64)?;
        out.set("rope.scaling.type", "none");
        Ok(())
    },
    rename: |model, name| {
        // The models have biases in name only: all are said to be zero, and are passed over unread.
        if name.ends_with(".bias") { None } else { (FIRST.rename)(model, name) }
    },
    ..FIRST
};

/// The output is the embeddings; the runtime knows no other.
const EMBEDDINGS: &[Rule] = &[
    Rule::keep("model.embed_tokens.*", "token_embd.*").required(),
    Rule::keep("model.norm.*", "output_norm.*").required(),
];

/// One norm for attention and feed-forward network, which stand side by side.
const ONE_NORM: &[Rule] = &[Rule::keep("model.layers.{}.input_layernorm.*", "blk.{}.attn_norm.*").required()];
