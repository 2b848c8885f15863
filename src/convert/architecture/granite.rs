//! IBM's Granite 3, dense and with experts.

use std::borrow::Cow;

use super::Family;
use super::common::{self, EMBEDDINGS, GATE_AND_UP_EXPERTS, GATED_FEED_FORWARD, NORMS, halves};
use super::llama::{self, PAIRED_ATTENTION};
use crate::convert::configuration::{Class, Derived};
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::shapes::{TWICE_SHARED_WIDTH, WIDTH};
use crate::convert::tokenizer::Flavour;
use crate::convert::{ConvertError, Subject};

pub(super) const FAMILY: Family = Family {
    names: &["GraniteForCausalLM"],
    architecture: "granite",
    classes: &[Class::new(
        "granite",
        &[Derived::KeyValueHeads],
        r#"{"vocab_size": 32000, "max_position_embeddings": 2048, "hidden_size": 4096,
        "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32, "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0, "embedding_multiplier": 1.0, "logits_scaling": 1.0, "residual_multiplier": 1.0,
        "attention_multiplier": 1.0}"#,
    )],
    adjust: |configuration, _| {
        // The models have heads of an equal share of the width, whatever the file says.
        configuration.remove("head_dim");
        Ok(())
    },
    tokenizer: Flavour::LLAMA,
    hyperparameters,
    generated: llama::rope_factors,
    rename: |_, name| text_name(name),
    tensors: &[EMBEDDINGS, NORMS, PAIRED_ATTENTION, GATED_FEED_FORWARD],
    ..Family::STANDARD
};

pub(super) const MIXTURE: Family = Family {
    names: &["GraniteMoeForCausalLM", "GraniteMoeSharedForCausalLM"],
    architecture: "granitemoe",
    classes: &[mixture("granitemoe"), mixture("granitemoeshared")],
    hyperparameters: mixture_hyperparameters,
    tensors: &[EMBEDDINGS, NORMS, PAIRED_ATTENTION, ROUTER, EXPERTS],
    ..FAMILY
};

/// Most layers see a window only.
pub(super) const SLIDING: Family = Family {
    names: &["GraniteSWAForCausalLM"],
    architecture: "granite_swa",
    classes: &[],
    hyperparameters: sliding_hyperparameters,
    tensors: &[EMBEDDINGS, NORMS, PAIRED_ATTENTION, SINKS, GATED_FEED_FORWARD],
    ..FAMILY
};

/// The same with experts, whose gates and inputs stay together.
pub(super) const SLIDING_MIXTURE: Family = Family {
    names: &["GraniteMoeSWAForCausalLM"],
    hyperparameters: |subject, out| {
        sliding_hyperparameters(subject, out)?;
        write_shared_width(subject, out)
    },
    tensors: &[EMBEDDINGS, NORMS, PAIRED_ATTENTION, SINKS, FUSED_EXPERTS],
    // Gate and up of the shared expert are one.
    shapes: &[("ffn_up_shexp.weight", &[&[WIDTH, TWICE_SHARED_WIDTH]])],
    ..SLIDING
};

/// Older and newer names of the same.
const FUSED_EXPERTS: &[Rule] = &[
    Rule::keep("model.layers.{}.block_sparse_moe.router.weight", "blk.{}.ffn_gate_inp.weight"),
    Rule::keep("model.layers.{}.block_sparse_moe.router.layer.weight", "blk.{}.ffn_gate_inp.weight"),
    Rule::keep("model.layers.{}.block_sparse_moe.experts.gate_up_proj", "blk.{}.ffn_gate_up_exps.weight"),
    Rule::keep("model.layers.{}.block_sparse_moe.input_linear.weight", "blk.{}.ffn_gate_up_exps.weight"),
    Rule::keep("model.layers.{}.block_sparse_moe.experts.down_proj", "blk.{}.ffn_down_exps.weight"),
    Rule::keep("model.layers.{}.block_sparse_moe.output_linear.weight", "blk.{}.ffn_down_exps.weight"),
    Rule::keep("model.layers.{}.shared_mlp.input_linear.weight", "blk.{}.ffn_up_shexp.weight"),
    Rule::keep("model.layers.{}.shared_mlp.output_linear.weight", "blk.{}.ffn_down_shexp.weight"),
];

