//! ByteDance's Seed-OSS.

use super::Family;
use super::common::{ATTENTION, EMBEDDINGS, GATED_FEED_FORWARD};
use crate::convert::configuration::{Class, Derived};
use crate::convert::rule::Rule;

pub(super) const FAMILY: Family = Family {
    names: &["SeedOssForCausalLM"],
    architecture: "seed_oss",
    classes: &[Class::new(
        "seed_oss",
        &[Derived::KeyValueHeads, Derived::HeadSize],
        r#"{"vocab_size": 155136, "max_position_embeddings": 524288, "hidden_size": 4096,
        "intermediate_size": 27648, "num_hidden_layers": 64, "num_attention_heads": 80,
        "num_key_value_heads": 8, "head_dim": 128, "rms_norm_eps": 1e-6, "rope_theta": 10000.0}"#,
    )],
    tensors: &[EMBEDDINGS, NORMS, ATTENTION, GATED_FEED_FORWARD],
    ..Family::STANDARD
};

const NORMS: &[Rule] = &[
    Rule::keep("model.layers.{}.input_layernorm.*", "blk.{}.attn_norm.*").required(),
    Rule::keep("model.layers.{}.post_attention_layernorm.*", "blk.{}.post_attention_norm.*").required(),
];
