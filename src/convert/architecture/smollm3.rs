//! SmolLM 3: Llama's layout, with some layers that do not rotate.

use super::{Family, llama};
use crate::convert::configuration::{Class, Derived};

pub(super) const FAMILY: Family = Family {
    names: &["SmolLM3ForCausalLM"],
    architecture: "smollm3",
    classes: &[Class::new(
        "smollm3",
        &[Derived::KeyValueHeads],
        r#"{"vocab_size": 128256, "max_position_embeddings": 32768, "hidden_size": 2048,
        "intermediate_size": 11008, "num_hidden_layers": 36, "num_attention_heads": 16,
        "num_key_value_heads": 4, "rms_norm_eps": 1e-6, "rope_theta": 2000000.0}"#,
    )],
    ..llama::FAMILY
};
