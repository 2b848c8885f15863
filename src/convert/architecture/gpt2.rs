//! GPT-2.

use super::Family;
use super::common::inside_transformer;
use crate::convert::Model;
use crate::convert::configuration::Class;
use crate::convert::hyperparameters::file_type_here;
use crate::convert::rule::Rule;
use crate::convert::weight::{Weight, WeightError};

pub(super) const FAMILY: Family = Family {
    names: &["GPT2LMHeadModel"],
    architecture: "gpt2",
    classes: &[Class::new(
        "gpt2",
        &[],
        r#"{"vocab_size": 50257, "n_positions": 1024, "n_embd": 768, "n_layer": 12, "n_head": 12,
        "layer_norm_epsilon": 1e-5}"#,
    )],
    hyperparameters: |subject, out| {
        let model = subject.model;
        let configuration = &model.configuration;
        out.count("block_count", model.layers)?;
        out.count("context_length", configuration.integer_of(&["n_ctx", "n_positions"])?)?;
        out.count("embedding_length", model.hidden_size()?)?;
        out.count("feed_forward_length", model.hidden_size()?.saturating_mul(4))?;
        out.count("attention.head_count", model.heads()?)?;
        out.float("attention.layer_norm_epsilon", configuration.number("layer_norm_epsilon")?);
        file_type_here(out);
        Ok(())
    },
    rename: |_, name| (!is_mask(name)).then(|| inside_transformer(name)),
    tensors: &[POSITIONS, EMBEDDINGS, NORMS, LAYERS],
    ..Family::STANDARD
};

pub(super) const POSITIONS: &[Rule] = &[Rule::keep("wpe.*", "position_embd.*").required()];

pub(super) const EMBEDDINGS: &[Rule] =
    &[Rule::keep("wte.*", "token_embd.*").required(), Rule::keep("lm_head.*", "output.*")];

pub(super) const NORMS: &[Rule] = &[
    Rule::keep("ln_f.*", "output_norm.*").required(),
    Rule::keep("h.{}.ln_1.*", "blk.{}.attn_norm.*").required(),
    Rule::keep("h.{}.ln_2.*", "blk.{}.ffn_norm.*").required(),
];

/// Attention and a feed-forward network, both with weights that lie inputs first.
pub(super) const LAYERS: &[Rule] = &[
    Rule::step("h.{}.attn.c_attn.weight", "blk.{}.attn_qkv.weight", outputs_first).required(),
    Rule::keep("h.{}.attn.c_attn.bias", "blk.{}.attn_qkv.bias"),
    Rule::step("h.{}.attn.c_proj.weight", "blk.{}.attn_output.weight", outputs_first).required(),
    Rule::keep("h.{}.attn.c_proj.bias", "blk.{}.attn_output.bias"),
    Rule::step("h.{}.mlp.c_fc.weight", "blk.{}.ffn_up.weight", outputs_first).required(),
    Rule::keep("h.{}.mlp.c_fc.bias", "blk.{}.ffn_up.bias"),
    Rule::step("h.{}.mlp.c_proj.weight", "blk.{}.ffn_down.weight", outputs_first).required(),
    Rule::keep("h.{}.mlp.c_proj.bias", "blk.{}.ffn_down.bias"),
];

/// Masks are kept beside the weights in old checkpoints.
pub(super) fn is_mask(name: &str) -> bool {
    name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias")
}

/// Matrices lie inputs first. The factors of an adapter do not: PEFT turns their product.
pub(super) fn outputs_first(_: &Model, weight: Weight) -> Result<Weight, WeightError> {
    match weight {
        whole @ (Weight::Whole(_) | Weight::Packed(_)) => whole.transposed(),
        factors => Ok(factors),
    }
}
