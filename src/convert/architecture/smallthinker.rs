//! PowerInfer's SmallThinker.

use super::Family;
use super::common::{ATTENTION, EMBEDDINGS, NORMS};
use crate::convert::hyperparameters::{GATING_SIGMOID, GATING_SOFTMAX, count, standard};
use crate::convert::rule::{Count, Rule};

pub(super) const FAMILY: Family = Family {
    names: &["SmallThinkerForCausalLM"],
    architecture: "smallthinker",
    hyperparameters: |subject, out| {
        standard(subject, out)?;
        let model = subject.model;
        let configuration = &model.configuration;
        for (key, name) in [
            ("expert_count", "moe_num_primary_experts"),
            ("expert_used_count", "moe_num_active_primary_experts"),
            ("expert_feed_forward_length", "moe_ffn_hidden_size"),
            ("feed_forward_length", "moe_ffn_hidden_size"),
        ] {
            count(model, out, key, &[name])?;
        }
        let softmax = configuration.flag("moe_primary_router_apply_softmax")?;
        out.set("expert_gating_func", if softmax { GATING_SOFTMAX } else { GATING_SIGMOID });
        let layout = configuration.integers("sliding_window_layout")?.unwrap_or_default();
        let window = configuration.optional_integer(&["sliding_window_size"])?.unwrap_or(0);
        if window > 0 && layout.iter().any(|sliding| *sliding != 0) {
            out.count("attention.sliding_window", window)?;
        }
        Ok(())
    },
    tensors: &[EMBEDDINGS, NORMS, ATTENTION, EXPERTS],
    ..Family::STANDARD
};

const EXPERT_COUNT: Count =
    |model| match model.configuration.optional_integer(&["moe_num_primary_experts"])? {
        Some(experts) if experts > 0 => Ok(experts),
        _ => model.experts(),
    };

const EXPERTS: &[Rule] = &[
    expert("model.layers.{}.block_sparse_moe.experts.{}.down.weight", "blk.{}.ffn_down_exps.weight"),
    expert("model.layers.{}.block_sparse_moe.experts.{}.gate.weight", "blk.{}.ffn_gate_exps.weight"),
    expert("model.layers.{}.block_sparse_moe.experts.{}.up.weight", "blk.{}.ffn_up_exps.weight"),
    Rule::keep("model.layers.{}.block_sparse_moe.primary_router.*", "blk.{}.ffn_gate_inp.*").required(),
];

const fn expert(pattern: &'static str, name: &'static str) -> Rule {
    Rule::stack(pattern, name, EXPERT_COUNT)
}
