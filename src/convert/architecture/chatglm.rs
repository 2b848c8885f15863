//! ChatGLM 3, GLM-4 of the first kind, GLM-Edge.

use super::Family;
use super::common::{ATTENTION, EMBEDDINGS, NORMS, inside_transformer, text_name};
use crate::convert::configuration::{Class, Derived};
use crate::convert::hyperparameters::file_type_here;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::{ConvertError, Subject};

/// As Z.ai published them.
pub(super) const ORIGINAL: Family = Family {
    names: &["ChatGLMModel", "ChatGLMForConditionalGeneration"],
    architecture: "chatglm",
    adjust: |configuration, _| {
        // The embeddings have rows for tokens to come.
        if let Some(rows) = configuration.optional_integer(&["padded_vocab_size"])? {
            configuration.set("vocab_size", rows);
        }
        Ok(())
    },
    tokenizer: Flavour::CHATGLM,
    hyperparameters,
    rename: |_, name| {
        let unused = name.ends_with("rotary_pos_emb.inv_freq");
        (!unused).then(|| inside_transformer(name))
    },
    tensors: &[TENSORS],
    ..Family::STANDARD
};

/// As the `transformers` library has them.
pub(super) const LIBRARY: Family = Family {
    names: &["GlmForCausalLM"],
    classes: &[Class::new(
        "glm",
        &[Derived::KeyValueHeads],
        r#"{"vocab_size": 151552, "max_position_embeddings": 131072, "hidden_size": 4096,
        "intermediate_size": 13696, "num_hidden_layers": 40, "num_attention_heads": 32,
        "num_key_value_heads": 2, "head_dim": 128, "rms_norm_eps": 1.5625e-7, "rope_theta": 10000.0,
        "partial_rotary_factor": 0.5}"#,
    )],
    rename: |_, name| text_name(name),
    tensors: &[EMBEDDINGS, NORMS, ATTENTION, GATE_AND_UP],
    ..ORIGINAL
};

/// A gated feed-forward network whose gate stays with the rest.
const GATE_AND_UP: &[Rule] = &[
    Rule::keep("model.layers.{}.mlp.gate_up_proj.*", "blk.{}.ffn_up.*").required(),
    Rule::keep("model.layers.{}.mlp.down_proj.*", "blk.{}.ffn_down.*").required(),
];

const TENSORS: &[Rule] = &[
    Rule::keep("embedding.word_embeddings.*", "token_embd.*").required(),
    Rule::keep("encoder.final_layernorm.*", "output_norm.*").required(),
    Rule::keep("output_layer.*", "output.*"),
    Rule::keep("encoder.layers.{}.input_layernorm.*", "blk.{}.attn_norm.*").required(),
    Rule::keep("encoder.layers.{}.post_attention_layernorm.*", "blk.{}.ffn_norm.*").required(),
    Rule::keep("encoder.layers.{}.self_attention.query_key_value.*", "blk.{}.attn_qkv.*").required(),
    Rule::keep("encoder.layers.{}.self_attention.dense.*", "blk.{}.attn_output.*").required(),
    Rule::keep("encoder.layers.{}.mlp.dense_h_to_4h.*", "blk.{}.ffn_up.*").required(),
    Rule::keep("encoder.layers.{}.mlp.dense_4h_to_h.*", "blk.{}.ffn_down.*").required(),
];

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let model = subject.model;
    let configuration = &model.configuration;
    let width = model.hidden_size()?;
    let number = |keys: &[&str], otherwise: u64| {
        configuration.optional_integer(keys).map(|number| number.unwrap_or(otherwise))
    };
    out.count("context_length", number(&["seq_length"], width)?)?;
    out.count("embedding_length", width)?;
    let inner = number(&["ffn_hidden_size", "intermediate_size"], width.saturating_mul(4))?;
    out.count("feed_forward_length", inner)?;
    out.count("block_count", model.layers)?;
    out.count("attention.head_count", model.heads()?)?;
    let groups = number(&["multi_query_group_num", "num_key_value_heads"], model.heads()?)?;
    out.count("attention.head_count_kv", groups)?;
    let epsilon = configuration.optional_number(&["layernorm_epsilon"])?.unwrap_or(1e-5);
    out.float("attention.layer_norm_rms_epsilon", epsilon);
    file_type_here(out);
    let size = number(&["attention_dim"], width / model.heads()?)?;
    let fraction = model.rope.common.optional_number(&["partial_rotary_factor"])?.unwrap_or(0.5);
    out.count("rope.dimension_count", (size as f64 * fraction) as u64)?;
    out.set_plain("tokenizer.ggml.add_bos_token", false);
    let ratio = configuration.optional_number(&["rope_ratio"])?.unwrap_or(1.0);
    out.float("rope.freq_base", 10_000.0 * ratio);
    Ok(())
}
