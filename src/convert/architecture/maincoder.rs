//! Maincoder 1B.

use super::Family;
use super::common::{ATTENTION, EMBEDDINGS, NORMS};
use crate::convert::hyperparameters::standard;
use crate::convert::rule::Rule;

pub(super) const FAMILY: Family = Family {
    names: &["MaincoderForCausalLM"],
    architecture: "maincoder",
    hyperparameters: |subject, out| {
        standard(subject, out)?;
        match subject.model.configuration.optional_integer(&["head_dim"])? {
            Some(size) => out.count("rope.dimension_count", size),
            None => Ok(()),
        }
    },
    tensors: &[EMBEDDINGS, NORMS, ATTENTION, FEED_FORWARD],
    ..Family::STANDARD
};

const FEED_FORWARD: &[Rule] = &[
    Rule::keep("model.layers.{}.feed_forward.gate_proj.*", "blk.{}.ffn_gate.*").required(),
    Rule::keep("model.layers.{}.feed_forward.up_proj.*", "blk.{}.ffn_up.*").required(),
    Rule::keep("model.layers.{}.feed_forward.down_proj.*", "blk.{}.ffn_down.*").required(),
];
