//! Phi-3, Phi-3.5, Phi-4, and those with experts.

use super::Family;
use super::common::{EMBEDDINGS, NORMS, long_rope_factors};
use crate::convert::configuration::{Class, Derived};
use crate::convert::hyperparameters::file_type_here;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::weight::Generated;
use crate::convert::{ConvertError, Model, Subject};

pub(super) const FAMILY: Family = Family {
    names: &["Phi3ForCausalLM"],
    architecture: "phi3",
    classes: &[Class::new(
        "phi3",
        &[Derived::KeyValueHeads],
        r#"{"vocab_size": 32064, "max_position_embeddings": 4096, "original_max_position_embeddings": 4096,
        "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 32, "num_attention_heads": 32,
        "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "partial_rotary_factor": 1.0, "sliding_window": null}"#,
    )],
    tokenizer: Flavour::PHI3,
    hyperparameters,
    generated: rope_factors,
    tensors: &[
        EMBEDDINGS,
        NORMS,
        &[
            Rule::keep("model.layers.{}.self_attn.qkv_proj.*", "blk.{}.attn_qkv.*").required(),
            Rule::keep("model.layers.{}.self_attn.o_proj.*", "blk.{}.attn_output.*").required(),
            Rule::keep("model.layers.{}.mlp.gate_up_proj.*", "blk.{}.ffn_up.*").required(),
            Rule::keep("model.layers.{}.mlp.down_proj.*", "blk.{}.ffn_down.*").required(),
        ],
    ],
    ..Family::STANDARD
};

pub(super) const MIXTURE: Family = Family {
    names: &["PhiMoEForCausalLM"],
    architecture: "phimoe",
    classes: &[Class::new(
        "phimoe",
        &[Derived::KeyValueHeads],
        r#"{"vocab_size": 32064, "max_position_embeddings": 131072, "hidden_size": 4096,
        "intermediate_size": 6400, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "rms_norm_eps": 1e-5, "rope_theta": 1000000.0, "sliding_window": null,
        "num_local_experts": 16, "num_experts_per_tok": 2}"#,
    )],
    hyperparameters: |subject, out| {
        hyperparameters(subject, out)?;
        let configuration = &subject.model.configuration;
        let used = configuration.integer_of(&["num_experts_per_tok", "num_experts_per_token"])?;
        out.count("expert_used_count", used)?;
        out.count("expert_count", subject.model.experts()?)
    },
    tensors: &[
        EMBEDDINGS,
        NORMS,
        super::common::ATTENTION,
        &[Rule::keep("model.layers.{}.block_sparse_moe.gate.*", "blk.{}.ffn_gate_inp.*").required()],
        super::llama::MIXTRAL_EXPERTS,
    ],
    ..FAMILY
};

fn rotary_size(model: &Model) -> Result<u64, ConvertError> {
    let fraction = model.rope.common.optional_number(&["partial_rotary_factor"])?.unwrap_or(1.0);
    Ok((fraction * model.hidden_size()? as f64) as u64 / model.heads()?)
}

fn contexts(model: &Model) -> Result<(u64, u64), ConvertError> {
    let context = model.configuration.integer_of(&["n_positions", "max_position_embeddings"])?;
    Ok((context, model.rope.common.integer("original_max_position_embeddings")?))
}

/// The two sets of factors by which long contexts slow frequencies, and how attention makes up for it.
fn rope_factors(model: &Model, out: &mut Parameters) -> Result<Generated, ConvertError> {
    let factors = long_rope_factors(model, rotary_size(model)?)?;
    if factors.is_empty() {
        return Ok(factors);
    }
    let (context, original) = contexts(model)?;
    let scale = context as f64 / original as f64;
    let kind = model.rope.kind()?.unwrap_or_default();
    let attention = match kind.as_str() {
        // The class takes the two older names for the one of today.
        "su" | "yarn" | "longrope" if scale > 1.0 => (1.0 + scale.ln() / (original as f64).ln()).sqrt(),
        "su" | "yarn" | "longrope" => 1.0,
        other => return Err(model.rope.common.bad("rope_type", &other, "su, longrope or yarn")),
    };
    out.float("rope.scaling.attn_factor", attention);
    Ok(factors)
}

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let model = subject.model;
    let configuration = &model.configuration;
    let (context, original) = contexts(model)?;
    out.count("context_length", context)?;
    out.count("rope.scaling.original_context_length", original)?;
    out.count("embedding_length", model.hidden_size()?)?;
    out.count("feed_forward_length", configuration.integer("intermediate_size")?)?;
    out.count("block_count", model.layers)?;
    out.count("attention.head_count", model.heads()?)?;
    out.count("attention.head_count_kv", model.key_value_heads()?)?;
    out.float("attention.layer_norm_rms_epsilon", configuration.number("rms_norm_eps")?);
    out.count("rope.dimension_count", rotary_size(model)?)?;
    out.float("rope.freq_base", model.rope.full.number("rope_theta")?);
    file_type_here(out);
    // Zero tells Phi-4 from the others.
    out.count("attention.sliding_window", configuration.optional_integer(&["sliding_window"])?.unwrap_or(0))
}
