//! Mixtures of experts that write a text by diffusion: LLaDA-MoE and RND1.

use super::Family;
use super::common::{ATTENTION, EMBEDDINGS, EXPERTS, NORMS};
use super::qwen2moe;
use crate::convert::hyperparameters::{count, standard};
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;

pub(super) const LLADA: Family = Family {
    names: &["LLaDAMoEModel", "LLaDAMoEModelLM"],
    architecture: "llada-moe",
    hyperparameters: |subject, out| {
        standard(subject, out)?;
        count(subject.model, out, "expert_feed_forward_length", &["expert_intermediate_size"])?;
        // The number that the mask token has in all released models.
        out.set_plain("tokenizer.ggml.mask_token_id", 156_895_u32);
        out.set("attention.causal", false);
        out.set_plain("diffusion.shift_logits", false);
        Ok(())
    },
    tensors: &[
        EMBEDDINGS,
        NORMS,
        ATTENTION,
        EXPERTS,
        &[Rule::keep("model.layers.{}.mlp.gate.*", "blk.{}.ffn_gate_inp.*").required()],
    ],
    ..Family::STANDARD
};

pub(super) const RND1: Family = Family {
    names: &["RND1"],
    architecture: "rnd1",
    tokenizer: Flavour::SENTENCE_PIECE_OR_BYTE_PAIR,
    hyperparameters: |subject, out| {
        qwen2moe::hyperparameters(subject, out)?;
        out.set("attention.causal", false);
        let mask = subject.model.configuration.optional_integer(&["mask_token_id"])?;
        if let Some(mask) = mask.and_then(|mask| u32::try_from(mask).ok()) {
            out.set_plain("tokenizer.ggml.mask_token_id", mask);
        }
        Ok(())
    },
    tensors: qwen2moe::TENSORS,
    ..Family::STANDARD
};
