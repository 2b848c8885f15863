//! The encoder of DeepSeek V4, which its configuration describes beside the text model.

use std::borrow::Cow;

use serde_json::Map;

use super::patches::colour_planes;
use crate::convert::architecture::common::halves;
use crate::convert::parameters::Parameters;
use crate::convert::projector::{Encoders, Projector};
use crate::convert::rule::Rule;
use crate::convert::{Configuration, ConvertError};

pub(in crate::convert::architecture) const PROJECTOR: Projector = Projector {
    vision,
    adjust: |vision, _| {
        let side = vision.integer("patch_size")?.saturating_mul(vision.integer("downsample_ratio")?);
        // Images come in any size; this is what the runtime warms up with.
        vision.set("image_size", side.saturating_mul(16));
        Ok(())
    },
    hyperparameters,
    rename: |_, name| {
        let starts = ["vision.", "aligner.", "image_"];
        starts.iter().any(|start| name.starts_with(start)).then_some(Cow::Borrowed(name))
    },
    tensors: &[TENSORS],
    normalization: Some([[0.5; 3]; 2]),
    ..Projector::STANDARD
};

/// The keys of the encoder under the names that other encoders use; none without layers.
fn vision(whole: &Configuration) -> Option<Configuration> {
    whole.optional_integer(&["vision_n_layers"]).ok().flatten().filter(|layers| *layers > 0)?;
    let mut vision = Configuration::new("config.json", Map::new());
    for (key, own) in [
        ("num_hidden_layers", "vision_n_layers"),
        ("hidden_size", "vision_dim"),
        ("num_attention_heads", "vision_n_heads"),
        ("intermediate_size", "vision_inter_dim"),
        ("patch_size", "vision_patch_size"),
        ("downsample_ratio", "vision_downsample_ratio"),
        ("min_pixels", "vision_min_pixels"),
    ] {
        if let Some(value) = whole.value(own) {
            vision.set(key, value.clone());
        }
    }
    Some(vision)
}

const TENSORS: &[Rule] = &[
    Rule::step("vision.patch_embed.proj.weight", "v.patch_embd.weight", colour_planes).required(),
    Rule::keep("vision.blocks.{}.norm1.*", "v.blk.{}.ln1.*").required(),
    Rule::keep("vision.blocks.{}.norm2.*", "v.blk.{}.ln2.*").required(),
    Rule::keep("vision.blocks.{}.attn.wqkv.*", "v.blk.{}.attn_qkv.*").required(),
    Rule::keep("vision.blocks.{}.attn.wo.*", "v.blk.{}.attn_out.*").required(),
    Rule::split("vision.blocks.{}.mlp.w1.*", &["v.blk.{}.ffn_gate.*", "v.blk.{}.ffn_up.*"], halves)
        .required(),
    Rule::keep("vision.blocks.{}.mlp.w2.*", "v.blk.{}.ffn_down.*").required(),
    Rule::keep("vision.norm.*", "v.post_ln.*").required(),
    Rule::keep("aligner.w1.*", "mm.1.*").required(),
    Rule::keep("aligner.w2.*", "mm.2.*").required(),
    Rule::keep("image_newline", "v.image_newline").required(),
    Rule::keep("image_start", "v.token_embd.img_start").required(),
    Rule::keep("image_end", "v.token_embd.img_end").required(),
    Rule::keep("image_pad", "v.token_embd.img_pad").required(),
];

/// Limits that the runtime has built in.
const BUILT_IN: [(&str, u64); 2] = [("vision_max_n_token", 384), ("vision_max_wh_ratio", 8)];

fn hyperparameters(subject: &Encoders<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let vision = subject.vision;
    for (key, expected) in BUILT_IN {
        let number = subject.whole.integer(key)?;
        if number != expected {
            return Err(subject.whole.bad(key, &number, &expected.to_string()));
        }
    }
    out.set("projector_type", "deepseek4v");
    // That of the encoder's code; the configuration's is the text model's.
    out.float("vision.attention.layer_norm_epsilon", 1e-6);
    out.set("use_silu", true);
    out.count("vision.projector.scale_factor", vision.integer("downsample_ratio")?)?;
    out.count("vision.image_min_pixels", vision.integer("min_pixels")?)
}
