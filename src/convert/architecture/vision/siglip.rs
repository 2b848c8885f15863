//! The encoder that SigLIP has, and many after it, by the names that it has in `transformers`.

use super::patches;
use crate::convert::rule::Rule;

/// The convolution that cuts images into patches.
pub(in crate::convert::architecture) const PATCHES: Rule =
    Rule::keep("vision_model.embeddings.patch_embedding.*", "v.patch_embd.*");

/// The same stored as a matrix.
pub(in crate::convert::architecture) const FLAT_PATCHES: Rule =
    Rule::step("vision_model.embeddings.patch_embedding.weight", "v.patch_embd.weight", patches::pixels)
        .required();

/// The embeddings of positions.
pub(in crate::convert::architecture) const POSITIONS: Rule =
    Rule::keep("vision_model.embeddings.position_embedding.*", "v.position_embd.*");

/// The final norm.
pub(in crate::convert::architecture) const FINAL_NORM: Rule =
    Rule::keep("vision_model.post_layernorm.*", "v.post_ln.*");

/// Everything but the layers.
pub(in crate::convert::architecture) const ENDS: &[Rule] = &[PATCHES, POSITIONS, FINAL_NORM];

/// The layers.
pub(in crate::convert::architecture) const LAYERS: &[Rule] = &[
    Rule::keep("vision_model.encoder.layers.{}.layer_norm1.*", "v.blk.{}.ln1.*").required(),
    Rule::keep("vision_model.encoder.layers.{}.layer_norm2.*", "v.blk.{}.ln2.*").required(),
    Rule::keep("vision_model.encoder.layers.{}.self_attn.q_proj.*", "v.blk.{}.attn_q.*").required(),
    Rule::keep("vision_model.encoder.layers.{}.self_attn.k_proj.*", "v.blk.{}.attn_k.*").required(),
    Rule::keep("vision_model.encoder.layers.{}.self_attn.v_proj.*", "v.blk.{}.attn_v.*").required(),
    Rule::keep("vision_model.encoder.layers.{}.self_attn.out_proj.*", "v.blk.{}.attn_out.*").required(),
    Rule::keep("vision_model.encoder.layers.{}.mlp.fc1.*", "v.blk.{}.ffn_up.*").required(),
    Rule::keep("vision_model.encoder.layers.{}.mlp.fc2.*", "v.blk.{}.ffn_down.*").required(),
];

/// The name of a tensor of the encoder from `vision_model.` on, whatever the model has before it; `None` for
/// the rest, and for the encoder's own head, which makes one vector of an image and is of no use here.
pub(in crate::convert::architecture) fn name(name: &str) -> Option<&str> {
    let name = &name[name.find("vision_model.")?..];
    (!name.starts_with("vision_model.head.")).then_some(name)
}