/// What attention may turn to beside the tokens.
pub(super) const SINKS: &[Rule] =
    &[Rule::keep("model.layers.{}.self_attn.sinks", "blk.{}.attn_sinks.weight")];

/// The name of a tensor of the text model; the encoder of models that hear is not part of it.
pub(super) fn text_name(name: &str) -> Option<Cow<'_, str>> {
    if name.starts_with("encoder.") { None } else { common::text_name(name) }
}

const fn mixture(model_type: &'static str) -> Class {
    Class::new(
        model_type,
        &[Derived::KeyValueHeads],
        r#"{"vocab_size": 32000, "max_position_embeddings": 2048, "hidden_size": 4096,
        "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32, "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0, "embedding_multiplier": 1.0, "logits_scaling": 1.0, "residual_multiplier": 1.0,
        "attention_multiplier": 1.0, "num_local_experts": 8, "num_experts_per_tok": 2}"#,
    )
}

const ROUTER: &[Rule] =
    &[Rule::keep("model.layers.{}.block_sparse_moe.router.layer.*", "blk.{}.ffn_gate_inp.*").required()];

/// Experts, and a feed-forward network beside them.
pub(super) const EXPERTS: &[Rule] = &[
    Rule::split("model.layers.{}.block_sparse_moe.input_linear.weight", GATE_AND_UP_EXPERTS, halves),
    Rule::keep("model.layers.{}.block_sparse_moe.output_linear.*", "blk.{}.ffn_down_exps.*"),
    Rule::split(
        "model.layers.{}.shared_mlp.input_linear.weight",
        &["blk.{}.ffn_gate_shexp.weight", "blk.{}.ffn_up_shexp.weight"],
        halves,
    ),
    Rule::keep("model.layers.{}.shared_mlp.output_linear.*", "blk.{}.ffn_down_shexp.*"),
];

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    llama::hyperparameters(subject, out)?;
    for (key, name) in [
        ("attention.scale", "attention_multiplier"),
        ("embedding_scale", "embedding_multiplier"),
        ("residual_scale", "residual_multiplier"),
        ("logit_scale", "logits_scaling"),
    ] {
        let number = subject.model.configuration.optional_number(&[name])?;
        if let Some(number) = number.filter(|number| *number != 0.0) {
            out.float(key, number);
        }
    }
    Ok(())
}

pub(super) fn mixture_hyperparameters(
    subject: &Subject<'_>,
    out: &mut Parameters,
) -> Result<(), ConvertError> {
    hyperparameters(subject, out)?;
    write_shared_width(subject, out)
}

fn write_shared_width(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let shared = subject.model.configuration.optional_integer(&["shared_intermediate_size"])?;
    match shared.filter(|width| *width > 0) {
        Some(width) => out.count("expert_shared_feed_forward_length", width),
        None => Ok(()),
    }
}

pub(super) fn sliding_hyperparameters(
    subject: &Subject<'_>,
    out: &mut Parameters,
) -> Result<(), ConvertError> {
    hyperparameters(subject, out)?;
    let model = subject.model;
    let configuration = &model.configuration;
    let window = configuration.optional_integer(&["sliding_window"])?.unwrap_or(128);
    out.count("attention.sliding_window", window)?;
    let stated = model.layers_of_kind("sliding_attention")?.filter(|layers| !layers.is_empty());
    let usual = || (0..model.layers).map(|layer| layer % 4 != 0).collect();
    out.set("attention.sliding_window_pattern", stated.unwrap_or_else(usual));
    if let Some(rotated) = configuration.integers("no_rope_layers")?.filter(|layers| !layers.is_empty()) {
        // One is for layers that do rotate, whatever the key is called.
        out.set("attention.rope_pattern", rotated.into_iter().map(|flag| flag != 0).collect::<Vec<bool>>());
    }
    Ok(())
}
