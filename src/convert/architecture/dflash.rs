//! DFlash: a few layers of Qwen 3 that predict a block of tokens of another model at once, and DSpark, which
//! chooses them one after the other.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use super::common::{GATED_FEED_FORWARD, NORMS, text_name};
use super::draft::{self, ENDS, LAYER_CONFIGURATION};
use super::{Family, qwen2};
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::shapes::{ANY, WIDTH};
use crate::convert::stored_bytes;
use crate::convert::weight::{Weight, WeightError, regroup_rows};
use crate::convert::{Configuration, ConvertError, Model, Subject};

pub(super) const FAMILY: Family = Family {
    names: &["DFlashDraftModel", "DFlash2DraftModel"],
    architecture: "dflash",
    drafts: true,
    hyperparameters,
    after_vocabulary: |subject, out| {
        mask_token(&drafting(&subject.model.configuration), "mask_token_id", out)
    },
    rename,
    tensors: &[ENDS, NORMS, ATTENTION, GATED_FEED_FORWARD, FEATURE_TENSORS, CONVOLUTIONS],
    ..Family::STANDARD
};

/// A small network chooses each token by the one before it.
pub(super) const SPARK: Family = Family {
    names: &[
        "Qwen3DSparkModel",
        "DSparkDraftModel",
        "DSparkSpeculator",
        "Lfm2DSparkDraftModel",
        "LingDSparkModel",
    ],
    adjust: |configuration, _| adjust(configuration),
    hyperparameters: spark_hyperparameters,
    rename: |model, name| {
        let left_out = ["d2t", "t2d"].contains(&name) || name.ends_with("lm_head.weight") && knows_all(model);
        if left_out { None } else { rename(model, name) }
    },
    tensors: &[ENDS, NORMS, ATTENTION, GATED_FEED_FORWARD, FEATURE_TENSORS, CONVOLUTIONS, CHOICE],
    appended: |model, files| draft::token_table(model, files, model.configuration.integer("vocab_size")?),
    // The head may know only some of the tokens.
    shapes: &[("output.weight", &[&[WIDTH, ANY]])],
    ..FAMILY
};

const ATTENTION: &[Rule] = &[
    Rule::step("model.layers.{}.self_attn.q_proj.weight", "blk.{}.attn_q.weight", in_halves).required(),
    Rule::step("model.layers.{}.self_attn.k_proj.weight", "blk.{}.attn_k.weight", in_halves).required(),
    Rule::keep("model.layers.{}.self_attn.q_proj.bias", "blk.{}.attn_q.bias"),
    Rule::keep("model.layers.{}.self_attn.k_proj.bias", "blk.{}.attn_k.bias"),
    Rule::keep("model.layers.{}.self_attn.v_proj.*", "blk.{}.attn_v.*").required(),
    Rule::keep("model.layers.{}.self_attn.o_proj.*", "blk.{}.attn_output.*").required(),
    Rule::step("model.layers.{}.self_attn.q_norm.weight", "blk.{}.attn_q_norm.weight", in_halves),
    Rule::step("model.layers.{}.self_attn.k_norm.weight", "blk.{}.attn_k_norm.weight", in_halves),
    Rule::keep("model.layers.{}.self_attn.sinks", "blk.{}.attn_sinks.weight"),
    Rule::keep("model.layers.{}.self_attn.attention_sink_bias", "blk.{}.attn_sinks.weight"),
    Rule::keep("model.layers.{}.self_attn.learnable_sink_param", "blk.{}.attn_sinks.weight"),
];

/// The projection of what the target's layers come to, and a norm over it.
pub(super) const FEATURE_TENSORS: &[Rule] = &[
    Rule::keep("model.fc.*", "fc.*").required(),
    Rule::keep("model.hidden_norm.*", "enc.output_norm.*").required(),
];

/// Convolutions over the block, and the choice among candidates for it, which newer drafts have.
const CONVOLUTIONS: &[Rule] = &[
    Rule::keep("model.layers.{}.attention_conv.base_kernel", "blk.{}.attn_conv_base"),
    Rule::keep("model.layers.{}.attention_conv.kernel_projection.*", "blk.{}.attn_conv_proj.*"),
    Rule::keep("model.layers.{}.mlp_conv.base_kernel", "blk.{}.ffn_conv_base"),
    Rule::keep("model.layers.{}.mlp_conv.kernel_projection.*", "blk.{}.ffn_conv_proj.*"),
    Rule::keep("model.candidate_selector.predecessor_codebook", "selector_predecessor.weight"),
    Rule::keep("model.candidate_selector.successor_codebook", "selector_successor.weight"),
    Rule::keep("model.candidate_selector.hidden_projection.*", "selector_hidden.*"),
];

