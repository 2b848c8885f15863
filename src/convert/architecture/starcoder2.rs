//! StarCoder 2.

use super::Family;
use super::common::{ATTENTION, EMBEDDINGS, NORMS};
use crate::convert::configuration::{Class, Derived};
use crate::convert::rule::Rule;

pub(super) const FAMILY: Family = Family {
    names: &["Starcoder2ForCausalLM"],
    architecture: "starcoder2",
    classes: &[Class::new(
        "starcoder2",
        &[Derived::KeyValueHeads],
        r#"{"vocab_size": 49152, "max_position_embeddings": 4096, "hidden_size": 3072,
        "intermediate_size": 12288, "num_hidden_layers": 30, "num_attention_heads": 24,
        "num_key_value_heads": 2, "norm_epsilon": 1e-5, "rope_theta": 10000.0}"#,
    )],
    tensors: &[
        EMBEDDINGS,
        NORMS,
        ATTENTION,
        &[
            Rule::keep("model.layers.{}.mlp.c_fc.*", "blk.{}.ffn_up.*").required(),
            Rule::keep("model.layers.{}.mlp.c_proj.*", "blk.{}.ffn_down.*").required(),
        ],
    ],
    ..Family::STANDARD
};
