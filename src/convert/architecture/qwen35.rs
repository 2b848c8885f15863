//! Qwen 3.5: linear attention as in Qwen 3-Next, with value heads in another order.

use super::common::{DENSE_LAYERS, EXPERTS, SHARED_EXPERT, STACKED_EXPERTS, flat_kernel, text_name};
use super::qwen3next::{self, TRUNK, decay};
use super::{Family, qwen3vl};
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::weight::{Weight, WeightError, regroup_rows};
use crate::convert::{ConvertError, Model, Subject};
use crate::plan::{Derivation, DerivationError};

pub(super) const FAMILY: Family = Family {
    names: &["Qwen3_5ForConditionalGeneration", "Qwen3_5ForCausalLM"],
    architecture: "qwen35",
    predicted_layers: qwen3next::predicted_layers,
    hyperparameters,
    rename: |model, name| text_name(name).map(|name| qwen3next::predicting_name(model, name)),
    tensors: &[TRUNK, qwen3next::ATTENTION, LINEAR_ATTENTION, DENSE_LAYERS],
    projector: Some(&qwen3vl::PROJECTOR),
    shapes: qwen3next::SHAPES,
    ..Family::STANDARD
};

pub(super) const MIXTURE: Family = Family {
    names: &["Qwen3_5MoeForConditionalGeneration", "Qwen3_5MoeForCausalLM"],
    architecture: "qwen35moe",
    tensors: &[TRUNK, qwen3next::ATTENTION, LINEAR_ATTENTION, EXPERTS, STACKED_EXPERTS, SHARED_EXPERT],
    ..FAMILY
};

/// Linear attention whose value heads are put in another order.
pub(super) const LINEAR_ATTENTION: &[Rule] = &[
    Rule::step("model.layers.{}.linear_attn.A_log", "blk.{}.ssm_a", |model, weight| {
        decay(model, tile_values(model, weight, 0, Some(1))?)
    }),
    Rule::step("model.layers.{}.linear_attn.dt_bias", "blk.{}.ssm_dt.bias", |model, weight| {
        tile_values(model, weight, 0, Some(1))
    }),
    Rule::step("model.layers.{}.linear_attn.conv1d.weight", "blk.{}.ssm_conv1d.weight", |model, weight| {
        tile_values(model, flat_kernel(model, weight)?, query_and_key_rows(model)?, None)
    }),
    Rule::step("model.layers.{}.linear_attn.in_proj_qkv.*", "blk.{}.attn_qkv.*", |model, weight| {
        tile_values(model, weight, query_and_key_rows(model)?, None)
    }),
    Rule::step("model.layers.{}.linear_attn.in_proj_z.*", "blk.{}.attn_gate.*", |model, weight| {
        tile_values(model, weight, 0, None)
    }),
    Rule::step("model.layers.{}.linear_attn.in_proj_a.*", "blk.{}.ssm_alpha.*", |model, weight| {
        tile_values(model, weight, 0, Some(1))
    }),
    Rule::step("model.layers.{}.linear_attn.in_proj_b.*", "blk.{}.ssm_beta.*", |model, weight| {
        tile_values(model, weight, 0, Some(1))
    }),
    Rule::keep("model.layers.{}.linear_attn.norm.*", "blk.{}.ssm_norm.*"),
    Rule::step("model.layers.{}.linear_attn.out_proj.*", "blk.{}.ssm_out.*", |model, weight| {
        let heads = ValueHeads::of(model, None)?;
        weight.columns(|derivation| heads.tile(derivation))
    }),
];

/// The value heads of linear attention: several for each key head.
struct ValueHeads {
    keys: u64,
    values_a_key: u64,
    size: u64,
}

impl ValueHeads {
    fn of(model: &Model, size: Option<u64>) -> Result<Self, ConvertError> {
        let configuration = &model.configuration;
        let keys = configuration.integer("linear_num_key_heads")?.max(1);
        let values = configuration.integer("linear_num_value_heads")?;
        let size = size.map_or_else(|| configuration.integer("linear_value_head_dim"), Ok)?;
        Ok(Self { keys, values_a_key: values / keys, size })
    }

    /// From all values of a key together to one value of every key in turn, as the runtime repeats keys.
    fn tile(&self, derivation: Derivation) -> Result<Derivation, DerivationError> {
        regroup_rows(derivation, &[self.keys, self.values_a_key, self.size], &[1, 0, 2])
    }
}

fn query_and_key_rows(model: &Model) -> Result<u64, ConvertError> {
    let configuration = &model.configuration;
    let keys = configuration.integer("linear_num_key_heads")?;
    Ok(keys.saturating_mul(configuration.integer("linear_key_head_dim")?).saturating_mul(2))
}

/// Tiles the value heads, whose rows follow `before` others.
fn tile_values(model: &Model, weight: Weight, before: u64, size: Option<u64>) -> Result<Weight, WeightError> {
    let heads = ValueHeads::of(model, size)?;
    let rows = weight.row_count();
    weight.rows(|derivation| {
        if before == 0 {
            return heads.tile(derivation);
        }
        let values = heads.tile(derivation.clone().slice(0, before..rows)?)?;
        Derivation::concatenate(0, vec![derivation.slice(0, 0..before)?, values])
    })
}

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    qwen3next::hyperparameters(subject, out)?;
    if !subject.model.rope.common.has("mrope_section") {
        // The runtime asks for the sections; these are the ones of the model's code.
        out.counts("rope.dimension_sections", &[11, 11, 10, 0])?;
    }
    Ok(())
}
