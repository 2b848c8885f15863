//! XVERSE.

use super::Family;
use super::common::{EMBEDDINGS, GATED_FEED_FORWARD, NORMS};
use super::llama::PAIRED_ATTENTION;
use crate::convert::hyperparameters::standard;
use crate::convert::tokenizer::Flavour;

pub(super) const FAMILY: Family = Family {
    names: &["XverseForCausalLM"],
    architecture: "xverse",
    tokenizer: Flavour::XVERSE,
    hyperparameters: |subject, out| {
        standard(subject, out)?;
        out.set("tensor_data_layout", "Meta AI original pth");
        let model = subject.model;
        out.count("rope.dimension_count", model.hidden_size()? / model.heads()?)
    },
    tensors: &[EMBEDDINGS, NORMS, PAIRED_ATTENTION, GATED_FEED_FORWARD],
    ..Family::STANDARD
};
