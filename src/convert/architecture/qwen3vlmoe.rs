//! Qwen 3-VL with experts.

use super::common::{
    ATTENTION, EMBEDDINGS, EXPERTS, GATE_AND_UP_EXPERTS, NORMS, transposed, transposed_halves,
};
use super::{Family, qwen2moe, qwen3vl};
use crate::convert::configuration::{Class, Derived, Part};
use crate::convert::rule::Rule;

pub(super) const FAMILY: Family = Family {
    names: &["Qwen3VLMoeForConditionalGeneration"],
    architecture: "qwen3vlmoe",
    classes: &[
        Class::of_parts(
            "qwen3_vl_moe",
            &[Part::of("text_config", "qwen3_vl_moe_text"), Part::of("vision_config", "qwen3_vl_vision")],
        ),
        Class::new(
            "qwen3_vl_moe_text",
            &[Derived::KeyValueHeads],
            r#"{"vocab_size": 151936, "max_position_embeddings": 128000, "hidden_size": 2048,
            "intermediate_size": 5632, "num_hidden_layers": 24, "num_attention_heads": 16,
            "num_key_value_heads": 16, "head_dim": 128, "rms_norm_eps": 1e-6, "rope_theta": 5000000.0,
            "num_experts": 60, "num_experts_per_tok": 4, "moe_intermediate_size": 1408}"#,
        ),
    ],
    hyperparameters: |subject, out| {
        qwen2moe::hyperparameters(subject, out)?;
        qwen3vl::deepstack_layers(subject, out)
    },
    tensors: &[EMBEDDINGS, NORMS, ATTENTION, EXPERTS, TRANSPOSED_EXPERTS],
    projector: Some(&qwen3vl::PROJECTOR),
    ..Family::STANDARD
};

/// Stacked experts with inputs before outputs.
const TRANSPOSED_EXPERTS: &[Rule] = &[
    Rule::keep("model.layers.{}.mlp.gate.*", "blk.{}.ffn_gate_inp.*"),
    Rule::step("model.layers.{}.mlp.experts.down_proj", "blk.{}.ffn_down_exps.weight", transposed),
    Rule::split("model.layers.{}.mlp.experts.gate_up_proj", GATE_AND_UP_EXPERTS, transposed_halves),
];
