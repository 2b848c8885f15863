//! Qwen 1.5 and 2 with experts.

use super::Family;
use super::common::{ATTENTION, EMBEDDINGS, EXPERTS, NORMS, SHARED_EXPERT, STACKED_EXPERTS};
use crate::convert::configuration::{Class, Derived};
use crate::convert::hyperparameters::{count, standard};
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::{ConvertError, Subject};

pub(super) const FAMILY: Family = Family {
    names: &["Qwen2MoeForCausalLM"],
    architecture: "qwen2moe",
    classes: &[Class::new(
        "qwen2_moe",
        &[Derived::KeyValueHeads],
        r#"{"vocab_size": 151936, "max_position_embeddings": 32768, "hidden_size": 2048,
        "intermediate_size": 5632, "num_hidden_layers": 24, "num_attention_heads": 16,
        "num_key_value_heads": 16, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "num_experts": 60,
        "num_experts_per_tok": 4, "moe_intermediate_size": 1408, "shared_expert_intermediate_size": 5632}"#,
    )],
    hyperparameters,
    tensors: TENSORS,
    ..Family::STANDARD
};

/// Every layer has experts: the runtime knows no others.
pub(super) const TENSORS: &[&[Rule]] =
    &[EMBEDDINGS, NORMS, ATTENTION, EXPERTS, STACKED_EXPERTS, SHARED_EXPERT];

pub(super) fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    standard(subject, out)?;
    count(subject.model, out, "expert_feed_forward_length", &["moe_intermediate_size"])?;
    let shared = ["shared_expert_intermediate_size"];
    count(subject.model, out, "expert_shared_feed_forward_length", &shared)
}
