//! Arcee's AFM: Llama's layout with a feed-forward network without a gate.

use super::common::{EMBEDDINGS, NORMS, UNGATED_FEED_FORWARD};
use super::llama::PAIRED_ATTENTION;
use super::{Family, llama};
use crate::convert::configuration::{Class, Derived};
use crate::convert::pooling;

pub(super) const FAMILY: Family = Family {
    names: &["ArceeForCausalLM"],
    architecture: "arcee",
    classes: &[Class::new(
        "arcee",
        &[Derived::KeyValueHeads, Derived::HeadSize],
        r#"{"vocab_size": 32000, "max_position_embeddings": 4096, "hidden_size": 2560,
        "intermediate_size": 18432, "num_hidden_layers": 32, "num_attention_heads": 32, "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0}"#,
    )],
    hyperparameters: |subject, out| {
        llama::hyperparameters(subject, out)?;
        pooling::write(subject, out)
    },
    tensors: &[EMBEDDINGS, NORMS, PAIRED_ATTENTION, UNGATED_FEED_FORWARD],
    ..llama::FAMILY
};
