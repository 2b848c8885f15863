//! Mistral's own layout: `params.json`, `consolidated*.safetensors` and `tekken.json`, with names for keys
//! and tensors that are older than those of `transformers` (llama.cpp, `--mistral-format`).
//!
//! Its rotary dimensions lie in pairs already, as llama.cpp takes them.

use std::borrow::Cow;

use super::{Family, llama, mistral3};
use crate::convert::hyperparameters::standard;
use crate::convert::parameters::Parameters;
use crate::convert::projector::{Encoders, Projector};
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::weight::{Weight, WeightError};
use crate::convert::{Configuration, ConvertError, Model, Subject};

/// Models up to Mistral Small 3, which Llama's architecture can say.
pub(super) const FAMILY: Family = Family {
    // The layout names no class.
    names: &["params.json"],
    architecture: llama::FAMILY.architecture,
    applies: |configuration| configuration.value(SCALING).is_none(),
    adjust: |configuration, _| match configuration.value("moe") {
        Some(experts) => {
            let expected =
                "a model without experts; give config.json and model*.safetensors, which transformers reads";
            Err(configuration.bad("moe", experts, expected))
        }
        None => Ok(()),
    },
    tokenizer: Flavour::TEKKEN,
    hyperparameters,
    rename: |_, name| {
        let seen = ENCODER.iter().any(|start| name.starts_with(start));
        (!seen).then_some(Cow::Borrowed(name))
    },
    tensors: &[TENSORS],
    projector: Some(&PROJECTOR),
    ..Family::STANDARD
};

/// Ministral 3 and what came after it, whose attention is scaled by the place in the text.
pub(super) const SCALED: Family = Family {
    architecture: mistral3::FAMILY.architecture,
    applies: |configuration| configuration.value(SCALING).is_some(),
    ..FAMILY
};

const SCALING: &str = "llama_4_scaling";

/// How the names of tensors begin that belong to the encoder of images.
const ENCODER: [&str; 4] =
    ["vision_encoder.", "vision_language_adapter.", "patch_merger.", "pre_mm_projector_norm."];

const TENSORS: &[Rule] = &[
    Rule::keep("tok_embeddings.weight", "token_embd.weight").required(),
    Rule::keep("norm.weight", "output_norm.weight").required(),
    Rule::keep("output.weight", "output.weight"),
    Rule::keep("layers.{}.attention_norm.*", "blk.{}.attn_norm.*").required(),
    Rule::keep("layers.{}.ffn_norm.*", "blk.{}.ffn_norm.*").required(),
    Rule::keep("layers.{}.attention.wq.*", "blk.{}.attn_q.*").required(),
    Rule::keep("layers.{}.attention.wk.*", "blk.{}.attn_k.*").required(),
    Rule::keep("layers.{}.attention.wv.*", "blk.{}.attn_v.*").required(),
    Rule::keep("layers.{}.attention.wo.*", "blk.{}.attn_output.*").required(),
    Rule::keep("layers.{}.feed_forward.w1.*", "blk.{}.ffn_gate.*").required(),
    Rule::keep("layers.{}.feed_forward.w2.*", "blk.{}.ffn_down.*").required(),
    Rule::keep("layers.{}.feed_forward.w3.*", "blk.{}.ffn_up.*").required(),
];

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    standard(subject, out)?;
    let model = subject.model;
    out.count("rope.dimension_count", model.head_size()?)?;
    if let Some(yarn) = model.configuration.part("yarn") {
        out.set("rope.scaling.type", "yarn");
        out.float("rope.scaling.factor", yarn.number("factor")?);
        out.float("rope.scaling.yarn_beta_fast", yarn.number("beta")?);
        out.float("rope.scaling.yarn_beta_slow", yarn.number("alpha")?);
        let multiplier = if yarn.flag("apply_scale")? { 0.0 } else { 1.0 };
        out.float("rope.scaling.yarn_log_multiplier", multiplier);
        let context = yarn.integer("original_max_position_embeddings")?;
        out.count("rope.scaling.original_context_length", context)?;
    }
    if let Some(scaling) = model.configuration.part(SCALING) {
        out.float("attention.temperature_scale", scaling.number("beta")?);
    }
    Ok(())
}

