//! Phi-1, 1.5 and 2.

use super::Family;
use super::common::EMBEDDINGS;
use crate::convert::configuration::{Class, Derived};
use crate::convert::hyperparameters::file_type_here;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::{ConvertError, Subject};

pub(super) const FAMILY: Family = Family {
    names: &["PhiForCausalLM"],
    architecture: "phi2",
    classes: &[Class::new(
        "phi",
        &[Derived::KeyValueHeads],
        r#"{"vocab_size": 51200, "max_position_embeddings": 2048, "hidden_size": 2048,
        "intermediate_size": 8192, "num_hidden_layers": 24, "num_attention_heads": 32, "layer_norm_eps": 1e-5,
        "rope_theta": 10000.0, "partial_rotary_factor": 0.5}"#,
    )],
    hyperparameters,
    tensors: &[&[Rule::keep("model.final_layernorm.*", "output_norm.*").required()], WITHOUT_NORM, LAYERS],
    ..Family::STANDARD
};

/// Embeddings and output; the norm has another name.
const WITHOUT_NORM: &[Rule] = &[EMBEDDINGS[0], EMBEDDINGS[2]];

const LAYERS: &[Rule] = &[
    Rule::keep("model.layers.{}.input_layernorm.*", "blk.{}.attn_norm.*").required(),
    Rule::keep("model.layers.{}.self_attn.q_proj.*", "blk.{}.attn_q.*").required(),
    Rule::keep("model.layers.{}.self_attn.k_proj.*", "blk.{}.attn_k.*").required(),
    Rule::keep("model.layers.{}.self_attn.v_proj.*", "blk.{}.attn_v.*").required(),
    Rule::keep("model.layers.{}.self_attn.dense.*", "blk.{}.attn_output.*").required(),
    Rule::keep("model.layers.{}.mlp.fc1.*", "blk.{}.ffn_up.*").required(),
    Rule::keep("model.layers.{}.mlp.fc2.*", "blk.{}.ffn_down.*").required(),
];

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let model = subject.model;
    let configuration = &model.configuration;
    let (width, heads) = (model.hidden_size()?, model.heads()?);
    out.count("context_length", configuration.integer_of(&["n_positions", "max_position_embeddings"])?)?;
    out.count("embedding_length", width)?;
    out.count("feed_forward_length", width.saturating_mul(4))?;
    out.count("block_count", model.layers)?;
    out.count("attention.head_count", heads)?;
    out.count("attention.head_count_kv", heads)?;
    let epsilon = configuration.number_of(&["layer_norm_epsilon", "layer_norm_eps"])?;
    out.float("attention.layer_norm_epsilon", epsilon);
    let fraction = model.rope.common.number("partial_rotary_factor")?;
    out.count("rope.dimension_count", (fraction * width as f64) as u64 / heads)?;
    file_type_here(out);
    out.set_plain("tokenizer.ggml.add_bos_token", false);
    Ok(())
}
