//! The encoder of GLM-4.1V, GLM-4.5V and GLM-OCR, and that of GLM-5.3.

use std::borrow::Cow;

use super::patches::{FRAMES, frames};
use super::settings;
use crate::convert::ConvertError;
use crate::convert::architecture::qwen2vl::name_usually;
use crate::convert::configuration::Class;
use crate::convert::parameters::Parameters;
use crate::convert::projector::{Encoders, Projector};
use crate::convert::rule::Rule;

/// The class of the encoder, which calls itself by the type of the whole.
pub(in crate::convert::architecture) const CLASS: Class = Class::new(
    "glm4v_vision",
    &[],
    r#"{"depth": 24, "hidden_size": 1536, "intermediate_size": 13696, "num_heads": 12, "image_size": 336,
    "patch_size": 14, "rms_norm_eps": 1e-5, "hidden_act": "silu", "spatial_merge_size": 2}"#,
);

pub(in crate::convert::architecture) const PROJECTOR: Projector = Projector {
    adjust: |vision, _| name_usually(vision, 336),
    hyperparameters: |subject, out| hyperparameters(subject, "glm4v", out),
    rename: |_, name| {
        let name = name.strip_prefix("model.").unwrap_or(name);
        name.starts_with("visual.").then_some(Cow::Borrowed(name))
    },
    tensors: &[TENSORS],
    ..Projector::STANDARD
};

pub(in crate::convert::architecture) const FIFTH: Projector = Projector {
    // What does not even say how many heads there are describes no encoder.
    vision: |whole| whole.part("vision_config").filter(|vision| vision.has("num_heads")),
    hyperparameters: |subject, out| {
        hyperparameters(subject, "glm5v", out)?;
        settings::merged_patches(subject, out)?;
        if let Some(limit) = subject.vision.optional_number(&["swiglu_limit"])? {
            out.float("vision.swiglu_clamp", limit);
        }
        // As many pixels as the tokens of one image stand for.
        let or = |key: &str, otherwise: u64| {
            subject.preprocessor.optional_integer(&[key]).map(|number| number.unwrap_or(otherwise))
        };
        let side = or("patch_size", 14)?.saturating_mul(or("merge_size", 2)?);
        let pixels = side.saturating_mul(side);
        for (key, name) in
            [("image_min_pixels", "min_image_tokens"), ("image_max_pixels", "max_image_tokens")]
        {
            if let Some(tokens) = subject.preprocessor.optional_integer(&[name])? {
                out.count(&format!("vision.{key}"), tokens.saturating_mul(pixels))?;
            }
        }
        Ok(())
    },
    ..PROJECTOR
};

fn hyperparameters(
    subject: &Encoders<'_>,
    kind: &'static str,
    out: &mut Parameters,
) -> Result<(), ConvertError> {
    out.set("projector_type", kind);
    settings::activation(subject, out)?;
    settings::epsilon(subject, "rms_norm_eps", 1e-5, out)
}

pub(in crate::convert::architecture) const TENSORS: &[Rule] = &[
    Rule::split("visual.patch_embed.proj.weight", FRAMES, frames).required(),
    Rule::keep("visual.patch_embed.proj.bias", "v.patch_embd.bias"),
    Rule::keep("visual.embeddings.position_embedding.*", "v.position_embd.*"),
    Rule::keep("visual.post_conv_layernorm.*", "v.norm_embd.*"),
    Rule::keep("visual.blocks.{}.norm1.*", "v.blk.{}.ln1.*").required(),
    Rule::keep("visual.blocks.{}.norm2.*", "v.blk.{}.ln2.*").required(),
    Rule::keep("visual.blocks.{}.attn.qkv.*", "v.blk.{}.attn_qkv.*").required(),
    Rule::keep("visual.blocks.{}.attn.q_norm.*", "v.blk.{}.attn_q_norm.*"),
    Rule::keep("visual.blocks.{}.attn.k_norm.*", "v.blk.{}.attn_k_norm.*"),
    Rule::keep("visual.blocks.{}.attn.proj.*", "v.blk.{}.attn_out.*").required(),
    Rule::keep("visual.blocks.{}.mlp.gate_proj.*", "v.blk.{}.ffn_gate.*").required(),
    Rule::keep("visual.blocks.{}.mlp.up_proj.*", "v.blk.{}.ffn_up.*").required(),
    Rule::keep("visual.blocks.{}.mlp.down_proj.*", "v.blk.{}.ffn_down.*").required(),
    Rule::keep("visual.post_layernorm.*", "v.post_ln.*"),
    Rule::keep("visual.downsample.*", "mm.patch_merger.*").required(),
    Rule::keep("visual.merger.proj.*", "mm.model.fc.*").required(),
    Rule::keep("visual.merger.post_projection_norm.*", "mm.post_norm.*").required(),
    Rule::keep("visual.merger.gate_proj.*", "mm.gate.*").required(),
    Rule::keep("visual.merger.up_proj.*", "mm.up.*").required(),
    Rule::keep("visual.merger.down_proj.*", "mm.down.*").required(),
];