/// What chooses each token, and what says how sure it is.
pub(super) const CHOICE: &[Rule] = &[
    Rule::keep("model.markov_head.markov_w1.weight", "markov_w1.weight").required(),
    Rule::keep("model.markov_head.markov_w2.weight", "markov_w2.weight").required(),
    Rule::keep("model.confidence_head.proj.*", "conf_proj.*"),
];

/// All names begin alike. Embeddings that the configuration denies are a copy of the target's.
pub(super) fn rename<'n>(model: &Model, name: &'n str) -> Option<Cow<'n, str>> {
    let name = text_name(name)?;
    let copied = model.configuration.optional_flag("has_embed_tokens") == Ok(Some(false));
    match name.as_ref() {
        "model.embed_tokens.weight" if copied => None,
        "lm_head.weight" => Some(name),
        "model.lm_head.weight" => Some("lm_head.weight".into()),
        inner if inner.starts_with("model.") => Some(name),
        inner => Some(format!("model.{inner}").into()),
    }
}

/// Heads whose rotary dimensions lie in pairs, in halves.
fn in_halves(model: &Model, weight: Weight) -> Result<Weight, WeightError> {
    if model.configuration.optional_flag("rope_is_neox_style")? != Some(false) {
        return Ok(weight);
    }
    let size = model.head_size()?;
    let heads = weight.row_count().checked_div(size).unwrap_or(0);
    weight.rows(|derivation| regroup_rows(derivation, &[heads, size / 2, 2], &[0, 2, 1]))
}

/// What is said of drafting alone.
fn drafting(configuration: &Configuration) -> Configuration {
    let part = configuration.part("dflash_config");
    part.unwrap_or_else(|| Configuration::new("config.json, dflash_config", Map::new()))
}

/// Writes the token in the place of which the draft predicts, if the configuration has it under this key.
pub(super) fn mask_token(
    configuration: &Configuration,
    key: &str,
    out: &mut Parameters,
) -> Result<(), ConvertError> {
    if let Some(token) = configuration.optional_integer(&[key])? {
        // Configurations hold no larger numbers than these.
        out.set_plain("tokenizer.ggml.mask_token_id", u32::try_from(token).unwrap_or(u32::MAX));
    }
    Ok(())
}

pub(super) fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    qwen2::hyperparameters(subject, out)?;
    let model = subject.model;
    let configuration = &model.configuration;
    let own = drafting(configuration);
    // What is said of drafting alone counts before what is said of the model.
    let place = |key: &str| if own.has(key) { &own } else { configuration };
    if let Some(fraction) = model.rope.common.optional_number(&["partial_rotary_factor"])? {
        out.count("rope.dimension_count", model.rotary_size(fraction)?)?;
    }
    if let Some(scale) = own.optional_number(&["attention_value_scale"])? {
        out.float("attention.value_scale", scale);
    }
    out.count("block_size", place("block_size").optional_integer(&["block_size"])?.unwrap_or(16))?;
    if own.has("conv_kernel_size") {
        for key in ["conv_kernel_size", "conv_group_size", "selector_rank", "selector_top_k"] {
            out.count(key, own.integer(key)?)?;
        }
    }
    for (key, name) in [
        ("logit_scale", "output_multiplier"),
        ("final_logit_softcapping", "final_logit_softcapping"),
        ("embedding_scale", "input_embedding_scale"),
    ] {
        let number = place(name).optional_number(&[name])?;
        if let Some(number) = number.filter(|number| key != "final_logit_softcapping" || *number > 0.0) {
            out.float(key, number);
        }
    }
    if place("target_layer_ids").integers("target_layer_ids")?.is_some_and(|layers| !layers.is_empty()) {
        target_layers(place("target_layer_ids"), "target_layer_ids", out)?;
    }
    window(model, &own, out)?;
    let causal = configuration
        .optional_flag("is_causal")?
        .map_or_else(|| own.optional_flag("causal"), |flag| Ok(Some(flag)))?;
    if let Some(causal) = causal {
        out.set("attention.causal", causal);
    }
    let target = draft::target(model)?;
    let rope = target.part("rope_parameters").or_else(|| target.part("rope_scaling"));
    if rope.is_some_and(|rope| rope.has("mrope_section")) {
        // Only the place in time is rotated by.
        out.counts("rope.dimension_sections", &[model.head_size()? / 2, 0, 0, 0])?;
    }
    Ok(())
}

