//! Qwen 2-VL and 2.5-VL.

use std::borrow::Cow;

use super::Family;
use super::common::thirds;
use super::vision::patches::{FRAMES, frames};
use crate::convert::ConvertError;
use crate::convert::configuration::{Absent, Class, Configuration, Derived, Part};
use crate::convert::parameters::Parameters;
use crate::convert::projector::{Encoders, Projector};
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;

pub(super) const FAMILY: Family = Family {
    names: &["Qwen2VLModel", "Qwen2VLForConditionalGeneration", "Qwen2_5_VLForConditionalGeneration"],
    architecture: "qwen2vl",
    classes: &[
        Class::of_parts("qwen2_vl", &[TEXT_PART, Part::of("vision_config", "qwen2_vl_vision")]),
        Class::of_parts("qwen2_5_vl", &[TEXT_PART, Part::of("vision_config", "qwen2_5_vl_vision")]),
        text_class("qwen2_vl_text"),
        text_class("qwen2_5_vl_text"),
        Class::new(
            "qwen2_vl_vision",
            &[],
            r#"{"depth": 32, "embed_dim": 1280, "hidden_size": 3584, "num_heads": 16, "patch_size": 14,
            "spatial_merge_size": 2}"#,
        ),
        Class::new(
            "qwen2_5_vl_vision",
            &[],
            r#"{"depth": 32, "hidden_size": 3584, "intermediate_size": 3420, "num_heads": 16,
            "patch_size": 14, "spatial_merge_size": 2, "fullatt_block_indexes": [7, 15, 23, 31]}"#,
        ),
    ],
    tokenizer: Flavour::SENTENCE_PIECE_OR_BYTE_PAIR,
    projector: Some(&PROJECTOR),
    ..Family::STANDARD
};

const TEXT_PART: Part = Part { key: "text_config", class: "qwen2_vl_text", absent: Absent::Whole };

const fn text_class(model_type: &'static str) -> Class {
    Class::new(
        model_type,
        &[Derived::KeyValueHeads],
        r#"{"vocab_size": 152064, "max_position_embeddings": 32768, "hidden_size": 8192,
        "intermediate_size": 29568, "num_hidden_layers": 80, "num_attention_heads": 64,
        "num_key_value_heads": 8, "rms_norm_eps": 1e-5, "rope_theta": 1000000.0}"#,
    )
}

pub(super) const PROJECTOR: Projector = Projector {
    adjust: |vision, _| {
        name_usually(vision, 560)?;
        // Qwen 2-VL calls the width of the encoder embed_dim, and that of what it puts out hidden_size.
        if let Some(width) = vision.optional_integer(&["embed_dim"])? {
            vision.set("intermediate_size", vision.integer("hidden_size")?);
            vision.set("hidden_size", width);
        }
        Ok(())
    },
    hyperparameters,
    rename: |_, name| {
        let name = name.strip_prefix("model.").unwrap_or(name);
        name.starts_with("visual.").then_some(Cow::Borrowed(name))
    },
    tensors: &[TENSORS],
    ..Projector::STANDARD
};

pub(super) const TENSORS: &[Rule] = &[
    Rule::split("visual.patch_embed.proj.weight", FRAMES, frames),
    Rule::split(
        "visual.blocks.{}.attn.qkv.*",
        &["v.blk.{}.attn_q.*", "v.blk.{}.attn_k.*", "v.blk.{}.attn_v.*"],
        thirds,
    ),
    Rule::keep("visual.blocks.{}.attn.proj.*", "v.blk.{}.attn_out.*"),
    Rule::keep("visual.blocks.{}.norm1.*", "v.blk.{}.ln1.*"),
    Rule::keep("visual.blocks.{}.norm2.*", "v.blk.{}.ln2.*"),
    Rule::keep("visual.blocks.{}.mlp.gate_proj.*", "v.blk.{}.ffn_gate.*"),
    Rule::keep("visual.blocks.{}.mlp.up_proj.*", "v.blk.{}.ffn_up.*"),
    Rule::keep("visual.blocks.{}.mlp.down_proj.*", "v.blk.{}.ffn_down.*"),
    Rule::keep("visual.blocks.{}.mlp.fc1.*", "v.blk.{}.ffn_up.*"),
    Rule::keep("visual.blocks.{}.mlp.fc2.*", "v.blk.{}.ffn_down.*"),
    Rule::keep("visual.merger.ln_q.*", "v.post_ln.*"),
    Rule::keep("visual.merger.mlp.{}.*", "mm.{}.*"),
];

/// Keys under the names that other encoders use, and a size for images that come in any.
pub(super) fn name_usually(vision: &mut Configuration, image_size: u64) -> Result<(), ConvertError> {
    if !vision.has("image_size") {
        vision.set("image_size", image_size);
    }
    vision.set("num_attention_heads", vision.integer("num_heads")?);
    vision.set("num_hidden_layers", vision.integer("depth")?);
    Ok(())
}

fn hyperparameters(subject: &Encoders<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    match subject.vision.has("fullatt_block_indexes") {
        false => out.set("projector_type", "qwen2vl_merger"),
        true => windowed("qwen2.5vl_merger", subject.vision, out)?,
    }
    epsilon(subject, out)
}

/// What is special where most layers see a window only. `kind` is what the runtime calls the encoder.
pub(super) fn windowed(kind: &str, vision: &Configuration, out: &mut Parameters) -> Result<(), ConvertError> {
    let full = vision.integers("fullatt_block_indexes")?;
    let full = full.ok_or_else(|| vision.missing(&["fullatt_block_indexes"]))?;
    out.set("projector_type", kind);
    out.set("use_silu", true);
    out.count("vision.n_wa_pattern", window_period(vision, &full)?)
}

/// The small number in the norms, which only the whole configuration says.
pub(super) fn epsilon(subject: &Encoders<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let epsilon = subject.whole.optional_number(&["rms_norm_eps"])?.unwrap_or(1e-6);
    out.float("vision.attention.layer_norm_epsilon", epsilon);
    Ok(())
}

/// Of how many blocks one attends to the whole image: `full` are the places of those that do.
pub(super) fn window_period(vision: &Configuration, full: &[u64]) -> Result<u64, ConvertError> {
    let period = full.first().map_or(0, |first| first + 1);
    if period == 0 || full.windows(2).any(|pair| pair[0] + period != pair[1]) {
        let expected = "blocks at equal distances";
        return Err(vision.bad("fullatt_block_indexes", &serde_json::Value::from(full), expected));
    }
    Ok(period)
}
