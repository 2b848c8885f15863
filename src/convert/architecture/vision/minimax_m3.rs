//! The encoder of MiniMax-M3, whose positions have three parts.

use std::borrow::Cow;

use super::patches::{FRAMES, frames};
use super::{settings, siglip};
use crate::convert::Model;
use crate::convert::projector::Projector;
use crate::convert::rule::Rule;
use crate::convert::weight::{Weight, WeightError, regroup_rows, rows_by_head};

pub(in crate::convert::architecture) const PROJECTOR: Projector = Projector {
    hyperparameters: |subject, out| {
        out.set("projector_type", "minimax_m3");
        out.set("use_gelu", true);
        settings::epsilon(subject, "layer_norm_eps", 1e-5, out)?;
        let merging = subject.vision.part("img_token_compression_config");
        let size = merging.map_or(Ok(None), |merging| merging.optional_integer(&["spatial_merge_size"]))?;
        out.count("vision.spatial_merge_size", size.unwrap_or(2))
    },
    rename: |_, name| match name.strip_prefix("vision_tower.") {
        Some(encoder) => siglip::name(encoder).map(Cow::Borrowed),
        None => {
            let starts = ["multi_modal_projector.", "patch_merge_mlp."];
            starts.iter().any(|start| name.starts_with(start)).then_some(Cow::Borrowed(name))
        }
    },
    tensors: &[TENSORS, siglip::ENDS],
    ..Projector::STANDARD
};

const TENSORS: &[Rule] = &[
    Rule::split("vision_model.embeddings.patch_embedding.weight", FRAMES, frames).required(),
    Rule::keep("vision_model.pre_layrnorm.*", "v.pre_ln.*").required(),
    Rule::keep("vision_model.encoder.layers.{}.layer_norm1.*", "v.blk.{}.ln1.*").required(),
    Rule::keep("vision_model.encoder.layers.{}.layer_norm2.*", "v.blk.{}.ln2.*").required(),
    Rule::step("vision_model.encoder.layers.{}.self_attn.q_proj.*", "v.blk.{}.attn_q.*", axis_by_axis)
        .required(),
    Rule::step("vision_model.encoder.layers.{}.self_attn.k_proj.*", "v.blk.{}.attn_k.*", axis_by_axis)
        .required(),
    Rule::keep("vision_model.encoder.layers.{}.self_attn.v_proj.*", "v.blk.{}.attn_v.*").required(),
    Rule::keep("vision_model.encoder.layers.{}.self_attn.out_proj.*", "v.blk.{}.attn_out.*").required(),
    Rule::keep("vision_model.encoder.layers.{}.mlp.fc1.*", "v.blk.{}.ffn_up.*").required(),
    Rule::keep("vision_model.encoder.layers.{}.mlp.fc2.*", "v.blk.{}.ffn_down.*").required(),
    Rule::keep("multi_modal_projector.linear_1.*", "mm.1.*").required(),
    Rule::keep("multi_modal_projector.linear_2.*", "mm.2.*").required(),
    Rule::keep("patch_merge_mlp.linear_1.*", "mm.merger.fc1.*").required(),
    Rule::keep("patch_merge_mlp.linear_2.*", "mm.merger.fc2.*").required(),
];

/// Queries and keys whose rotated dimensions lie as the first halves of three axes and then the second
/// halves: both halves of an axis together. A rest that does not divide by three axes is not rotated
/// (llama.cpp, `conversion/minimax.py`).
fn axis_by_axis(model: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let heads = model.heads()?;
    let size = weight.row_count() / heads;
    let half_axis = size / 2 * 2 / 3 / 2;
    let rotated = 6 * half_axis;
    rows_by_head(weight, heads, |head| {
        let turned = regroup_rows(head.clone().slice(0, 0..rotated)?, &[2, 3, half_axis], &[1, 0, 2])?;
        Ok(if rotated < size { vec![turned, head.slice(0, rotated..size)?] } else { vec![turned] })
    })
}
