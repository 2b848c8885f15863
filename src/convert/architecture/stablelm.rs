//! StableLM 3B to 12B.

use super::Family;
use super::common::{ATTENTION, EMBEDDINGS, GATED_FEED_FORWARD};
use crate::convert::configuration::{Class, Derived};
use crate::convert::hyperparameters::file_type_here;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::{ConvertError, Model, Subject};

pub(super) const FAMILY: Family = Family {
    names: &["StableLmForCausalLM", "StableLMEpochForCausalLM", "LlavaStableLMEpochForCausalLM"],
    architecture: "stablelm",
    classes: &[Class::new(
        "stablelm",
        &[Derived::KeyValueHeads],
        r#"{"vocab_size": 50304, "max_position_embeddings": 4096, "hidden_size": 2560,
        "intermediate_size": 6912, "num_hidden_layers": 32, "num_attention_heads": 32, "layer_norm_eps": 1e-5,
        "rope_theta": 10000, "partial_rotary_factor": 0.25, "use_parallel_residual": false}"#,
    )],
    hyperparameters,
    tensors: &[EMBEDDINGS, ATTENTION, GATED_FEED_FORWARD, LAYERS],
    ..Family::STANDARD
};

const LAYERS: &[Rule] = &[
    Rule::keep("model.layers.{}.input_layernorm.*", "blk.{}.attn_norm.*").required(),
    // Models whose attention and feed-forward network stand side by side have one norm.
    Rule::keep("model.layers.{}.post_attention_layernorm.*", "blk.{}.ffn_norm.*"),
    Rule::stack(
        "model.layers.{}.self_attn.q_layernorm.norms.{}.weight",
        "blk.{}.attn_q_norm.weight",
        Model::heads,
    ),
    Rule::stack(
        "model.layers.{}.self_attn.k_layernorm.norms.{}.weight",
        "blk.{}.attn_k_norm.weight",
        Model::key_value_heads,
    ),
];

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let model = subject.model;
    let configuration = &model.configuration;
    out.count("context_length", configuration.integer("max_position_embeddings")?)?;
    out.count("embedding_length", model.hidden_size()?)?;
    out.count("block_count", model.layers)?;
    out.count("feed_forward_length", configuration.integer("intermediate_size")?)?;
    let fraction = model.rope.common.number("partial_rotary_factor")?;
    out.count("rope.dimension_count", model.rotary_size(fraction)?)?;
    out.count("attention.head_count", model.heads()?)?;
    out.count("attention.head_count_kv", model.key_value_heads()?)?;
    out.set("use_parallel_residual", configuration.optional_flag("use_parallel_residual")?.unwrap_or(true));
    let epsilon = configuration.number_of(&["layer_norm_eps", "norm_eps"])?;
    out.float("attention.layer_norm_epsilon", epsilon);
    file_type_here(out);
    Ok(())
}
