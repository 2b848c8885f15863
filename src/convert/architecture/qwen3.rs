//! Qwen 3.

use super::{Family, qwen2};
use crate::convert::configuration::{Class, Derived};
use crate::convert::tokenizer::Flavour;

pub(super) const FAMILY: Family = Family {
    names: &["Qwen3ForCausalLM", "Qwen3Model"],
    architecture: "qwen3",
    classes: &[Class::new(
        "qwen3",
        &[Derived::KeyValueHeads],
        r#"{"vocab_size": 151936, "max_position_embeddings": 32768, "hidden_size": 4096, "intermediate_size": 22016,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32, "head_dim": 128,
        "rms_norm_eps": 1e-6, "rope_theta": 10000.0}"#,
    )],
    tokenizer: Flavour::SENTENCE_PIECE_OR_BYTE_PAIR,
    hyperparameters: qwen2::hyperparameters,
    ..Family::STANDARD
};