/// Writes which layers of the target the draft sees. It sees what goes into a layer, the configuration says
/// which layer it came from.
pub(super) fn target_layers(
    configuration: &Configuration,
    key: &str,
    out: &mut Parameters,
) -> Result<(), ConvertError> {
    let layers = configuration.integers(key)?.ok_or_else(|| configuration.missing(&[key]))?;
    out.counts("target_layers", &layers.iter().map(|layer| layer.saturating_add(1)).collect::<Vec<_>>())
}

/// Which layers attend to a window, if any.
fn window(model: &Model, own: &Configuration, out: &mut Parameters) -> Result<(), ConvertError> {
    let configuration = &model.configuration;
    let everywhere = own.flag("use_swa")?;
    let stated = own.optional_integer(&["swa_window_size"])?.filter(|size| *size > 0);
    let size =
        stated.map_or_else(|| configuration.optional_integer(&["sliding_window"]), |size| Ok(Some(size)))?;
    let size = size.filter(|size| *size > 0);
    let Some(size) = size.filter(|_| everywhere || configuration.flag("use_sliding_window") == Ok(true))
    else {
        return Ok(());
    };
    let sliding = match everywhere {
        true => vec![true; model.layers as usize],
        false => model.layers_of_kind("sliding_attention")?.unwrap_or_default(),
    };
    out.count("attention.sliding_window", size)?;
    out.set("attention.sliding_window_pattern", sliding);
    Ok(())
}

fn knows_all(model: &Model) -> bool {
    let size = |key: &str| model.configuration.optional_integer(&[key]).unwrap_or(None);
    let known = size("draft_vocab_size").filter(|size| *size > 0);
    known.is_none_or(|known| Some(known) == size("vocab_size"))
}

/// Brings the two ways of describing such a draft to one.
fn adjust(configuration: &mut Configuration) -> Result<(), ConvertError> {
    const AUXILIARY: &str = "aux_hidden_state_layer_ids";
    const ANCHOR: &str = "sample_from_anchor";
    // Drafts in the manner of EAGLE 3 begin with the token after the known ones.
    let anchored = !configuration.has(LAYER_CONFIGURATION) && !configuration.has(AUXILIARY);
    if !configuration.has(ANCHOR) {
        configuration.set(ANCHOR, anchored);
    }
    configuration.take_over(LAYER_CONFIGURATION);
    if let Some(kind) = configuration.text_value("markov_head_type")?.filter(|kind| *kind != "vanilla") {
        return Err(configuration.bad("markov_head_type", &kind, "vanilla"));
    }
    if configuration.has("dflash_config") {
        return Ok(());
    }
    let mut own = Map::new();
    match configuration.integers(AUXILIARY)? {
        Some(layers) => {
            if layers.contains(&0) {
                return Err(configuration.bad(AUXILIARY, &0, "positive numbers"));
            }
            own.insert(
                "target_layer_ids".to_owned(),
                json!(layers.iter().map(|layer| layer - 1).collect::<Vec<_>>()),
            );
            let mask = configuration.value("mask_token_id").cloned().unwrap_or(Value::Null);
            own.insert("mask_token_id".to_owned(), mask);
        }
        None => {
            for key in ["target_layer_ids", "mask_token_id"] {
                if let Some(value) = configuration.value(key) {
                    own.insert(key.to_owned(), value.clone());
                }
            }
        }
    }
    configuration.set("dflash_config", own);
    Ok(())
}

fn spark_hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    hyperparameters(subject, out)?;
    out.set("sample_from_anchor", subject.model.configuration.flag("sample_from_anchor")?);
    let confident = stored_bytes::any_name(subject.files, |name| name.contains("confidence_head.proj"))?;
    out.set("has_confidence_head", confident);
    Ok(())
}
