//! GroveMoE: experts in groups, each with a small one of its own.

use super::Family;
use super::common::{ATTENTION, EMBEDDINGS, EXPERTS, NORMS};
use crate::convert::hyperparameters::{count, standard};
use crate::convert::rule::{Count, Rule};

pub(super) const FAMILY: Family = Family {
    names: &["GroveMoeForCausalLM", "modeling_grove_moe.GroveMoeForCausalLM"],
    architecture: "grovemoe",
    hyperparameters: |subject, out| {
        standard(subject, out)?;
        count(subject.model, out, "expert_feed_forward_length", &["moe_intermediate_size"])?;
        // The model's code takes these from no configuration.
        let size = subject.model.configuration.optional_integer(&["head_dim"])?;
        out.count("expert_chunk_feed_forward_length", size.filter(|size| *size > 0).unwrap_or(128))?;
        out.count("experts_per_group", EXPERTS_A_GROUP)?;
        out.float("expert_group_scale", 0.05);
        Ok(())
    },
    tensors: &[EMBEDDINGS, NORMS, ATTENTION, EXPERTS, GROUPS],
    ..Family::STANDARD
};

const EXPERTS_A_GROUP: u64 = 2;

const GROUP_COUNT: Count = |model| Ok(model.experts()? / EXPERTS_A_GROUP);

const GROUPS: &[Rule] = &[
    Rule::keep("model.layers.{}.mlp.gate.*", "blk.{}.ffn_gate_inp.*").required(),
    Rule::drop("model.layers.{}.mlp.expert_bias"),
    group("model.layers.{}.mlp.chunk_experts.{}.down_proj.weight", "blk.{}.ffn_down_chexps.weight"),
    group("model.layers.{}.mlp.chunk_experts.{}.gate_proj.weight", "blk.{}.ffn_gate_chexps.weight"),
    group("model.layers.{}.mlp.chunk_experts.{}.up_proj.weight", "blk.{}.ffn_up_chexps.weight"),
];

const fn group(pattern: &'static str, name: &'static str) -> Rule {
    Rule::stack(pattern, name, GROUP_COUNT)
}
