//! gpt-oss: experts in 4-bit floats or BF16, attention with sinks.

use super::Family;
use super::common::{EMBEDDINGS, GATE_AND_UP_EXPERTS, transposed};
use crate::convert::Model;
use crate::convert::configuration::{Class, Derived};
use crate::convert::hyperparameters::standard;
use crate::convert::rule::Rule;
use crate::convert::weight::{Weight, WeightError};
use crate::plan::Derivation;

pub(super) const FAMILY: Family = Family {
    names: &["GptOssForCausalLM"],
    architecture: "gpt-oss",
    classes: &[Class::new(
        "gpt_oss",
        &[Derived::KeyValueHeads, Derived::HeadSize],
        r#"{"vocab_size": 201088, "max_position_embeddings": 131072, "hidden_size": 2880,
        "intermediate_size": 2880, "num_hidden_layers": 36, "num_attention_heads": 64,
        "num_key_value_heads": 8, "head_dim": 64, "rms_norm_eps": 1e-5, "rope_theta": 150000.0,
        "sliding_window": 128, "num_local_experts": 128, "num_experts_per_tok": 4,
        "rope_scaling": {"rope_type": "yarn", "factor": 32.0, "beta_fast": 32.0, "beta_slow": 1.0,
        "original_max_position_embeddings": 4096}}"#,
    )],
    hyperparameters: |subject, out| {
        standard(subject, out)?;
        let configuration = &subject.model.configuration;
        out.count("attention.sliding_window", configuration.integer("sliding_window")?)?;
        out.count("expert_feed_forward_length", configuration.integer("intermediate_size")?)
    },
    tensors: &[EMBEDDINGS, LAYERS, EXPERTS],
    ..Family::STANDARD
};

const LAYERS: &[Rule] = &[
    Rule::keep("model.layers.{}.input_layernorm.*", "blk.{}.attn_norm.*").required(),
    Rule::keep("model.layers.{}.post_attention_layernorm.*", "blk.{}.post_attention_norm.*").required(),
    Rule::keep("model.layers.{}.self_attn.q_proj.*", "blk.{}.attn_q.*").required(),
    Rule::keep("model.layers.{}.self_attn.k_proj.*", "blk.{}.attn_k.*").required(),
    Rule::keep("model.layers.{}.self_attn.v_proj.*", "blk.{}.attn_v.*").required(),
    Rule::keep("model.layers.{}.self_attn.o_proj.*", "blk.{}.attn_output.*").required(),
    Rule::keep("model.layers.{}.self_attn.sinks", "blk.{}.attn_sinks.weight").required(),
    Rule::keep("model.layers.{}.mlp.router.*", "blk.{}.ffn_gate_inp.*").required(),
];

/// Packed matrices, joined with their exponents, lie outputs before inputs (`.weight`); others inputs first.
const EXPERTS: &[Rule] = &[
    Rule::keep("model.layers.{}.mlp.experts.down_proj.weight", "blk.{}.ffn_down_exps.weight"),
    Rule::step("model.layers.{}.mlp.experts.down_proj", "blk.{}.ffn_down_exps.weight", transposed),
    Rule::keep("model.layers.{}.mlp.experts.down_proj_bias", "blk.{}.ffn_down_exps.bias"),
    Rule::split("model.layers.{}.mlp.experts.gate_up_proj.weight", GATE_AND_UP_EXPERTS, every_other_output),
    Rule::split("model.layers.{}.mlp.experts.gate_up_proj", GATE_AND_UP_EXPERTS, |model, weight| {
        every_other_output(model, weight.transposed()?)
    }),
    Rule::split(
        "model.layers.{}.mlp.experts.gate_up_proj_bias",
        &["blk.{}.ffn_gate_exps.bias", "blk.{}.ffn_up_exps.bias"],
        every_other_output,
    ),
];

/// Gate and up take turns along the outputs.
fn every_other_output(_: &Model, weight: Weight) -> Result<Vec<Weight>, WeightError> {
    let derivation = weight.whole()?;
    let outputs = derivation.dimensions().get(1).copied().unwrap_or(0);
    let part =
        |derivation: Derivation, first: u64| derivation.step_by(1, first..outputs, 2).map(Weight::Whole);
    Ok(vec![part(derivation.clone(), 0)?, part(derivation, 1)?])
}
