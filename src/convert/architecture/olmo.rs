//! OLMo 1 to 3 and OLMoE.

use super::Family;
use super::common::{ATTENTION, EMBEDDINGS, EXPERTS, GATED_FEED_FORWARD, NORMS, STACKED_EXPERTS};
use super::llama::PAIRED_ATTENTION;
use crate::convert::configuration::{Class, Derived};
use crate::convert::hyperparameters::standard;
use crate::convert::rule::Rule;

pub(super) const FIRST: Family = Family {
    names: &["OlmoForCausalLM", "OLMoForCausalLM"],
    architecture: "olmo",
    classes: &[Class::new(
        "olmo",
        &[Derived::KeyValueHeads],
        r#"{"vocab_size": 50304, "max_position_embeddings": 2048, "hidden_size": 4096,
        "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
        "rope_theta": 10000.0}"#,
    )],
    hyperparameters: |subject, out| {
        standard(subject, out)?;
        out.float("attention.layer_norm_epsilon", 1e-5);
        if let Some(limit) = subject.model.configuration.optional_number(&["clip_qkv"])? {
            out.float("attention.clamp_kqv", limit);
        }
        Ok(())
    },
    tensors: &[&[EMBEDDINGS[0], EMBEDDINGS[2]], PAIRED_ATTENTION, GATED_FEED_FORWARD],
    ..Family::STANDARD
};

pub(super) const SECOND: Family = Family {
    names: &["Olmo2ForCausalLM", "Olmo3ForCausalLM"],
    architecture: "olmo2",
    classes: &[
        Class::new(
            "olmo2",
            &[Derived::KeyValueHeads],
            r#"{"vocab_size": 50304, "max_position_embeddings": 2048, "hidden_size": 4096,
            "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
            "rms_norm_eps": 1e-5, "rope_theta": 10000.0}"#,
        ),
        Class::new(
            "olmo3",
            &[Derived::KeyValueHeads],
            r#"{"vocab_size": 50304, "max_position_embeddings": 2048, "hidden_size": 4096,
            "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
            "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "sliding_window": 4096}"#,
        ),
    ],
    hyperparameters: |subject, out| {
        standard(subject, out)?;
        let model = subject.model;
        if model.configuration.has("sliding_window") {
            out.count("attention.sliding_window", model.configuration.integer("sliding_window")?)?;
            // Every fourth layer sees everything where nothing else is said.
            let usual = || (1..=model.main_layers).map(|number| number % 4 != 0).collect();
            let sliding: Vec<bool> = model.layers_of_kind("sliding_attention")?.unwrap_or_else(usual);
            out.set("attention.sliding_window_pattern", sliding);
        }
        Ok(())
    },
    tensors: &[EMBEDDINGS, NORMS_AFTER, ATTENTION, GATED_FEED_FORWARD],
    ..Family::STANDARD
};

pub(super) const MIXTURE: Family = Family {
    names: &["OlmoeForCausalLM"],
    architecture: "olmoe",
    classes: &[Class::new(
        "olmoe",
        &[Derived::KeyValueHeads],
        r#"{"vocab_size": 50304, "max_position_embeddings": 4096, "hidden_size": 2048,
        "intermediate_size": 2048, "num_hidden_layers": 16, "num_attention_heads": 16, "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0, "num_experts": 64, "num_experts_per_tok": 8}"#,
    )],
    hyperparameters: |subject, out| {
        standard(subject, out)?;
        out.float("attention.layer_norm_rms_epsilon", 1e-5);
        Ok(())
    },
    tensors: &[
        EMBEDDINGS,
        NORMS,
        ATTENTION,
        EXPERTS,
        STACKED_EXPERTS,
        &[Rule::keep("model.layers.{}.mlp.gate.*", "blk.{}.ffn_gate_inp.*").required()],
    ],
    ..Family::STANDARD
};

/// Norms after attention and feed-forward network instead of before.
const NORMS_AFTER: &[Rule] = &[
    Rule::keep("model.layers.{}.post_attention_layernorm.*", "blk.{}.post_attention_norm.*").required(),
    Rule::keep("model.layers.{}.post_feedforward_layernorm.*", "blk.{}.post_ffw_norm.*").required(),
];
