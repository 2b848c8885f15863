//! The metadata that most architectures have, from the configuration keys that most classes have
//! (llama.cpp, `conversion/base.py`).

use serde_json::Value;

use super::model::Model;
use super::parameters::Parameters;
use super::rope::Rope;
use super::{ConvertError, Subject};
use crate::quantize::FILE_TYPE_KEY;

const CONTEXT: [&str; 6] = [
    "max_position_embeddings",
    "n_ctx",
    "n_positions",
    "max_length",
    "max_sequence_length",
    "model_max_length",
];
const FEED_FORWARD: [&str; 5] = [
    "prefix_dense_intermediate_size",
    "dense_intermediate_size",
    "intermediate_size",
    "n_inner",
    "hidden_dim",
];
const SCORE_FUNCTION: [&str; 6] = [
    "score_function",
    "scoring_func",
    "score_func",
    "moe_router_activation",
    "moe_router_activation_func",
    "expert_selection_fn",
];

/// How experts are chosen (llama.cpp, `llama_expert_gating_func_type`).
pub(super) const GATING_SOFTMAX: u32 = 1;
/// See [`GATING_SOFTMAX`].
pub(super) const GATING_SIGMOID: u32 = 2;

/// Sets what most architectures have, in the usual order. The file type comes later: it depends on the
/// weights.
pub(super) fn standard(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let model = subject.model;
    let configuration = &model.configuration;
    out.count("block_count", model.layers)?;
    count(model, out, "context_length", &CONTEXT)?;
    count(model, out, "embedding_length", &["hidden_size", "n_embd", "dim"])?;
    count(model, out, "feed_forward_length", &FEED_FORWARD)?;
    count(model, out, "attention.head_count", &["num_attention_heads", "n_head", "n_heads"])?;
    count(model, out, "attention.head_count_kv", &["num_key_value_heads", "n_kv_heads"])?;
    if configuration.optional_flag("is_causal")? == Some(false) {
        out.set("attention.causal", false);
    }
    rope(&model.rope, out)?;
    float(model, out, "attention.layer_norm_rms_epsilon", &["rms_norm_eps", "norm_eps"])?;
    let epsilon = ["layer_norm_eps", "layer_norm_epsilon", "norm_epsilon"];
    float(model, out, "attention.layer_norm_epsilon", &epsilon)?;
    count(model, out, "expert_count", &["num_local_experts", "num_experts", "n_routed_experts"])?;
    let used = ["num_experts_per_tok", "num_experts_per_token", "top_k_experts"];
    count(model, out, "expert_used_count", &used)?;
    count(model, out, "expert_group_count", &["n_group"])?;
    count(model, out, "expert_group_used_count", &["topk_group"])?;
    if let Some((key, function)) = configuration.first(&SCORE_FUNCTION) {
        let function = match function.as_str() {
            Some("softmax") => GATING_SOFTMAX,
            Some("sigmoid") => GATING_SIGMOID,
            Some("sqrtsoftplus") => 4,
            _ => return Err(configuration.bad(key, function, "softmax, sigmoid or sqrtsoftplus")),
        };
        out.set("expert_gating_func", function);
    }
    if let Some(size) = configuration.optional_integer(&["head_dim"])? {
        key_and_value_length(out, size)?;
    }
    file_type_here(out);
    Ok(())
}

/// Keeps the place of the file type, which is known when the weights are.
pub(super) fn file_type_here(out: &mut Parameters) {
    out.set_plain(FILE_TYPE_KEY, 0_u32);
}

/// Sets the size of keys and of values.
pub(super) fn key_and_value_length(out: &mut Parameters, size: u64) -> Result<(), ConvertError> {
    out.count("attention.key_length", size)?;
    out.count("attention.value_length", size)
}

/// Sets a number, or a list of one a layer, from the first of `keys` if it is there.
pub(super) fn count(
    model: &Model,
    out: &mut Parameters,
    key: &str,
    keys: &[&str],
) -> Result<(), ConvertError> {
    let configuration = &model.configuration;
    match configuration.first(keys) {
        None => Ok(()),
        Some((name, Value::Array(_))) => {
            let numbers = configuration.integers(name)?.unwrap_or_default();
            if numbers.len() as u64 != model.main_layers {
                let expected = format!("one number a layer, of which there are {}", model.main_layers);
                return Err(configuration.bad(name, &format!("{} numbers", numbers.len()), &expected));
            }
            out.counts(key, &numbers)
        }
        Some((name, value)) => out.count(key, configuration.as_integer(name, value)?),
    }
}

/// Sets a float from the first of `keys` if it is there.
pub(super) fn float(
    model: &Model,
    out: &mut Parameters,
    key: &str,
    keys: &[&str],
) -> Result<(), ConvertError> {
    if let Some(number) = model.configuration.optional_number(keys)? {
        out.float(key, number);
    }
    Ok(())
}

fn rope(rope: &Rope, out: &mut Parameters) -> Result<(), ConvertError> {
    let full = &rope.full;
    let factor = full.optional_number(&["factor"])?;
    match (full.text_value("rope_type")?, factor) {
        (Some("linear"), Some(factor)) => {
            out.set("rope.scaling.type", "linear");
            out.float("rope.scaling.factor", factor);
        }
        (Some("yarn"), Some(factor)) => yarn(rope, factor, out)?,
        (Some("su" | "longrope"), _) => out.set("rope.scaling.type", "longrope"),
        _ => {}
    }
    if let Some(mut sections) = rope.common.integers("mrope_section")? {
        // Time, height, width, and one more that only some models use.
        sections.resize(4, 0);
        out.counts("rope.dimension_sections", &sections)?;
    }
    if let Some(base) = full.optional_number(&["rope_theta"])? {
        out.float("rope.freq_base", base);
    }
    let sliding = rope.sliding.as_ref().map_or(Ok(None), |part| part.optional_number(&["rope_theta"]))?;
    if let Some(base) = sliding {
        out.float("rope.freq_base_swa", base);
    }
    Ok(())
}

fn yarn(rope: &Rope, factor: f64, out: &mut Parameters) -> Result<(), ConvertError> {
    let full = &rope.full;
    out.set("rope.scaling.type", "yarn");
    out.float("rope.scaling.factor", factor);
    let context = full.integer("original_max_position_embeddings")?;
    out.count("rope.scaling.original_context_length", context)?;
    let attention: &[&str] =
        if full.has("attention_factor") { &["attention_factor"] } else { &["attn_factor"] };
    let optional: [(&str, &[&str]); 4] = [
        ("rope.scaling.yarn_ext_factor", &["extrapolation_factor"]),
        ("rope.scaling.yarn_attn_factor", attention),
        ("rope.scaling.yarn_beta_fast", &["beta_fast"]),
        ("rope.scaling.yarn_beta_slow", &["beta_slow"]),
    ];
    for (key, names) in optional {
        if let Some(number) = full.optional_number(names)? {
            out.float(key, number);
        }
    }
    Ok(())
}
