//! InternVL, in its own layout and in that of `transformers`, before whatever text model its configuration
//! names.

use std::borrow::Cow;

use super::settings;
use crate::convert::architecture::common::thirds;
use crate::convert::architecture::{Family, qwen2};
use crate::convert::configuration::{Class, Part};
use crate::convert::parameters::Parameters;
use crate::convert::projector::{Encoders, Projector};
use crate::convert::rule::Rule;
use crate::convert::{Configuration, ConvertError};
use crate::tensor::ElementType;

/// The text model is Qwen's where nothing says another.
pub(super) const FAMILY: Family = Family {
    names: &["InternVisionModel", "InternVLChatModel", "InternVLForConditionalGeneration"],
    classes: &[
        Class {
            model_type: "internvl",
            defaults: r#"{"downsample_ratio": 0.5}"#,
            derived: &[],
            parts: &[Part::of("text_config", "qwen2"), Part::of("vision_config", "internvl_vision")],
        },
        Class::new(
            "internvl_vision",
            &[],
            r#"{"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24,
            "num_attention_heads": 16, "image_size": 448, "patch_size": 14, "layer_norm_eps": 1e-6,
            "hidden_act": "gelu"}"#,
        ),
    ],
    projector: Some(&PROJECTOR),
    ..qwen2::FAMILY
};

const PROJECTOR: Projector = Projector {
    adjust: |vision, _| {
        square(vision, "image_size")?;
        square(vision, "patch_size")
    },
    hyperparameters,
    rename: |_, name| {
        let name = name.strip_prefix("model.").unwrap_or(name);
        let starts = ["mlp1.", "vision_model.", "vision_tower.", "multi_modal_projector."];
        starts.iter().any(|start| name.starts_with(start)).then_some(Cow::Borrowed(name))
    },
    tensors: &[OWN_LAYOUT, LIBRARY_LAYOUT],
    forced: |name| (name == "v.position_embd.weight").then_some(ElementType::F32),
    ..Projector::STANDARD
};

const OWN_LAYOUT: &[Rule] = &[
    Rule::keep("mlp1.{}.*", "mm.model.mlp.{}.*"),
    Rule::keep("vision_model.embeddings.class_embedding", "v.class_embd"),
    Rule::keep("vision_model.embeddings.patch_embedding.*", "v.patch_embd.*"),
    Rule::keep("vision_model.embeddings.position_embedding", "v.position_embd.weight"),
    Rule::split(
        "vision_model.encoder.layers.{}.attn.qkv.*",
        &["v.blk.{}.attn_q.*", "v.blk.{}.attn_k.*", "v.blk.{}.attn_v.*"],
        thirds,
    ),
    Rule::keep("vision_model.encoder.layers.{}.attn.proj.*", "v.blk.{}.attn_out.*"),
    Rule::keep("vision_model.encoder.layers.{}.attn.q_norm.*", "v.blk.{}.attn_q_norm.*"),
    Rule::keep("vision_model.encoder.layers.{}.attn.k_norm.*", "v.blk.{}.attn_k_norm.*"),
    Rule::keep("vision_model.encoder.layers.{}.ls1", "v.blk.{}.ls1.weight"),
    Rule::keep("vision_model.encoder.layers.{}.ls2", "v.blk.{}.ls2.weight"),
    Rule::keep("vision_model.encoder.layers.{}.norm1.*", "v.blk.{}.ln1.*"),
    Rule::keep("vision_model.encoder.layers.{}.norm2.*", "v.blk.{}.ln2.*"),
    Rule::keep("vision_model.encoder.layers.{}.mlp.fc1.*", "v.blk.{}.ffn_up.*"),
    Rule::keep("vision_model.encoder.layers.{}.mlp.fc2.*", "v.blk.{}.ffn_down.*"),
];

const LIBRARY_LAYOUT: &[Rule] = &[
    Rule::keep("multi_modal_projector.layer_norm.*", "mm.model.mlp.0.*"),
    Rule::keep("multi_modal_projector.linear_1.*", "mm.model.mlp.1.*"),
    Rule::keep("multi_modal_projector.linear_2.*", "mm.model.mlp.3.*"),
    Rule::keep("vision_tower.embeddings.cls_token", "v.class_embd"),
    Rule::keep("vision_tower.embeddings.patch_embeddings.projection.*", "v.patch_embd.*"),
    Rule::keep("vision_tower.embeddings.position_embeddings", "v.position_embd.weight"),
    Rule::keep("vision_tower.encoder.layer.{}.attention.q_proj.*", "v.blk.{}.attn_q.*"),
    Rule::keep("vision_tower.encoder.layer.{}.attention.k_proj.*", "v.blk.{}.attn_k.*"),
    Rule::keep("vision_tower.encoder.layer.{}.attention.v_proj.*", "v.blk.{}.attn_v.*"),
    Rule::keep("vision_tower.encoder.layer.{}.attention.projection_layer.*", "v.blk.{}.attn_out.*"),
    Rule::keep("vision_tower.encoder.layer.{}.attention.q_norm.*", "v.blk.{}.attn_q_norm.*"),
    Rule::keep("vision_tower.encoder.layer.{}.attention.k_norm.*", "v.blk.{}.attn_k_norm.*"),
    Rule::keep("vision_tower.encoder.layer.{}.lambda_1", "v.blk.{}.ls1.weight"),
    Rule::keep("vision_tower.encoder.layer.{}.lambda_2", "v.blk.{}.ls2.weight"),
    Rule::keep("vision_tower.encoder.layer.{}.layernorm_before.*", "v.blk.{}.ln1.*"),
    Rule::keep("vision_tower.encoder.layer.{}.layernorm_after.*", "v.blk.{}.ln2.*"),
    Rule::keep("vision_tower.encoder.layer.{}.mlp.fc1.*", "v.blk.{}.ffn_up.*"),
    Rule::keep("vision_tower.encoder.layer.{}.mlp.fc2.*", "v.blk.{}.ffn_down.*"),
];

/// A size that is stated for height and width, of which images and patches have equal ones.
fn square(vision: &mut Configuration, key: &str) -> Result<(), ConvertError> {
    if vision.value(key).is_some_and(serde_json::Value::is_array)
        && let Some(side) = vision.integers(key)?.and_then(|sides| sides.first().copied())
    {
        vision.set(key, side);
    }
    Ok(())
}

fn hyperparameters(subject: &Encoders<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let (vision, whole) = (subject.vision, subject.whole);
    out.set("projector_type", "internvl");
    out.float("vision.attention.layer_norm_epsilon", vision.number("layer_norm_eps")?);
    match vision.text_value("hidden_act")? {
        Some("silu" | "gelu") => settings::activation(subject, out)?,
        other => return Err(vision.bad("hidden_act", &other.unwrap_or("missing"), "silu or gelu")),
    }
    let ratio = whole.number("downsample_ratio")?;
    if ratio <= 0.0 {
        return Err(whole.bad("downsample_ratio", &ratio, "a positive number"));
    }
    out.count("vision.projector.scale_factor", (1.0 / ratio) as u64)?;
    for (key, name) in
        [("preproc_min_tiles", "min_dynamic_patch"), ("preproc_max_tiles", "max_dynamic_patch")]
    {
        if let Some(tiles) = whole.optional_integer(&[name])?.filter(|tiles| *tiles > 0) {
            out.count(&format!("vision.{key}"), tiles)?;
        }
    }
    Ok(())
}
