//! Drafts in the manner of DFlash for models of other families: Gemma 4 and Muse Glimmer.

use std::borrow::Cow;

use serde_json::json;

use super::common::{ATTENTION, GATED_FEED_FORWARD, NORMS, replaced};
use super::dflash::{self, CHOICE};
use super::draft::ENDS;
use super::{Family, gemma4};
use crate::convert::hyperparameters::{key_and_value_length, standard};
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::stored_bytes;
use crate::convert::weight::Generated;
use crate::convert::{Configuration, ConvertError, Model, Subject};

/// DSpark with layers of Gemma 4 that attend to everything and have keys for values.
pub(super) const GEMMA4: Family = Family {
    names: &["Gemma4DSparkModel"],
    adjust: |configuration, _| adjust(configuration),
    hyperparameters: gemma4_hyperparameters,
    generated: rope_factors,
    rename: |model, name| {
        let name = replaced(dflash::rename(model, name)?, ".confidence_proj.", ".confidence_head.proj.");
        Some(replaced(name, "model.confidence_proj.", "model.confidence_head.proj."))
    },
    tensors: &[ENDS, LAYERS, ATTENTION_OF_KEYS, GATED_FEED_FORWARD, dflash::FEATURE_TENSORS, CHOICE],
    lacking: &["attn_v"],
    ..dflash::FAMILY
};

const LAYERS: &[Rule] = &[
    Rule::keep("model.layers.{}.input_layernorm.*", "blk.{}.attn_norm.*").required(),
    Rule::keep("model.layers.{}.post_attention_layernorm.*", "blk.{}.post_attention_norm.*").required(),
    Rule::keep("model.layers.{}.pre_feedforward_layernorm.*", "blk.{}.ffn_norm.*").required(),
    Rule::keep("model.layers.{}.post_feedforward_layernorm.*", "blk.{}.post_ffw_norm.*").required(),
    Rule::keep("model.layers.{}.layer_scalar", "blk.{}.layer_output_scale.weight"),
];

const ATTENTION_OF_KEYS: &[Rule] = &[
    ATTENTION[0],
    ATTENTION[1],
    Rule::keep("model.layers.{}.self_attn.v_proj.*", "blk.{}.attn_v.*"),
    ATTENTION[3],
    ATTENTION[4],
    ATTENTION[5],
];

/// The runtime computes only the kind that there is.
fn adjust(configuration: &mut Configuration) -> Result<(), ConvertError> {
    if !configuration.flag("attention_k_eq_v")? {
        return Err(configuration.bad("attention_k_eq_v", &false, "true"));
    }
    for (key, expected) in [("hidden_activation", "gelu_pytorch_tanh"), ("markov_head_type", "vanilla")] {
        if let Some(stated) = configuration.text_value(key)?.filter(|stated| *stated != expected) {
            return Err(configuration.bad(key, &stated, expected));
        }
    }
    for key in ["attention_bias", "enable_moe_block"] {
        if configuration.flag(key)? {
            return Err(configuration.bad(key, &true, "false"));
        }
    }
    if let Some(cap) = configuration.optional_number(&["final_logit_softcapping"])?.filter(|cap| *cap != 0.0)
    {
        return Err(configuration.bad("final_logit_softcapping", &cap, "none"));
    }
    let kinds =
        configuration.strings("layer_types")?.ok_or_else(|| configuration.missing(&["layer_types"]))?;
    if let Some(other) = kinds.into_iter().find(|kind| *kind != "full_attention") {
        return Err(configuration.bad("layer_types", &other, "full_attention everywhere"));
    }
    let tokens = configuration.integer("vocab_size")?;
    if let Some(known) =
        configuration.optional_integer(&["draft_vocab_size"])?.filter(|known| *known != tokens)
    {
        return Err(configuration.bad("draft_vocab_size", &known, &format!("vocab_size, which is {tokens}")));
    }
    // What the configuration's class says where the file says nothing.
    if configuration.value("rope_parameters").is_none() {
        let rope = json!({"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1e6});
        configuration.set("rope_parameters", rope);
    } else if let Some(full) =
        configuration.part("rope_parameters").and_then(|rope| rope.part("full_attention"))
    {
        configuration.set_part("rope_parameters", full);
    }
    if !configuration.has("dflash_config") {
        let layers = configuration.value("target_layer_ids").cloned();
        let mask = configuration.value("mask_token_id").cloned();
        configuration.set("dflash_config", json!({"target_layer_ids": layers, "mask_token_id": mask}));
    }
    Ok(())
}

fn rope_factors(model: &Model, _: &mut Parameters) -> Result<Generated, ConvertError> {
    match model.rope.kind()?.as_deref() {
        Some("proportional") => {
            let fraction = model.rope.full.optional_number(&["partial_rotary_factor"])?.unwrap_or(0.25);
            gemma4::proportional_factors(head_size(model)?, fraction)
        }
        Some("default") => Ok(Vec::new()),
        other => {
            let expected = "default or proportional";
            Err(model.configuration.bad("rope_type", &other.unwrap_or("nothing"), expected))
        }
    }
}

fn head_size(model: &Model) -> Result<u64, ConvertError> {
    model.checked_head_size("global_head_dim", model.configuration.integer("global_head_dim")?)
}

fn gemma4_hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    dflash::hyperparameters(subject, out)?;
    let model = subject.model;
    let configuration = &model.configuration;
    let size = head_size(model)?;
    out.count("attention.head_count_kv", configuration.integer("num_global_key_value_heads")?)?;
    key_and_value_length(out, size)?;
    out.count("rope.dimension_count", size)?;
    out.float("embedding_scale", (model.hidden_size()? as f64).sqrt());
    out.float("attention.scale", 1.0);
    out.set("hidden_activation", "gelu_pytorch_tanh");
    out.set("sample_from_anchor", configuration.optional_flag("sample_from_anchor")?.unwrap_or(true));
    let confident = stored_bytes::any_name(subject.files, |name| name.contains("confidence_"))?;
    out.set("has_confidence_head", confident);
    Ok(())
}

/// The assistant of Muse Glimmer.
pub(super) const MUSE: Family = Family {
    names: &["MuseGlimmerAssistantModel"],
    hyperparameters: |subject, out| {
        standard(subject, out)?;
        let model = subject.model;
        let configuration = &model.configuration;
        out.count("block_size", configuration.integer("block_size")?)?;
        dflash::target_layers(configuration, "target_layer_ids", out)?;
        let window = configuration.optional_integer(&["sliding_window"])?.filter(|window| *window > 0);
        if let (Some(window), Some(sliding)) = (window, model.layers_of_kind("sliding_attention")?) {
            out.count("attention.sliding_window", window)?;
            out.set("attention.sliding_window_pattern", sliding);
        }
        Ok(())
    },
    after_vocabulary: |subject, out| dflash::mask_token(&subject.model.configuration, "mask_token_id", out),
    rename: |model, name| match name.starts_with("encoder.") {
        true => Some(Cow::Borrowed(name)),
        false => (Family::STANDARD.rename)(model, name),
    },
    tensors: &[
        ENDS,
        NORMS,
        ATTENTION,
        GATED_FEED_FORWARD,
        &[
            Rule::keep("encoder.fc.*", "fc.*").required(),
            Rule::keep("encoder.output_norm_enc.*", "enc.output_norm.*").required(),
        ],
    ],
    ..dflash::FAMILY
};
