//! GLM-4, GLM-4.5 and GLM-4.7 Flash.

use super::Family;
use super::common::{ATTENTION, DENSE_LAYERS, EMBEDDINGS, EXPERTS, NORMS, STACKED_EXPERTS, text_name};
use super::deepseek2::{self, LATENT_ATTENTION, ROUTING};
use super::prediction::{self, PREDICTION};
use super::vision::glm4v;
use crate::convert::configuration::{Class, Derived, Part};
use crate::convert::hyperparameters::{GATING_SIGMOID, standard};
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::weight::{Weight, WeightError, rows_by_head};
use crate::convert::{ConvertError, Model, Subject};

pub(super) const FAMILY: Family = Family {
    names: &["Glm4ForCausalLM", "Glm4vForConditionalGeneration"],
    architecture: "glm4",
    classes: &[
        Class::new(
            "glm4",
            &[Derived::KeyValueHeads],
            r#"{"vocab_size": 151552, "max_position_embeddings": 131072, "hidden_size": 4096,
            "intermediate_size": 13696, "num_hidden_layers": 40, "num_attention_heads": 32,
            "num_key_value_heads": 2, "head_dim": 128, "rms_norm_eps": 1.5625e-7, "rope_theta": 10000.0,
            "partial_rotary_factor": 0.5}"#,
        ),
        Class::of_parts("glm4v", &[Part::of("text_config", "glm4v_text"), VISION_PART]),
        Class::new(
            "glm4v_text",
            &[Derived::KeyValueHeads],
            r#"{"vocab_size": 151552, "max_position_embeddings": 32768, "hidden_size": 4096,
            "intermediate_size": 13696, "num_hidden_layers": 40, "num_attention_heads": 32,
            "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "rope_theta": 10000.0}"#,
        ),
        glm4v::CLASS,
    ],
    tokenizer: Flavour::GLM4,
    hyperparameters: |subject, out| {
        standard(subject, out)?;
        out.count("rope.dimension_count", rotary_size(subject.model)?)
    },
    tensors: &[EMBEDDINGS, LAYERS],
    projector: Some(&glm4v::PROJECTOR),
    ..Family::STANDARD
};

/// GLM-OCR, which predicts further tokens.
pub(super) const OCR: Family = Family {
    names: &["GlmOcrForConditionalGeneration"],
    classes: &[],
    predicted_layers: prediction::stated,
    hyperparameters: |subject, out| {
        (FAMILY.hyperparameters)(subject, out)?;
        prediction::write_stated(subject.model, out)
    },
    tensors: &[EMBEDDINGS, LAYERS, PREDICTION],
    ..FAMILY
};

const LAYERS: &[Rule] = &[
    Rule::step("model.layers.{}.self_attn.q_proj.*", "blk.{}.attn_q.*", halve_rotary_rows).required(),
    Rule::step("model.layers.{}.self_attn.k_proj.*", "blk.{}.attn_k.*", halve_rotary_rows).required(),
    Rule::keep("model.layers.{}.self_attn.v_proj.*", "blk.{}.attn_v.*").required(),
    Rule::keep("model.layers.{}.self_attn.o_proj.*", "blk.{}.attn_output.*").required(),
    Rule::keep("model.layers.{}.input_layernorm.*", "blk.{}.attn_norm.*").required(),
    Rule::keep("model.layers.{}.post_self_attn_layernorm.*", "blk.{}.post_attention_norm.*").required(),
    Rule::keep("model.layers.{}.post_attention_layernorm.*", "blk.{}.ffn_norm.*").required(),
    Rule::keep("model.layers.{}.post_mlp_layernorm.*", "blk.{}.post_ffw_norm.*").required(),
    Rule::keep("model.layers.{}.mlp.gate_up_proj.*", "blk.{}.ffn_up.*").required(),
    Rule::keep("model.layers.{}.mlp.down_proj.*", "blk.{}.ffn_down.*").required(),
];

const VISION_PART: Part = Part::of("vision_config", glm4v::CLASS.model_type);

/// The rotated dimensions of each head from neighbouring pairs to halves, where positions have several parts:
/// the order in which llama.cpp rotates by parts (llama.cpp, `conversion/glm.py`).
fn halve_rotary_rows(model: &Model, weight: Weight) -> Result<Weight, WeightError> {
    if !model.rope.common.has("mrope_section") {
        return Ok(weight);
    }
    let (size, rotated) = (model.head_size()?, rotary_size(model)?);
    if !rotated.is_multiple_of(2) {
        let rope = &model.rope.common;
        return Err(rope
            .bad("partial_rotary_factor", &format!("{rotated} dimensions"), "an even number")
            .into());
    }
    let heads = weight.row_count().checked_div(size).unwrap_or(0);
    rows_by_head(weight, heads, |head| {
        let mut parts =
            vec![head.clone().step_by(0, 0..rotated, 2)?, head.clone().step_by(0, 1..rotated, 2)?];
        if rotated < size {
            parts.push(head.slice(0, rotated..size)?);
        }
        Ok(parts)
    })
}

