//! Talkie: gains on heads, on both parts of a layer and on the output instead of norms' weights.

use super::Family;
use crate::convert::Model;
use crate::convert::hyperparameters::standard;
use crate::convert::rule::Rule;
use crate::convert::shapes::ANY;
use crate::convert::weight::{Weight, WeightError};
use crate::plan::{Constant, Derivation, DerivationError, Operation};

pub(super) const FAMILY: Family = Family {
    names: &["TalkieForCausalLM"],
    architecture: "talkie",
    hyperparameters: |subject, out| {
        standard(subject, out)?;
        // The models state none; PyTorch takes the smallest step of single precision.
        out.float("attention.layer_norm_rms_epsilon", f32::EPSILON.into());
        Ok(())
    },
    measured: |_, numbers, out| {
        if let Some(scale) = numbers.single(OUTPUT_GAIN)? {
            out.float("logit_scale", scale.into());
        }
        Ok(())
    },
    tensors: &[TENSORS],
    shapes: &[("attn_q_norm.weight", &[&[ANY, ANY]])],
    ..Family::STANDARD
};

const OUTPUT_GAIN: &str = "lm_head_gain.w_g";

const TENSORS: &[Rule] = &[
    Rule::keep("model.embed.*", "token_embd.*").required(),
    Rule::keep("lm_head", "output.weight"),
    Rule::keep("lm_head.*", "output.*"),
    Rule::drop(OUTPUT_GAIN),
    Rule::step("model.blocks.{}.attn.attn_query.weight", "blk.{}.attn_q.weight", other_way_round).required(),
    Rule::step("model.blocks.{}.attn.attn_key.weight", "blk.{}.attn_k.weight", other_way_round).required(),
    Rule::keep("model.blocks.{}.attn.attn_value.*", "blk.{}.attn_v.*").required(),
    Rule::keep("model.blocks.{}.attn.attn_resid.*", "blk.{}.attn_output.*").required(),
    Rule::step("model.blocks.{}.attn.head_gain.head_g", "blk.{}.attn_q_norm.weight", column),
    Rule::keep("model.blocks.{}.attn_gain.a_g", "blk.{}.attn_output.scale"),
    Rule::keep("model.blocks.{}.embed_skip.a_g", "blk.{}.layer_output_scale.weight"),
    Rule::keep("model.blocks.{}.mlp.mlp_gate.*", "blk.{}.ffn_gate.*").required(),
    Rule::keep("model.blocks.{}.mlp.mlp_linear.*", "blk.{}.ffn_up.*").required(),
    Rule::keep("model.blocks.{}.mlp.mlp_resid.*", "blk.{}.ffn_down.*").required(),
    Rule::keep("model.blocks.{}.mlp_gain.a_g", "blk.{}.ffn_down.scale"),
];

/// The model rotates the other way round than the runtime: the second half of each head is negated.
fn other_way_round(model: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let half = model.head_size()? / 2;
    let halves = weight.row_count().checked_div(half).unwrap_or(0);
    if halves > 2 * model.heads()?.max(model.key_value_heads()?) {
        return Err(DerivationError::Axis { axis: 0, dimensions: vec![weight.row_count()] }.into());
    }
    weight.rows(|derivation| {
        let part = |index: u64| {
            let part = derivation.clone().slice(0, index * half..(index + 1) * half)?;
            Ok(if index.is_multiple_of(2) {
                part
            } else {
                part.map(Operation::Multiply(Constant::new(-1.0)))
            })
        };
        Derivation::concatenate(0, (0..halves).map(part).collect::<Result<_, DerivationError>>()?)
    })
}

/// One number a head, which the runtime spreads over it.
fn column(_: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let rows = weight.row_count();
    Ok(Weight::Whole(weight.whole()?.reshape(&[rows, 1])?))
}
