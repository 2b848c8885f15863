//! Hunyuan VL and Hunyuan OCR: an encoder that merges patches by convolutions, before Hunyuan with positions
//! of four parts.

use std::borrow::Cow;

use super::settings;
use crate::convert::architecture::{Family, hunyuan_dense};
use crate::convert::hyperparameters::standard;
use crate::convert::parameters::Parameters;
use crate::convert::projector::Projector;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::weight::{Weight, WeightError};
use crate::convert::{ConvertError, Model, Subject};

pub(super) const FAMILY: Family = Family {
    names: &["HunYuanVLForConditionalGeneration"],
    architecture: "hunyuan_vl",
    classes: &[],
    tokenizer: Flavour::HUNYUAN_VL,
    hyperparameters,
    projector: Some(&PROJECTOR),
    ..hunyuan_dense::FAMILY
};

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let rope = &subject.model.rope.common;
    // The library has another name for the same since its fifth version.
    let sections = match subject.model.rope.kind()?.as_deref() {
        Some("xdrope") => "xdrope_section",
        Some("dynamic") if rope.has("mrope_section") => "mrope_section",
        _ => return (hunyuan_dense::FAMILY.hyperparameters)(subject, out),
    };
    standard(subject, out)?;
    out.float("rope.freq_base", rope.number("rope_theta")?);
    out.set("rope.scaling.type", "none");
    out.float("rope.scaling.factor", rope.optional_number(&["factor"])?.unwrap_or(1.0));
    out.float("rope.scaling.alpha", rope.number("alpha")?);
    let context = subject.model.configuration.integer("max_position_embeddings")?;
    out.count("rope.scaling.original_context_length", context)?;
    out.count("context_length", context)?;
    let sections = rope.integers(sections)?.ok_or_else(|| rope.missing(&[sections]))?;
    out.counts("rope.dimension_sections", &sections)
}

const PROJECTOR: Projector = Projector {
    adjust: |vision, _| {
        if !vision.has("image_size") {
            let largest = vision.optional_integer(&["max_image_size"])?.unwrap_or(2048);
            vision.set("image_size", largest);
        }
        Ok(())
    },
    hyperparameters: |subject, out| {
        out.set("projector_type", "hunyuanvl");
        out.set("use_gelu", true);
        settings::epsilon(subject, "rms_norm_eps", 1e-5, out)?;
        settings::merged_patches(subject, out)?;
        settings::pixel_limits(subject, out)
    },
    rename: |_, name| name.starts_with("vit.").then_some(Cow::Borrowed(name)),
    tensors: &[TENSORS],
    convolutions: &["mm.0.weight", "mm.2.weight"],
    ..Projector::STANDARD
};

const TENSORS: &[Rule] = &[
    Rule::keep("vit.embeddings.patch_embedding.*", "v.patch_embd.*").required(),
    Rule::step("vit.embeddings.position_embedding.weight", "v.position_embd.weight", patches_alone)
        .required(),
    Rule::keep("vit.layers.{}.input_layernorm.*", "v.blk.{}.ln1.*").required(),
    Rule::keep("vit.layers.{}.post_attention_layernorm.*", "v.blk.{}.ln2.*").required(),
    Rule::keep("vit.layers.{}.self_attn.q_proj.*", "v.blk.{}.attn_q.*").required(),
    Rule::keep("vit.layers.{}.self_attn.k_proj.*", "v.blk.{}.attn_k.*").required(),
    Rule::keep("vit.layers.{}.self_attn.v_proj.*", "v.blk.{}.attn_v.*").required(),
    Rule::keep("vit.layers.{}.self_attn.o_proj.*", "v.blk.{}.attn_out.*").required(),
    Rule::keep("vit.layers.{}.mlp.dense_h_to_4h.*", "v.blk.{}.ffn_up.*").required(),
    Rule::keep("vit.layers.{}.mlp.dense_4h_to_h.*", "v.blk.{}.ffn_down.*").required(),
    Rule::keep("vit.perceive.before_rms.*", "mm.pre_norm.*").required(),
    Rule::keep("vit.perceive.proj.{}.*", "mm.{}.*"),
    Rule::keep("vit.perceive.mlp.*", "mm.model.fc.*").required(),
    Rule::keep("vit.perceive.after_rms.*", "mm.post_norm.*").required(),
    Rule::keep("vit.perceive.image_begin", "mm.image_begin").required(),
    Rule::keep("vit.perceive.image_end", "mm.image_end").required(),
    Rule::keep("vit.perceive.image_newline", "v.image_newline").required(),
    Rule::keep("vit.perceive.image_sep", "v.view_seperator").required(),
];

/// Positions without that of the class token, which the encoder does not have.
fn patches_alone(_: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let rows = weight.row_count();
    weight.rows(|derivation| derivation.slice(0, 1..rows))
}