pub(super) const MIXTURE: Family = Family {
    names: &["Glm4MoeForCausalLM", "Glm4vMoeForConditionalGeneration"],
    architecture: "glm4moe",
    classes: &[
        Class::new(
            "glm4_moe",
            &[Derived::KeyValueHeads],
            r#"{"vocab_size": 151552, "max_position_embeddings": 131072, "hidden_size": 4096,
            "intermediate_size": 10944, "num_hidden_layers": 46, "num_attention_heads": 96,
            "num_key_value_heads": 8, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
            "partial_rotary_factor": 0.5, "n_routed_experts": 128, "num_experts_per_tok": 8, "n_group": 1,
            "topk_group": 1, "n_shared_experts": 1, "moe_intermediate_size": 1408, "first_k_dense_replace": 1,
            "norm_topk_prob": true, "routed_scaling_factor": 1.0}"#,
        ),
        Class::of_parts("glm4v_moe", &[Part::of("text_config", "glm4v_moe_text"), VISION_PART]),
        Class::new(
            "glm4v_moe_text",
            &[Derived::KeyValueHeads],
            r#"{"vocab_size": 151424, "max_position_embeddings": 65536, "hidden_size": 4096,
            "intermediate_size": 10944, "num_hidden_layers": 46, "num_attention_heads": 96,
            "num_key_value_heads": 8, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
            "partial_rotary_factor": 0.5, "n_routed_experts": 128, "num_experts_per_tok": 8, "n_group": 1,
            "topk_group": 1, "n_shared_experts": 1, "moe_intermediate_size": 1408, "first_k_dense_replace": 1,
            "norm_topk_prob": true, "routed_scaling_factor": 1.0}"#,
        ),
    ],
    predicted_layers: prediction::stated,
    tokenizer: Flavour::GLM4_MOE,
    hyperparameters: mixture_hyperparameters,
    tensors: &[
        EMBEDDINGS,
        ATTENTION,
        DENSE_LAYERS,
        EXPERTS,
        STACKED_EXPERTS,
        ROUTING,
        PREDICTION,
        &[
            Rule::keep("model.layers.{}.input_layernorm.*", "blk.{}.attn_norm.*").required(),
            Rule::keep("model.layers.{}.post_attention_layernorm.*", "blk.{}.post_attention_norm.*")
                .required(),
        ],
    ],
    projector: Some(&glm4v::PROJECTOR),
    ..Family::STANDARD
};

/// GLM-4.7 Flash, which is built like DeepSeek V3.
pub(super) const LITE: Family = Family {
    names: &["Glm4MoeLiteForCausalLM"],
    architecture: "deepseek2",
    classes: &[],
    predicted_layers: prediction::stated,
    tokenizer: Flavour::GLM4_MOE,
    hyperparameters: |subject, out| {
        deepseek2::hyperparameters(subject, out)?;
        prediction::write(subject.model, out)
    },
    rename: |model, name| if deepseek2::is_tied_output(model, name) { None } else { text_name(name) },
    tensors: &[EMBEDDINGS, NORMS, LATENT_ATTENTION, DENSE_LAYERS, EXPERTS, ROUTING, PREDICTION],
    ..Family::STANDARD
};

fn rotary_size(model: &Model) -> Result<u64, ConvertError> {
    let fraction = model.rope.common.optional_number(&["partial_rotary_factor"])?.unwrap_or(0.5);
    model.rotary_size(fraction)
}

fn mixture_hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    standard(subject, out)?;
    out.count("rope.dimension_count", rotary_size(subject.model)?)?;
    let configuration = &subject.model.configuration;
    for (name, key) in [
        ("expert_count", "n_routed_experts"),
        ("expert_feed_forward_length", "moe_intermediate_size"),
        ("expert_shared_count", "n_shared_experts"),
        ("leading_dense_block_count", "first_k_dense_replace"),
    ] {
        if let Some(number) = configuration.optional_integer(&[key])? {
            out.count(name, number)?;
        }
    }
    out.set("expert_gating_func", GATING_SIGMOID);
    if let Some(scale) = configuration.optional_number(&["routed_scaling_factor"])? {
        out.float("expert_weights_scale", scale);
    }
    if let Some(norm) = configuration.optional_flag("norm_topk_prob")? {
        out.set("expert_weights_norm", norm);
    }
    prediction::write_stated(subject.model, out)
}

/// Solar Open, which is built like GLM-4.5.
pub(super) const SOLAR: Family = Family {
    names: &["SolarOpenForCausalLM"],
    classes: &[],
    tokenizer: Flavour::SOLAR,
    projector: None,
    ..MIXTURE
};
