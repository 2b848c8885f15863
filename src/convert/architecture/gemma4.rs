//! Gemma 4: heads of two sizes, layers that share keys and values, experts in some sizes.

use super::common::GATED_FEED_FORWARD;
use super::gemma3::{self, count_real_tokens, real_tokens};
use super::{Family, audio, gemma3n};
use crate::convert::hyperparameters::key_and_value_length;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::weight::Generated;
use crate::convert::{Configuration, ConvertError, Model, Subject};
use crate::plan::Derivation;

pub(super) const FAMILY: Family = Family {
    names: &["Gemma4ForCausalLM", "Gemma4ForConditionalGeneration"],
    architecture: "gemma4",
    adjust: count_real_tokens,
    tokenizer: Flavour::GEMMA4,
    hyperparameters,
    generated: rope_factors,
    rename: gemma3n::FAMILY.rename,
    tensors: &[TRUNK, LAYERS, EXPERTS, GATED_FEED_FORWARD],
    // Layers may take over keys and values from others, or have keys serve as values.
    lacking: &["attn_k", "attn_v"],
    projector: Some(&audio::gemma4::PROJECTOR),
    ..Family::STANDARD
};

/// Images and sound come in without encoders of their own.
pub(super) const UNIFIED: Family = Family {
    names: &["Gemma4UnifiedForConditionalGeneration"],
    hyperparameters: |subject, out| {
        hyperparameters(subject, out)?;
        suppressed_tokens(subject, out)
    },
    projector: Some(&audio::gemma4::UNIFIED),
    ..FAMILY
};

/// Tokens that are never answers, where the settings of generation list any.
fn suppressed_tokens(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    const FILE: &str = "generation_config.json";
    let Some(serde_json::Value::Object(settings)) = subject.files.json(FILE)? else { return Ok(()) };
    let settings = Configuration::new(FILE, settings);
    if let Some(tokens) = settings.integers("suppress_tokens")? {
        let tokens: Vec<i32> = tokens.into_iter().map(|token| token as i32).collect();
        out.set_plain("tokenizer.ggml.suppress_tokens", tokens);
    }
    Ok(())
}

/// A few layers that predict the tokens of a larger model from its states, with the keys and values of that
/// one.
pub(super) const ASSISTANT: Family = Family {
    names: &["Gemma4AssistantForCausalLM", "Gemma4UnifiedAssistantForCausalLM"],
    architecture: "gemma4-assistant",
    hyperparameters: |subject, out| {
        hyperparameters(subject, out)?;
        out.count("embedding_length_out", subject.model.configuration.integer("backbone_hidden_size")?)?;
        out.count("nextn_predict_layers", subject.model.layers)
    },
    rename: |model, name| match name.contains("masked_embedding") {
        true => None,
        false => (FAMILY.rename)(model, name),
    },
    tensors: &[TRUNK, LAYERS, GATED_FEED_FORWARD, PROJECTIONS],
    projector: None,
    ..FAMILY
};

/// From the states of the larger model and back.
const PROJECTIONS: &[Rule] = &[
    Rule::keep("pre_projection.weight", "nextn.pre_projection.weight").required(),
    Rule::keep("post_projection.weight", "nextn.post_projection.weight").required(),
];

const TRUNK: &[Rule] = &[
    Rule::step("model.embed_tokens.weight", "token_embd.weight", real_tokens).required(),
    Rule::keep("model.embed_tokens_per_layer.*", "per_layer_token_embd.*"),
    Rule::keep("model.norm.*", "output_norm.*").required(),
    Rule::keep("lm_head.*", "output.*"),
    Rule::keep("model.per_layer_model_projection.*", "per_layer_model_proj.*"),
    Rule::keep("model.per_layer_projection_norm.*", "per_layer_proj_norm.*"),
];

const LAYERS: &[Rule] = &[
    Rule::keep("model.layers.{}.input_layernorm.*", "blk.{}.attn_norm.*").required(),
    Rule::keep("model.layers.{}.post_attention_layernorm.*", "blk.{}.post_attention_norm.*").required(),
    Rule::keep("model.layers.{}.pre_feedforward_layernorm.*", "blk.{}.ffn_norm.*").required(),
    Rule::keep("model.layers.{}.post_feedforward_layernorm.*", "blk.{}.post_ffw_norm.*").required(),
    Rule::keep("model.layers.{}.self_attn.q_proj.*", "blk.{}.attn_q.*").required(),
    Rule::keep("model.layers.{}.self_attn.k_proj.*", "blk.{}.attn_k.*"),
    Rule::keep("model.layers.{}.self_attn.v_proj.*", "blk.{}.attn_v.*"),
    Rule::keep("model.layers.{}.self_attn.o_proj.*", "blk.{}.attn_output.*").required(),
    Rule::keep("model.layers.{}.self_attn.q_norm.*", "blk.{}.attn_q_norm.*"),
    Rule::keep("model.layers.{}.self_attn.k_norm.*", "blk.{}.attn_k_norm.*"),
    Rule::keep("model.layers.{}.layer_scalar", "blk.{}.layer_output_scale.weight"),
    Rule::keep("model.layers.{}.per_layer_input_gate.*", "blk.{}.inp_gate.*"),
    Rule::keep("model.layers.{}.per_layer_projection.*", "blk.{}.proj.*"),
    Rule::keep("model.layers.{}.post_per_layer_input_norm.*", "blk.{}.post_norm.*"),
];

