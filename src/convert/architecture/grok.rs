//! xAI's Grok 1 and 2.

use super::Family;
use super::common::{DENSE_LAYERS, EMBEDDINGS};
use super::llama::MIXTRAL_EXPERTS;
use crate::convert::configuration::Class;
use crate::convert::hyperparameters::{count, standard};
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::{ConvertError, Subject};

pub(super) const FAMILY: Family = Family {
    names: &["GrokForCausalLM", "Grok1ForCausalLM"],
    architecture: "grok",
    // The second calls itself by the type of another class, whose epsilon the reference takes over.
    classes: &[Class::new("git", &[], r#"{"layer_norm_eps": 1e-12}"#)],
    tokenizer: Flavour::SENTENCE_PIECE_OR_BYTE_PAIR,
    hyperparameters,
    tensors: &[
        FIRST,
        &Rule::optional([EMBEDDINGS[0], EMBEDDINGS[1], EMBEDDINGS[2]]),
        SECOND,
        DENSE_LAYERS,
        MIXTRAL_EXPERTS,
    ],
    ..Family::STANDARD
};

/// Names of the first.
const FIRST: &[Rule] = &[
    Rule::keep("transformer.in_out_embed.*", "token_embd.*"),
    Rule::keep("transformer.rms_norm.*", "output_norm.*"),
    Rule::keep("transformer.decoder_layer.{}.multi_head_attention.query.*", "blk.{}.attn_q.*"),
    Rule::keep("transformer.decoder_layer.{}.multi_head_attention.key.*", "blk.{}.attn_k.*"),
    Rule::keep("transformer.decoder_layer.{}.multi_head_attention.value.*", "blk.{}.attn_v.*"),
    Rule::keep("transformer.decoder_layer.{}.multi_head_attention.linear.*", "blk.{}.attn_output.*"),
    Rule::keep("transformer.decoder_layer.{}.rms_norm.*", "blk.{}.attn_norm.*"),
    Rule::keep("transformer.decoder_layer.{}.rms_norm_1.*", "blk.{}.attn_output_norm.*"),
    Rule::keep("transformer.decoder_layer.{}.rms_norm_2.*", "blk.{}.ffn_norm.*"),
    Rule::keep("transformer.decoder_layer.{}.rms_norm_3.*", "blk.{}.layer_output_norm.*"),
    Rule::keep("transformer.decoder_layer.{}.router.*", "blk.{}.ffn_gate_inp.*"),
    Rule::expert("transformer.decoder_layer.{}.moe.{}.linear.weight", "blk.{}.ffn_gate_exps.weight"),
    Rule::expert("transformer.decoder_layer.{}.moe.{}.linear_1.weight", "blk.{}.ffn_down_exps.weight"),
    Rule::expert("transformer.decoder_layer.{}.moe.{}.linear_v.weight", "blk.{}.ffn_up_exps.weight"),
];

/// Names of the second.
const SECOND: &[Rule] = &[
    Rule::keep("model.layers.{}.self_attn.q_proj.*", "blk.{}.attn_q.*"),
    Rule::keep("model.layers.{}.self_attn.k_proj.*", "blk.{}.attn_k.*"),
    Rule::keep("model.layers.{}.self_attn.v_proj.*", "blk.{}.attn_v.*"),
    Rule::keep("model.layers.{}.self_attn.o_proj.*", "blk.{}.attn_output.*"),
    Rule::keep("model.layers.{}.pre_attn_norm.*", "blk.{}.attn_norm.*"),
    Rule::keep("model.layers.{}.post_attn_norm.*", "blk.{}.attn_output_norm.*"),
    Rule::keep("model.layers.{}.pre_moe_norm.*", "blk.{}.ffn_norm.*"),
    Rule::keep("model.layers.{}.post_moe_norm.*", "blk.{}.post_ffw_norm.*"),
    Rule::keep("model.layers.{}.block_sparse_moe.gate.*", "blk.{}.ffn_gate_inp.*"),
];

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    standard(subject, out)?;
    let configuration = &subject.model.configuration;
    let optional = |key: &str| configuration.optional_number(&[key]);
    out.float("attn_logit_softcapping", optional("attn_logit_softcapping")?.unwrap_or(30.0));
    out.float("router_logit_softcapping", optional("router_logit_softcapping")?.unwrap_or(30.0));
    if let Some(limit) = optional("final_logit_softcapping")?.filter(|limit| *limit != 0.0) {
        out.float("final_logit_softcapping", limit);
    }
    count(subject.model, out, "expert_feed_forward_length", &["moe_intermediate_size"])?;
    // The other name seems to have been meant for this.
    if matches!(configuration.text_value("rope_type")?, Some("yarn" | "original")) {
        out.set("rope.scaling.type", "yarn");
        out.float("rope.scaling.factor", configuration.number("scaling_factor")?);
        let context = configuration.integer("original_max_position_embeddings")?;
        out.count("rope.scaling.original_context_length", context)?;
        for (key, name) in [
            ("rope.scaling.yarn_ext_factor", "extrapolation_factor"),
            ("rope.scaling.yarn_attn_factor", "attn_factor"),
            ("rope.scaling.yarn_beta_fast", "beta_fast"),
            ("rope.scaling.yarn_beta_slow", "beta_slow"),
        ] {
            out.float(key, configuration.number(name)?);
        }
    }
    let length = configuration.optional_integer(&["attn_temperature_len"])?;
    if let Some(length) = length.filter(|length| *length > 0) {
        out.count("attention.temperature_length", length)?;
    }
    let scale = optional("attn_output_multiplier")?;
    let scale = scale.map_or_else(|| subject.model.head_size().map(|size| (size as f64).powf(-0.5)), Ok)?;
    out.float("attention.output_scale", scale);
    out.float("embedding_scale", configuration.number("embedding_multiplier_scale")?);
    out.float("logit_scale", configuration.number("output_multiplier_scale")?);
    Ok(())
}
