//! Muse Glimmer: sliding and full attention with gates on the heads, and an encoder whose patches span two
//! frames.

use std::borrow::Cow;

use super::patches;
use crate::convert::architecture::Family;
use crate::convert::architecture::common::{EMBEDDINGS, GATED_FEED_FORWARD, add_one};
use crate::convert::architecture::llama::{pair_keys, pair_queries};
use crate::convert::hyperparameters::standard;
use crate::convert::model::Model;
use crate::convert::parameters::Parameters;
use crate::convert::projector::{Encoders, Projector};
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::weight::{Weight, WeightError};
use crate::convert::{ConvertError, Subject};
use crate::plan::Derivation;

pub(super) const FAMILY: Family = Family {
    names: &["MuseGlimmerForConditionalGeneration"],
    architecture: "muse-glimmer",
    tokenizer: Flavour::MUSE_GLIMMER,
    hyperparameters,
    tensors: &[EMBEDDINGS, LAYERS, GATED_FEED_FORWARD],
    projector: Some(&PROJECTOR),
    ..Family::STANDARD
};

/// The norms of layers are stored around zero, the final norm is not.
const LAYERS: &[Rule] = &[
    Rule::step("model.layers.{}.input_layernorm.weight", "blk.{}.attn_norm.weight", add_one).required(),
    Rule::step(
        "model.layers.{}.post_attention_layernorm.weight",
        "blk.{}.post_attention_norm.weight",
        add_one,
    )
    .required(),
    Rule::step("model.layers.{}.pre_feedforward_layernorm.weight", "blk.{}.ffn_norm.weight", add_one)
        .required(),
    Rule::step("model.layers.{}.post_feedforward_layernorm.weight", "blk.{}.post_ffw_norm.weight", add_one)
        .required(),
    Rule::split(
        "model.layers.{}.self_attn.q_proj.weight",
        &["blk.{}.attn_q_norm.weight", "blk.{}.attn_k_norm.weight", "blk.{}.attn_q.weight"],
        norms_and_queries,
    )
    .required(),
    Rule::step("model.layers.{}.self_attn.k_proj.*", "blk.{}.attn_k.*", pair_keys).required(),
    Rule::keep("model.layers.{}.self_attn.v_proj.*", "blk.{}.attn_v.*").required(),
    Rule::keep("model.layers.{}.self_attn.o_proj.*", "blk.{}.attn_output.*").required(),
    Rule::keep("model.layers.{}.self_attn.gate_proj.*", "blk.{}.attn_gate.*").required(),
];

/// The queries, and norms on queries and keys, of which the model has only the scale of all of them.
fn norms_and_queries(model: &Model, weight: Weight) -> Result<Vec<Weight>, WeightError> {
    let scale = model.configuration.number("qk_scale_factor")? as f32;
    let size = model.head_size()?;
    let norm = |scale: f32| Derivation::filled(scale, &[size]).map(Weight::Whole);
    Ok(vec![norm(scale)?, norm(1.0)?, pair_queries(model, weight)?])
}

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    standard(subject, out)?;
    let configuration = &subject.model.configuration;
    out.float("final_logit_softcapping", configuration.number("final_logit_softcapping")?);
    out.float("logit_scale", configuration.number("output_multiplier")?);
    out.count("attention.sliding_window", configuration.integer("sliding_window")?)?;
    let sliding = subject.model.layers_of_kind("sliding_attention")?;
    out.set(
        "attention.sliding_window_pattern",
        sliding.ok_or_else(|| configuration.missing(&["layer_types"]))?,
    );
    Ok(())
}

const PROJECTOR: Projector = Projector {
    adjust: |vision, _| {
        let (positions, patch) = (vision.integer("pos_emb_height")?, vision.integer("patch_size")?);
        let merged = vision.integer("merge_size")?;
        // Images come in any size.
        vision.set("image_size", positions.saturating_mul(patch).saturating_mul(merged));
        Ok(())
    },
    hyperparameters: |subject: &Encoders<'_>, out| {
        let vision = subject.vision;
        out.set("projector_type", "muse-glimmer");
        out.float("vision.attention.layer_norm_epsilon", vision.number("layer_norm_eps")?);
        out.count("vision.spatial_merge_size", vision.integer("merge_size")?)
    },
    rename: |_, name| {
        let inner = name.strip_prefix("model.").unwrap_or(name);
        let starts = ["vision_tower.", "vision_adapter.", "vision_projection."];
        starts.iter().any(|start| inner.starts_with(start)).then_some(Cow::Borrowed(inner))
    },
    tensors: &[ENCODER],
    ..Projector::STANDARD
};

const ENCODER: &[Rule] = &[
    Rule::step(
        "vision_tower.patch_embedder.patch_embedding.weight",
        "v.patch_embd.weight",
        patches::one_frame,
    )
    .required(),
    Rule::keep("vision_tower.patch_embedder.position_embedding_table.*", "v.position_embd.*").required(),
    Rule::keep("vision_tower.ln_pre.*", "v.pre_ln.*").required(),
    Rule::keep("vision_tower.ln_post.*", "v.post_ln.*").required(),
    Rule::keep("vision_tower.layers.{}.norm1.*", "v.blk.{}.ln1.*").required(),
    Rule::keep("vision_tower.layers.{}.norm2.*", "v.blk.{}.ln2.*").required(),
    Rule::step("vision_tower.layers.{}.attn.q_proj.*", "v.blk.{}.attn_q.*", pair_queries).required(),
    Rule::step("vision_tower.layers.{}.attn.k_proj.*", "v.blk.{}.attn_k.*", pair_queries).required(),
    Rule::keep("vision_tower.layers.{}.attn.v_proj.*", "v.blk.{}.attn_v.*").required(),
    Rule::keep("vision_tower.layers.{}.attn.proj.*", "v.blk.{}.attn_out.*").required(),
    Rule::keep("vision_tower.layers.{}.mlp.fc1.*", "v.blk.{}.ffn_up.*").required(),
    Rule::keep("vision_tower.layers.{}.mlp.fc2.*", "v.blk.{}.ffn_down.*").required(),
    Rule::keep("vision_adapter.fc1.*", "mm.0.*").required(),
    Rule::keep("vision_adapter.fc2.*", "mm.1.*").required(),
    Rule::keep("vision_projection.*", "mm.2.*").required(),
];
