//! Baidu's Ernie 4.5, dense and with experts.

use super::Family;
use super::common::{
    ATTENTION, DENSE_LAYERS, EMBEDDINGS, NORMS, consecutive_rows, halves, replaced, text_name,
};
use super::deepseek2::SHARED_EXPERTS;
use crate::convert::configuration::{Class, Derived};
use crate::convert::hyperparameters::standard;
use crate::convert::rule::{Count, Rule};
use crate::convert::shapes::{ANY, WIDTH};
use crate::convert::tokenizer::{Flavour, SpacePrefix};

pub(super) const FAMILY: Family = Family {
    names: &["Ernie4_5ForCausalLM", "Ernie4_5_ForCausalLM"],
    architecture: "ernie4_5",
    classes: &[Class::new(
        "ernie4_5",
        &[Derived::KeyValueHeads, Derived::HeadSize],
        r#"{"vocab_size": 103424, "max_position_embeddings": 131072, "hidden_size": 1024,
        "intermediate_size": 3072, "num_hidden_layers": 18, "num_attention_heads": 16,
        "num_key_value_heads": 2, "head_dim": 128, "rms_norm_eps": 1e-5, "rope_theta": 500000.0}"#,
    )],
    tokenizer: Flavour { space_prefix: SpacePrefix::Last, ..Flavour::SENTENCE_PIECE },
    rename: |_, name| text_name(name).map(|name| replaced(name, "ernie.", "model.")),
    tensors: &[EMBEDDINGS, NORMS, LAYERS],
    ..Family::STANDARD
};

/// Matrices that share their inputs are stored apart or, as Baidu's own framework has them, as one.
const LAYERS: &[Rule] = &[
    Rule::keep("model.layers.{}.self_attn.q_proj.*", "blk.{}.attn_q.*"),
    Rule::keep("model.layers.{}.self_attn.k_proj.*", "blk.{}.attn_k.*"),
    Rule::keep("model.layers.{}.self_attn.v_proj.*", "blk.{}.attn_v.*"),
    Rule::split(
        "model.layers.{}.self_attn.qkv_proj.weight",
        &["blk.{}.attn_q.weight", "blk.{}.attn_k.weight", "blk.{}.attn_v.weight"],
        |model, weight| {
            let (heads, groups, size) = (model.heads()?, model.key_value_heads()?, model.head_size()?);
            consecutive_rows(weight, &[heads, groups, groups].map(|count| count.saturating_mul(size)))
        },
    ),
    Rule::keep("model.layers.{}.self_attn.o_proj.*", "blk.{}.attn_output.*").required(),
    Rule::keep("model.layers.{}.mlp.gate_proj.*", "blk.{}.ffn_gate.*"),
    Rule::keep("model.layers.{}.mlp.up_proj.*", "blk.{}.ffn_up.*"),
    Rule::split(
        "model.layers.{}.mlp.up_gate_proj.weight",
        &["blk.{}.ffn_gate.weight", "blk.{}.ffn_up.weight"],
        halves,
    ),
    Rule::keep("model.layers.{}.mlp.down_proj.*", "blk.{}.ffn_down.*").required(),
];

pub(super) const MIXTURE: Family = Family {
    names: &["Ernie4_5_MoeForCausalLM"],
    architecture: "ernie4_5-moe",
    classes: &[Class::new(
        "ernie4_5_moe",
        &[Derived::KeyValueHeads],
        r#"{"vocab_size": 103424, "hidden_size": 2560, "intermediate_size": 12288, "num_hidden_layers": 28,
        "num_attention_heads": 20, "num_key_value_heads": 4, "max_position_embeddings": 131072,
        "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "moe_intermediate_size": 1536, "moe_k": 6,
        "moe_num_experts": 64, "moe_num_shared_experts": 2, "moe_layer_start_index": 1,
        "moe_layer_interval": 1}"#,
    )],
    tokenizer: Flavour { space_prefix: SpacePrefix::Last, ..Flavour::SENTENCE_PIECE },
    hyperparameters: |subject, out| {
        standard(subject, out)?;
        let configuration = &subject.model.configuration;
        for (key, name) in [
            ("expert_count", "moe_num_experts"),
            ("expert_used_count", "moe_k"),
            ("interleave_moe_layer_step", "moe_layer_interval"),
            ("leading_dense_block_count", "moe_layer_start_index"),
        ] {
            out.count(key, configuration.integer(name)?)?;
        }
        if let Some(width) = configuration.optional_integer(&["moe_intermediate_size"])? {
            out.count("expert_feed_forward_length", width)?;
        }
        let Some(shared) = configuration.optional_integer(&["moe_num_shared_experts"])? else {
            return Ok(());
        };
        out.count("expert_shared_count", shared)?;
        if shared == 0 {
            return Ok(());
        }
        // The reference takes the width of dense layers for that of experts times heads.
        let width = configuration.integer("intermediate_size")? / subject.model.key_value_heads()?;
        out.count("expert_shared_feed_forward_length", width)
    },
    rename: |_, name| if name.starts_with("model.mtp_") { None } else { text_name(name) },
    tensors: &[EMBEDDINGS, NORMS, ATTENTION, DENSE_LAYERS, EXPERTS, SHARED_EXPERTS],
    // The stated width of shared experts is not theirs.
    shapes: &[
        ("ffn_gate_shexp.weight", &[&[WIDTH, ANY]]),
        ("ffn_up_shexp.weight", &[&[WIDTH, ANY]]),
        ("ffn_down_shexp.weight", &[&[ANY, WIDTH]]),
    ],
    ..Family::STANDARD
};

const EXPERT_COUNT: Count = |model| model.configuration.integer("moe_num_experts");

const EXPERTS: &[Rule] = &[
    expert("model.layers.{}.mlp.experts.{}.gate_proj.weight", "blk.{}.ffn_gate_exps.weight"),
    expert("model.layers.{}.mlp.experts.{}.up_proj.weight", "blk.{}.ffn_up_exps.weight"),
    expert("model.layers.{}.mlp.experts.{}.down_proj.weight", "blk.{}.ffn_down_exps.weight"),
    Rule::keep("model.layers.{}.mlp.gate.*", "blk.{}.ffn_gate_inp.*"),
    Rule::keep("model.layers.{}.mlp.moe_statics.e_score_correction.bias", "blk.{}.exp_probs_b.bias"),
];

const fn expert(pattern: &'static str, name: &'static str) -> Rule {
    Rule::stack(pattern, name, EXPERT_COUNT)
}
