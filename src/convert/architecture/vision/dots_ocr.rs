//! dots.ocr: an encoder with gated layers before Qwen 2.

use std::borrow::Cow;

use super::settings;
use crate::convert::architecture::{Family, qwen2};
use crate::convert::projector::Projector;
use crate::convert::rule::Rule;

pub(super) const FAMILY: Family =
    Family { names: &["DotsOCRForCausalLM"], classes: &[], projector: Some(&PROJECTOR), ..qwen2::FAMILY };

const PROJECTOR: Projector = Projector {
    adjust: |vision, _| {
        // Images come in any size.
        vision.set("image_size", 0);
        Ok(())
    },
    hyperparameters: |subject, out| {
        let vision = subject.vision;
        out.set("projector_type", "dots_ocr");
        settings::pixel_limits(subject, out)?;
        out.float("vision.attention.layer_norm_epsilon", vision.number("rms_norm_eps")?);
        out.count("vision.projector.scale_factor", vision.integer("spatial_merge_size")?)?;
        out.set("use_silu", true);
        Ok(())
    },
    rename: |_, name| name.starts_with("vision_tower.").then_some(Cow::Borrowed(name)),
    tensors: &[TENSORS],
    ..Projector::STANDARD
};

const TENSORS: &[Rule] = &[
    Rule::keep("vision_tower.patch_embed.patchifier.proj.*", "v.patch_embd.*").required(),
    Rule::keep("vision_tower.patch_embed.patchifier.norm.*", "v.pre_ln.*").required(),
    Rule::keep("vision_tower.blocks.{}.norm1.*", "v.blk.{}.ln1.*").required(),
    Rule::keep("vision_tower.blocks.{}.norm2.*", "v.blk.{}.ln2.*").required(),
    Rule::keep("vision_tower.blocks.{}.attn.qkv.*", "v.blk.{}.attn_qkv.*").required(),
    Rule::keep("vision_tower.blocks.{}.attn.proj.*", "v.blk.{}.attn_out.*").required(),
    Rule::keep("vision_tower.blocks.{}.mlp.fc1.*", "v.blk.{}.ffn_gate.*").required(),
    Rule::keep("vision_tower.blocks.{}.mlp.fc2.*", "v.blk.{}.ffn_down.*").required(),
    Rule::keep("vision_tower.blocks.{}.mlp.fc3.*", "v.blk.{}.ffn_up.*").required(),
    Rule::keep("vision_tower.post_trunk_norm.*", "mm.post_norm.*"),
    Rule::keep("vision_tower.merger.ln_q.*", "mm.input_norm.*").required(),
    Rule::keep("vision_tower.merger.mlp.{}.*", "mm.{}.*"),
];
