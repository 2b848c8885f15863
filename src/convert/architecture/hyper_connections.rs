//! Hyper-connections: several residual streams, which small networks before every part of a layer mix.

use crate::convert::rule::Rule;

/// The mixers of a layer where they stand directly in it.
pub(super) const HYPER_CONNECTIONS: &[Rule] = &[
    Rule::keep("model.layers.{}.hc_attn_fn", "blk.{}.hc_attn_fn.weight"),
    Rule::keep("model.layers.{}.hc_attn_base", "blk.{}.hc_attn_base.weight"),
    Rule::keep("model.layers.{}.hc_attn_scale", "blk.{}.hc_attn_scale.weight"),
    Rule::keep("model.layers.{}.hc_ffn_fn", "blk.{}.hc_ffn_fn.weight"),
    Rule::keep("model.layers.{}.hc_ffn_base", "blk.{}.hc_ffn_base.weight"),
    Rule::keep("model.layers.{}.hc_ffn_scale", "blk.{}.hc_ffn_scale.weight"),
];

/// Whether a tensor of the model is one of a mixer; they keep their precision.
pub(super) fn is_mixer(name: &str) -> bool {
    ["hc_attn_", "hc_ffn_", "output_hc_"].iter().any(|part| name.contains(part))
}
