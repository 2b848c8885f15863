//! Moonshot's Kimi Linear and Kimi K3: delta attention in most layers, latent attention in some, and experts.

use super::Family;
use super::common::{DENSE_LAYERS, EMBEDDINGS, NORMS};
use super::deepseek2::SOME_LATENT_ATTENTION;
use super::kda::{self, DELTA_ATTENTION};
use super::llama::MIXTRAL_EXPERTS;
use crate::convert::hyperparameters::standard;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::{ConvertError, Subject};
use crate::plan::Operation;

pub(super) const LINEAR: Family = Family {
    names: &["KimiLinearForCausalLM", "KimiLinearModel"],
    architecture: "kimi-linear",
    hyperparameters: |subject, out| {
        delta_hyperparameters(subject, out)?;
        kda::write_latent_sizes(subject.model, false, out)?;
        mixture_hyperparameters(subject, out)
    },
    tensors: &[
        EMBEDDINGS,
        NORMS,
        SOME_LATENT_ATTENTION,
        DELTA_ATTENTION,
        &[Rule::step("model.layers.{}.self_attn.A_log", "blk.{}.ssm_a", |_, weight| {
            weight.map(Operation::NegatedExponential)
        })],
        DENSE_LAYERS,
        ROUTING,
        MIXTRAL_EXPERTS,
    ],
    ..Family::STANDARD
};

pub(super) const ROUTING: &[Rule] = &[
    Rule::keep("model.layers.{}.block_sparse_moe.gate.weight", "blk.{}.ffn_gate_inp.weight"),
    Rule::keep("model.layers.{}.block_sparse_moe.gate.e_score_correction.bias", "blk.{}.exp_probs_b.bias"),
    Rule::keep("model.layers.{}.block_sparse_moe.shared_experts.gate_proj.*", "blk.{}.ffn_gate_shexp.*"),
    Rule::keep("model.layers.{}.block_sparse_moe.shared_experts.up_proj.*", "blk.{}.ffn_up_shexp.*"),
    Rule::keep("model.layers.{}.block_sparse_moe.shared_experts.down_proj.*", "blk.{}.ffn_down_shexp.*"),
];

pub(super) fn delta_hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    standard(subject, out)?;
    let model = subject.model;
    let configuration = &model.configuration;
    kda::write_kinds(&kda::full_layers(model)?, out)?;
    out.count("vocab_size", configuration.integer("vocab_size")?)?;
    let linear = kda::linear_part(configuration)?;
    for (key, name) in [("ssm.conv_kernel", "short_conv_kernel_size"), ("kda.head_dim", "head_dim")] {
        if let Some(number) = linear.optional_integer(&[name])? {
            out.count(key, number)?;
        }
    }
    if let Some(bound) = linear.optional_number(&["gate_lower_bound"])? {
        out.float("kda.gate_lower_bound", bound);
    }
    Ok(())
}

pub(super) fn mixture_hyperparameters(
    subject: &Subject<'_>,
    out: &mut Parameters,
) -> Result<(), ConvertError> {
    let configuration = &subject.model.configuration;
    for (key, name) in [
        ("expert_feed_forward_length", "moe_intermediate_size"),
        ("expert_shared_count", "num_shared_experts"),
        ("leading_dense_block_count", "first_k_dense_replace"),
    ] {
        out.count(key, configuration.integer(name)?)?;
    }
    out.float("expert_weights_scale", configuration.number("routed_scaling_factor")?);
    Ok(())
}
