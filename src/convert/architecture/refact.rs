//! Refact 1.6B.

use super::Family;
use super::common::{halves, inside_transformer};
use super::gpt2::{EMBEDDINGS, NORMS};
use crate::convert::hyperparameters::file_type_here;
use crate::convert::rule::Rule;

pub(super) const FAMILY: Family = Family {
    names: &["GPTRefactForCausalLM"],
    architecture: "refact",
    hyperparameters: |subject, out| {
        let model = subject.model;
        let configuration = &model.configuration;
        let width = model.hidden_size()?;
        out.count("context_length", configuration.integer("n_positions")?)?;
        out.count("embedding_length", width)?;
        // Two thirds of four times the width, in whole pieces.
        let inner = (width.saturating_mul(8) / 3).next_multiple_of(256);
        out.count("feed_forward_length", inner)?;
        out.count("block_count", model.layers)?;
        out.count("attention.head_count", model.heads()?)?;
        // All queries share one key.
        out.count("attention.head_count_kv", 1)?;
        out.float("attention.layer_norm_rms_epsilon", configuration.number("layer_norm_epsilon")?);
        file_type_here(out);
        Ok(())
    },
    rename: |_, name| Some(inside_transformer(name)),
    tensors: &[EMBEDDINGS, NORMS, LAYERS],
    ..Family::STANDARD
};

const LAYERS: &[Rule] = &[
    Rule::keep("h.{}.attn.q.*", "blk.{}.attn_q.*").required(),
    Rule::split("h.{}.attn.kv.weight", &["blk.{}.attn_k.weight", "blk.{}.attn_v.weight"], halves).required(),
    Rule::keep("h.{}.attn.c_proj.*", "blk.{}.attn_output.*").required(),
    Rule::split("h.{}.mlp.gate_up_proj.weight", &["blk.{}.ffn_gate.weight", "blk.{}.ffn_up.weight"], halves)
        .required(),
    Rule::keep("h.{}.mlp.c_proj.*", "blk.{}.ffn_down.*").required(),
];
