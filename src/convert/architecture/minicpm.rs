//! MiniCPM 1 to 3.

use super::Family;
use super::common::{EMBEDDINGS, GATED_FEED_FORWARD, NORMS, long_rope_factors};
use super::llama::PAIRED_ATTENTION;
use crate::convert::hyperparameters::{file_type_here, standard};
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::{ConvertError, Subject};

pub(super) const FAMILY: Family = Family {
    names: &["MiniCPMForCausalLM"],
    architecture: "minicpm",
    tokenizer: Flavour::SENTENCE_PIECE,
    hyperparameters: |subject, out| {
        standard(subject, out)?;
        let model = subject.model;
        let configuration = &model.configuration;
        out.float("embedding_scale", configuration.number("scale_emb")?);
        let depth = configuration.number("scale_depth")?;
        out.float("residual_scale", depth / (model.main_layers as f64).sqrt());
        let base = configuration.number("dim_model_base")?;
        out.float("logit_scale", model.hidden_size()? as f64 / base);
        Ok(())
    },
    generated: |model, _| long_rope_factors(model, model.hidden_size()? / model.heads()?),
    tensors: &[EMBEDDINGS, NORMS, PAIRED_ATTENTION, GATED_FEED_FORWARD],
    ..Family::STANDARD
};

/// Latent attention.
pub(super) const THIRD: Family = Family {
    names: &["MiniCPM3ForCausalLM"],
    architecture: "minicpm3",
    hyperparameters,
    generated: |model, _| long_rope_factors(model, model.configuration.integer("qk_rope_head_dim")?),
    tensors: &[EMBEDDINGS, NORMS, WHOLE_LATENT_ATTENTION, GATED_FEED_FORWARD],
    ..FAMILY
};

/// Latent attention whose keys and values stay in one tensor.
pub(super) const WHOLE_LATENT_ATTENTION: &[Rule] = &[
    Rule::keep("model.layers.{}.self_attn.q_proj.*", "blk.{}.attn_q.*"),
    Rule::keep("model.layers.{}.self_attn.q_a_proj.*", "blk.{}.attn_q_a.*"),
    Rule::keep("model.layers.{}.self_attn.q_a_layernorm.*", "blk.{}.attn_q_a_norm.*"),
    Rule::keep("model.layers.{}.self_attn.q_b_proj.*", "blk.{}.attn_q_b.*"),
    Rule::keep("model.layers.{}.self_attn.kv_a_proj_with_mqa.*", "blk.{}.attn_kv_a_mqa.*").required(),
    Rule::keep("model.layers.{}.self_attn.kv_a_layernorm.*", "blk.{}.attn_kv_a_norm.*").required(),
    Rule::keep("model.layers.{}.self_attn.kv_b_proj.*", "blk.{}.attn_kv_b.*").required(),
    Rule::keep("model.layers.{}.self_attn.o_proj.*", "blk.{}.attn_output.*").required(),
];

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let model = subject.model;
    let configuration = &model.configuration;
    file_type_here(out);
    out.count("context_length", configuration.integer("max_position_embeddings")?)?;
    out.count("embedding_length", model.hidden_size()?)?;
    out.count("block_count", model.layers)?;
    out.count("feed_forward_length", configuration.integer("intermediate_size")?)?;
    out.count("attention.head_count", model.heads()?)?;
    out.count("attention.head_count_kv", model.key_value_heads()?)?;
    out.float("attention.layer_norm_rms_epsilon", configuration.number("rms_norm_eps")?);
    out.count("vocab_size", configuration.integer("vocab_size")?)?;
    if let Some(rank) = configuration.optional_integer(&["q_lora_rank"])? {
        out.count("attention.q_lora_rank", rank)?;
    }
    out.count("attention.kv_lora_rank", configuration.integer("kv_lora_rank")?)?;
    let rotated = configuration.integer("qk_rope_head_dim")?;
    let plain = configuration.integer("qk_nope_head_dim")?;
    out.count("attention.key_length", plain.saturating_add(rotated))?;
    out.count("rope.dimension_count", rotated)
}