/// Pixtral's encoder under its own names.
const PROJECTOR: Projector = Projector {
    vision: |whole| whole.part("vision_encoder"),
    hyperparameters: vision_hyperparameters,
    rename: |vision, name| {
        let seen = ENCODER.iter().any(|start| name.starts_with(start));
        let breaks = name == "tok_embeddings.weight" && vision.has(BREAK);
        (seen || breaks).then_some(Cow::Borrowed(name))
    },
    tensors: &[VISION],
    // Those of CLIP, which mistral-common has in its code.
    normalization: Some([
        [0.481_454_66, 0.457_827_5, 0.408_210_73],
        [0.268_629_54, 0.261_302_58, 0.275_777_11],
    ]),
    ..Projector::STANDARD
};

/// The token that ends a row of an image.
const BREAK: &str = "image_break_token_id";

const VISION: &[Rule] = &[
    Rule::step("tok_embeddings.weight", "v.token_embd.img_break", row_break).required(),
    Rule::keep("vision_language_adapter.w_in.*", "mm.1.*").required(),
    Rule::keep("vision_language_adapter.w_out.*", "mm.2.*").required(),
    Rule::keep("pre_mm_projector_norm.*", "mm.input_norm.*"),
    Rule::keep("patch_merger.merging_layer.*", "mm.patch_merger.*"),
    Rule::keep("vision_encoder.ln_pre.*", "v.pre_ln.*").required(),
    Rule::keep("vision_encoder.patch_conv.*", "v.patch_embd.*").required(),
    Rule::keep("vision_encoder.transformer.layers.{}.attention_norm.*", "v.blk.{}.ln1.*").required(),
    Rule::keep("vision_encoder.transformer.layers.{}.attention.wq.*", "v.blk.{}.attn_q.*").required(),
    Rule::keep("vision_encoder.transformer.layers.{}.attention.wk.*", "v.blk.{}.attn_k.*").required(),
    Rule::keep("vision_encoder.transformer.layers.{}.attention.wv.*", "v.blk.{}.attn_v.*").required(),
    Rule::keep("vision_encoder.transformer.layers.{}.attention.wo.*", "v.blk.{}.attn_out.*").required(),
    Rule::keep("vision_encoder.transformer.layers.{}.ffn_norm.*", "v.blk.{}.ln2.*").required(),
    Rule::keep("vision_encoder.transformer.layers.{}.feed_forward.w1.*", "v.blk.{}.ffn_gate.*").required(),
    Rule::keep("vision_encoder.transformer.layers.{}.feed_forward.w2.*", "v.blk.{}.ffn_down.*").required(),
    Rule::keep("vision_encoder.transformer.layers.{}.feed_forward.w3.*", "v.blk.{}.ffn_up.*").required(),
];

/// The embedding of the token that ends a row.
fn row_break(model: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let token = model.configuration.integer(BREAK)?;
    if token >= weight.row_count() {
        let expected = format!("a token, of which there are {}", weight.row_count());
        return Err(model.configuration.bad(BREAK, &token, &expected).into());
    }
    weight.rows(|derivation| derivation.select(0, token))
}

fn vision_hyperparameters(subject: &Encoders<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let vision: &Configuration = subject.vision;
    out.set("projector_type", "pixtral");
    out.float("vision.attention.layer_norm_epsilon", subject.whole.number("norm_eps")?);
    out.float("rope.freq_base", vision.number("rope_theta")?);
    out.set("use_silu", true);
    match vision.text_value("mm_projector_id")? {
        Some("patch_merge") => out.count("vision.spatial_merge_size", vision.integer("spatial_merge_size")?),
        _ => Ok(()),
    }
}
