//! Nemotron Nano VL 2: the encoder RADIO in the size that its configuration does not say, before Nemotron-H;
//! in some with an encoder of sound.

use std::borrow::Cow;

use super::patches::{colour_planes, resampled_grid};
use crate::convert::architecture::audio::parakeet;
use crate::convert::architecture::{Family, nemotron_h};
use crate::convert::parameters::Parameters;
use crate::convert::projector::{Encoders, Projector};
use crate::convert::rule::Rule;
use crate::convert::weight::{Weight, WeightError};
use crate::convert::{Configuration, ConvertError, Model};

pub(super) const FAMILY: Family = Family {
    names: &["NemotronH_Nano_VL_V2", "RADIOModel"],
    classes: &[],
    projector: Some(&PROJECTOR),
    ..nemotron_h::FAMILY
};

const PROJECTOR: Projector = Projector {
    adjust: |vision, whole| {
        for (key, number) in SIZE {
            vision.set(key, number);
        }
        let size = whole.optional_integer(&["force_image_size"])?.unwrap_or(512);
        vision.set("image_size", size);
        Ok(())
    },
    audio: |whole| whole.part("sound_config"),
    opening: |subject, out| {
        if subject.whole.part("sound_config").is_none() {
            out.set("projector_type", KIND);
            return Ok(());
        }
        parakeet::hyperparameters(subject.audio, out)?;
        out.set("vision.projector_type", KIND);
        Ok(())
    },
    hyperparameters,
    rename: |_, name| {
        let inner = name.strip_prefix("vision_model.radio_model.model.");
        // The runtime sees no films.
        let inner = inner.filter(|inner| !inner.starts_with("patch_generator.video_embedder."));
        let others = ["mlp1.", "sound_encoder.", "sound_projection."];
        let other = Some(name).filter(|name| others.iter().any(|start| name.starts_with(start)));
        inner.or(other).map(Cow::Borrowed)
    },
    tensors: &[TENSORS, parakeet::TENSORS],
    forced: parakeet::forced,
    normalization: Some([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]]),
    ..Projector::STANDARD
};

/// What the runtime calls it.
const KIND: &str = "nemotron_v2_vl";

/// ViT-H, which is what the model's code builds.
const SIZE: [(&str, u64); 4] = [
    ("hidden_size", 1280),
    ("intermediate_size", 5120),
    ("num_hidden_layers", 32),
    ("num_attention_heads", 16),
];

const TENSORS: &[Rule] = &[
    Rule::keep("patch_generator.cls_token.token", "v.class_embd").required(),
    Rule::step("patch_generator.embedder.weight", "v.patch_embd.weight", colour_planes).required(),
    Rule::step("patch_generator.pos_embed", "v.position_embd.weight", positions).required(),
    Rule::keep("blocks.{}.norm1.*", "v.blk.{}.ln1.*"),
    Rule::keep("blocks.{}.norm2.*", "v.blk.{}.ln2.*"),
    Rule::keep("blocks.{}.attn.qkv.*", "v.blk.{}.attn_qkv.*"),
    Rule::keep("blocks.{}.attn.proj.*", "v.blk.{}.attn_out.*"),
    Rule::keep("blocks.{}.mlp.fc1.*", "v.blk.{}.ffn_up.*"),
    Rule::keep("blocks.{}.mlp.fc2.*", "v.blk.{}.ffn_down.*"),
    Rule::keep("mlp1.{}.*", "mm.model.mlp.{}.*"),
];

/// The positions of the images that the runtime sees, which are smaller than what the encoder was trained
/// with.
fn positions(model: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let vision = &model.configuration;
    let side = vision.integer("image_size")?.checked_div(vision.integer("patch_size")?).unwrap_or(0);
    Ok(Weight::Whole(resampled_grid(weight.whole()?, side)?))
}

fn hyperparameters(subject: &Encoders<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    out.float("vision.attention.layer_norm_epsilon", 1e-6);
    out.set("use_gelu", true);
    let ratio = subject.whole.optional_number(&["downsample_ratio"])?.unwrap_or(0.5);
    out.count("vision.projector.scale_factor", scale(subject.whole, ratio)?)
}

/// Into how few patches in a row images are merged.
fn scale(whole: &Configuration, ratio: f64) -> Result<u64, ConvertError> {
    if ratio <= 0.0 {
        return Err(whole.bad("downsample_ratio", &ratio, "a positive number"));
    }
    Ok((1.0 / ratio) as u64)
}
