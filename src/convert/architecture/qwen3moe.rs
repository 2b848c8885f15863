//! Qwen 3 with experts.

use super::{Family, qwen2moe};
use crate::convert::configuration::{Class, Derived};

pub(super) const FAMILY: Family = Family {
    names: &["Qwen3MoeForCausalLM"],
    architecture: "qwen3moe",
    classes: &[Class::new(
        "qwen3_moe",
        &[Derived::KeyValueHeads],
        r#"{"vocab_size": 151936, "max_position_embeddings": 32768, "hidden_size": 2048,
        "intermediate_size": 6144, "num_hidden_layers": 24, "num_attention_heads": 32,
        "num_key_value_heads": 4, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "num_experts": 128,
        "num_experts_per_tok": 8, "moe_intermediate_size": 768}"#,
    )],
    hyperparameters: qwen2moe::hyperparameters,
    tensors: qwen2moe::TENSORS,
    ..Family::STANDARD
};
