//! Llama that sees in both directions: NVIDIA's Llama-Embed-Nemotron.

use super::common::{EMBEDDINGS, GATED_FEED_FORWARD, NORMS};
use super::llama::PAIRED_ATTENTION;
use super::{Family, llama};

pub(super) const FAMILY: Family = Family {
    names: &["LlamaBidirectionalModel"],
    architecture: "llama-embed",
    classes: &[],
    tensors: &[EMBEDDINGS, NORMS, PAIRED_ATTENTION, GATED_FEED_FORWARD],
    ..llama::FAMILY
};
