//! Kimi's delta attention, a linear attention that several families combine with latent attention: its
//! tensors, and the metadata of both.

use super::common::where_present;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::weight::{Weight, WeightError};
use crate::convert::{Configuration, ConvertError, Model};
use crate::plan::Operation;

/// The linear attention of a layer. Its queries are called as those of latent attention are.
pub(super) const DELTA_ATTENTION: &[Rule] = &[
    Rule::keep("model.layers.{}.self_attn.k_proj.*", "blk.{}.attn_k.*"),
    Rule::keep("model.layers.{}.self_attn.v_proj.*", "blk.{}.attn_v.*"),
    Rule::step("model.layers.{}.self_attn.q_conv1d.weight", "blk.{}.ssm_conv1d_q.weight", kernel),
    Rule::step("model.layers.{}.self_attn.k_conv1d.weight", "blk.{}.ssm_conv1d_k.weight", kernel),
    Rule::step("model.layers.{}.self_attn.v_conv1d.weight", "blk.{}.ssm_conv1d_v.weight", kernel),
    Rule::keep("model.layers.{}.self_attn.b_proj.*", "blk.{}.ssm_beta.*"),
    Rule::keep("model.layers.{}.self_attn.dt_bias", "blk.{}.ssm_dt.bias"),
    Rule::keep("model.layers.{}.self_attn.f_a_proj.*", "blk.{}.ssm_f_a.*"),
    Rule::keep("model.layers.{}.self_attn.f_b_proj.*", "blk.{}.ssm_f_b.*"),
    Rule::keep("model.layers.{}.self_attn.g_a_proj.*", "blk.{}.ssm_g_a.*"),
    Rule::keep("model.layers.{}.self_attn.g_b_proj.*", "blk.{}.ssm_g_b.*"),
    Rule::keep("model.layers.{}.self_attn.o_norm.*", "blk.{}.ssm_norm.*"),
];

/// A convolution over one channel at a time, with the axes that the runtime expects around it.
fn kernel(_: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let derivation = weight.whole()?;
    let dimensions = derivation.dimensions();
    let (channels, width) = (dimensions.first().copied(), dimensions.last().copied());
    Ok(Weight::Whole(derivation.reshape(&[1, channels.unwrap_or(1), 1, width.unwrap_or(1)])?))
}

/// The decay of each head, stored as its logarithm, computed in single precision.
pub(super) fn decay_of_heads(model: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let derivation = weight.whole()?;
    let count = derivation.element_count();
    let heads = derivation.reshape(&[count])?.slice(0, 0..model.heads()?)?;
    Ok(Weight::Whole(heads.map(Operation::Widen).map(Operation::NegatedExponential)))
}

/// The part of the configuration that describes linear attention.
pub(super) fn linear_part(configuration: &Configuration) -> Result<Configuration, ConvertError> {
    const KEY: &str = "linear_attn_config";
    configuration.part(KEY).ok_or_else(|| configuration.missing(&[KEY]))
}

/// Layer by layer whether its attention is latent, from a list that counts from one.
pub(super) fn full_layers(model: &Model) -> Result<Vec<bool>, ConvertError> {
    const KEY: &str = "full_attn_layers";
    let part = linear_part(&model.configuration)?;
    let full = part.integers(KEY)?.ok_or_else(|| part.missing(&[KEY]))?;
    Ok((1..=model.main_layers).map(|number| full.contains(&number)).collect())
}

/// Writes which layers have keys of the usual kind: one latent key for all heads, or none.
pub(super) fn write_kinds(full: &[bool], out: &mut Parameters) -> Result<(), ConvertError> {
    out.counts("attention.head_count_kv", &where_present(full, 1))
}

/// Writes the sizes of latent attention. Not all families state how wide the values in the cache are.
pub(super) fn write_latent_sizes(
    model: &Model,
    states_values: bool,
    out: &mut Parameters,
) -> Result<(), ConvertError> {
    let configuration = &model.configuration;
    if let Some(rank) = configuration.optional_integer(&["q_lora_rank"])? {
        out.count("attention.q_lora_rank", rank)?;
    }
    let latent = configuration.integer("kv_lora_rank")?;
    let rotated = configuration.integer("qk_rope_head_dim")?;
    out.count("attention.kv_lora_rank", latent)?;
    out.count("rope.dimension_count", rotated)?;
    out.count("attention.key_length", latent.saturating_add(rotated))?;
    if states_values {
        out.count("attention.value_length", latent)?;
    }
    let plain = configuration.integer("qk_nope_head_dim")?;
    out.count("attention.key_length_mla", plain.saturating_add(rotated))?;
    out.count("attention.value_length_mla", configuration.integer("v_head_dim")?)
}
