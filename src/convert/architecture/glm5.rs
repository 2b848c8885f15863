//! GLM-5, built like DeepSeek V3.2, and GLM-5.3, which has delta attention in most layers and several
//! residual streams.

use super::common::{DENSE_LAYERS, EMBEDDINGS, EXPERTS, NORMS, text_name};
use super::deepseek2::{self, LATENT_ATTENTION, ROUTING, SOME_LATENT_ATTENTION};
use super::hyper_connections::{self, HYPER_CONNECTIONS};
use super::indexer::{self, INDEXER};
use super::kda::{self, DELTA_ATTENTION};
use super::prediction::{self, PREDICTION};
use super::vision::glm4v;
use super::{Family, glm4};
use crate::convert::hyperparameters::standard;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::{ConvertError, Subject};
use crate::tensor::ElementType;

pub(super) const FIFTH: Family = Family {
    names: &["GlmMoeDsaForCausalLM"],
    architecture: "glm-dsa",
    hyperparameters: |subject, out| {
        deepseek2::hyperparameters(subject, out)?;
        let model = subject.model;
        let rotated = model.configuration.integer("qk_rope_head_dim")?;
        let fraction = model.rope.common.optional_number(&["partial_rotary_factor"])?.unwrap_or(1.0);
        out.count("rope.dimension_count", (rotated as f64 * fraction) as u64)?;
        prediction::write_stated(model, out)?;
        indexer::write(model, out)?;
        indexer::write_owners(model, out)
    },
    tensors: &[EMBEDDINGS, NORMS, LATENT_ATTENTION, INDEXER, DENSE_LAYERS, EXPERTS, ROUTING, PREDICTION],
    ..glm4::LITE
};

pub(super) const NEXT: Family = Family {
    names: &["Glm5NextForConditionalGeneration"],
    architecture: "glm5-next",
    adjust: |configuration, _| {
        configuration.remove("head_dim");
        Ok(())
    },
    predicted_layers: prediction::stated,
    tokenizer: Flavour::GLM4_MOE,
    hyperparameters: next_hyperparameters,
    projector: Some(&glm4v::FIFTH),
    rename: |model, name| if deepseek2::is_tied_output(model, name) { None } else { text_name(name) },
    tensors: &[
        EMBEDDINGS,
        NORMS,
        SOME_LATENT_ATTENTION,
        DELTA_ATTENTION,
        &[
            Rule::step("model.layers.{}.self_attn.A_log", "blk.{}.ssm_a", kda::decay_of_heads),
            Rule::keep(
                "model.layers.{}.self_attn.indexer.index_kpool_compress_ape",
                "blk.{}.indexer_compressor_ape.weight",
            ),
            Rule::keep(
                "model.layers.{}.self_attn.indexer.index_kpool_compress_gate",
                "blk.{}.indexer_compressor_gate.weight",
            ),
        ],
        HYPER_CONNECTIONS,
        INDEXER,
        DENSE_LAYERS,
        EXPERTS,
        ROUTING,
        PREDICTION,
    ],
    element_type: |_, name, _| {
        let parts = ["indexer_compressor_", "ssm_a", "ssm_dt", "exp_probs_b"];
        let precise = hyper_connections::is_mixer(name) || parts.iter().any(|part| name.contains(part));
        precise.then_some(ElementType::F32)
    },
    ..Family::STANDARD
};

fn next_hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    standard(subject, out)?;
    let model = subject.model;
    let configuration = &model.configuration;
    let full = model.layers_of_kind("linear_attention")?;
    let full = full.ok_or_else(|| configuration.missing(&["layer_types"]))?;
    if full.len() as u64 != model.main_layers {
        let expected = format!("{} layers", model.main_layers);
        return Err(configuration.bad("layer_types", &full.len(), &expected));
    }
    let mut full: Vec<bool> = full.into_iter().map(|linear| !linear).collect();
    full.resize(model.layers as usize, true);
    kda::write_kinds(&full, out)?;
    out.count("vocab_size", configuration.integer("vocab_size")?)?;
    out.float("attention.layer_norm_epsilon", 1e-6);
    prediction::write(model, out)?;
    let linear = kda::linear_part(configuration)?;
    out.count("ssm.conv_kernel", linear.integer("short_conv_kernel_size")?)?;
    out.count("kda.head_dim", linear.integer("head_dim")?)?;
    if let Some(bound) = linear.optional_number(&["gate_lower_bound"])? {
        out.float("kda.gate_lower_bound", bound);
    }
    kda::write_latent_sizes(model, true, out)?;
    indexer::write(model, out)?;
    out.count("attention.indexer.kpool", configuration.integer("index_kpool")?)?;
    let tail = configuration.optional_flag("index_kpool_always_select_tail")?;
    out.set("attention.indexer.kpool_select_tail", tail.unwrap_or(true));
    indexer::write_owners(model, out)?;
    out.count("hyper_connection.count", configuration.integer("hc_mult")?)?;
    out.count("hyper_connection.sinkhorn_iterations", configuration.integer("hc_sinkhorn_iters")?)?;
    out.float("hyper_connection.epsilon", configuration.number("hc_eps")?);
    for (key, name) in [
        ("leading_dense_block_count", "first_k_dense_replace"),
        ("expert_feed_forward_length", "moe_intermediate_size"),
        ("expert_shared_count", "n_shared_experts"),
    ] {
        out.count(key, configuration.integer(name)?)?;
    }
    out.float("expert_weights_scale", configuration.number("routed_scaling_factor")?);
    out.set("expert_weights_norm", configuration.flag("norm_topk_prob")?);
    if let Some(limit) = configuration.optional_number(&["swiglu_limit"])? {
        let limits = vec![limit; model.layers as usize];
        out.floats("swiglu_clamp_exp", &limits);
        out.floats("swiglu_clamp_shexp", &limits);
    }
    Ok(())
}