const EXPERTS: &[Rule] = &[
    Rule::keep("model.layers.{}.router.proj.*", "blk.{}.ffn_gate_inp.*"),
    Rule::keep("model.layers.{}.router.scale", "blk.{}.ffn_gate_inp.scale"),
    Rule::keep("model.layers.{}.router.per_expert_scale", "blk.{}.ffn_down_exps.scale"),
    Rule::keep("model.layers.{}.experts.down_proj", "blk.{}.ffn_down_exps.weight"),
    Rule::keep("model.layers.{}.experts.gate_up_proj", "blk.{}.ffn_gate_up_exps.weight"),
    Rule::keep("model.layers.{}.pre_feedforward_layernorm_2.*", "blk.{}.pre_ffw_norm_2.*"),
    Rule::keep("model.layers.{}.post_feedforward_layernorm_1.*", "blk.{}.post_ffw_norm_1.*"),
    Rule::keep("model.layers.{}.post_feedforward_layernorm_2.*", "blk.{}.post_ffw_norm_2.*"),
];

/// What layers of full attention have of a key, from the configuration or from that of one such layer.
fn full_attention(configuration: &Configuration, key: &str, own: &str) -> Result<Option<u64>, ConvertError> {
    if let Some(value) = configuration.optional_integer(&[key])? {
        return Ok(Some(value));
    }
    let kinds = configuration.strings("layer_types")?.unwrap_or_default();
    let Some(layers) = configuration.part("per_layer_config") else { return Ok(None) };
    for (layer, _) in kinds.iter().enumerate().filter(|(_, kind)| **kind == "full_attention") {
        let value =
            layers.part(&layer.to_string()).map_or(Ok(None), |layer| layer.optional_integer(&[own]))?;
        if value.is_some() {
            return Ok(value);
        }
    }
    Ok(None)
}

fn full_head_size(model: &Model) -> Result<u64, ConvertError> {
    let size = full_attention(&model.configuration, "global_head_dim", "head_dim")?;
    let size = size.ok_or_else(|| model.configuration.missing(&["global_head_dim"]))?;
    model.checked_head_size("global_head_dim", size)
}

fn rope_factors(model: &Model, _: &mut Parameters) -> Result<Generated, ConvertError> {
    proportional_factors(full_head_size(model)?, model.rope.full.number("partial_rotary_factor")?)
}

/// Dimensions of a head that are not rotated: their frequencies are divided by a number so large that nothing
/// is left of them.
pub(super) fn proportional_factors(size: u64, fraction: f64) -> Result<Generated, ConvertError> {
    const NOT_ROTATED: f32 = 1e30;
    let rotated = (size as f64 * fraction / 2.0) as u64;
    let factors: Vec<f32> =
        (0..size / 2).map(|index| if index < rotated { 1.0 } else { NOT_ROTATED }).collect();
    let name = "rope_freqs.weight";
    let derivation = Derivation::values(factors, &[size / 2])
        .map_err(|reason| ConvertError::Dimensions { tensor: name.to_owned(), reason })?;
    Ok(vec![(name, derivation)])
}

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    gemma3::hyperparameters(subject, out)?;
    let model = subject.model;
    let configuration = &model.configuration;
    let shared = configuration.integer("num_kv_shared_layers")?;
    out.count("attention.shared_kv_layers", shared)?;
    let width = configuration.optional_integer(&["hidden_size_per_layer_input"])?.unwrap_or(0);
    out.count("embedding_length_per_layer_input", width)?;
    let sliding =
        model.layers_of_kind("sliding_attention")?.ok_or_else(|| configuration.missing(&["layer_types"]))?;
    out.set("attention.sliding_window_pattern", sliding.clone());
    let full_size = full_head_size(model)?;
    let sliding_size = configuration.integer("head_dim")?;
    key_and_value_length(out, full_size)?;
    out.count("attention.key_length_swa", sliding_size)?;
    out.count("attention.value_length_swa", sliding_size)?;
    let expert = configuration.optional_integer(&["expert_intermediate_size", "moe_intermediate_size"])?;
    if let Some(width) = expert {
        out.count("expert_feed_forward_length", width)?;
    }
    if configuration.flag("use_double_wide_mlp")? {
        // Layers that take over keys and values have twice the width elsewhere.
        let width = configuration.integer("intermediate_size")?;
        let own = model.layers.saturating_sub(shared);
        let widths = (0..model.layers).map(|layer| if layer < own { width } else { width.saturating_mul(2) });
        out.counts("feed_forward_length", &widths.collect::<Vec<_>>())?;
    }
    let full_heads = full_attention(configuration, "num_global_key_value_heads", "num_key_value_heads")?;
    let sliding_heads = configuration.optional_integer(&["num_key_value_heads"])?;
    if let (Some(full), Some(swa)) = (full_heads, sliding_heads) {
        let heads: Vec<u64> = sliding.iter().map(|sliding| if *sliding { swa } else { full }).collect();
        out.counts("attention.head_count_kv", &heads)?;
    }
    let fraction = model.rope.common.optional_number(&["partial_rotary_factor"])?.unwrap_or(1.0);
    out.count("rope.dimension_count", full_size)?;
    out.count("rope.dimension_count_swa", (sliding_size as f64 * fraction) as u64)
}
