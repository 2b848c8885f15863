//! PLM: latent attention and a feed-forward network without a gate.

use super::Family;
use super::common::{EMBEDDINGS, NORMS, UNGATED_FEED_FORWARD};
use super::minicpm::WHOLE_LATENT_ATTENTION;
use crate::convert::hyperparameters::standard;

pub(super) const FAMILY: Family = Family {
    names: &["PLMForCausalLM"],
    architecture: "plm",
    hyperparameters: |subject, out| {
        standard(subject, out)?;
        let configuration = &subject.model.configuration;
        out.count("vocab_size", configuration.integer("vocab_size")?)?;
        out.count("attention.kv_lora_rank", configuration.integer("kv_lora_rank")?)?;
        let rotated = configuration.integer("qk_rope_head_dim")?;
        let plain = configuration.integer("qk_nope_head_dim")?;
        out.count("attention.key_length", plain.saturating_add(rotated))?;
        out.count("attention.value_length", configuration.integer("v_head_dim")?)?;
        out.count("rope.dimension_count", rotated)
    },
    tensors: &[EMBEDDINGS, NORMS, WHOLE_LATENT_ATTENTION, UNGATED_FEED_FORWARD],
    ..Family::STANDARD
};
