//! Qwen 1.5, 2 and 2.5.

use super::Family;
use super::common::{ATTENTION, EMBEDDINGS, GATED_FEED_FORWARD};
use crate::convert::configuration::{Class, Derived};
use crate::convert::hyperparameters::standard;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::{ConvertError, Subject, pooling};

pub(super) const FAMILY: Family = Family {
    names: &["Qwen2ForCausalLM", "Qwen2Model"],
    architecture: "qwen2",
    classes: &[Class::new(
        "qwen2",
        &[Derived::KeyValueHeads],
        r#"{"vocab_size": 151936, "max_position_embeddings": 32768, "hidden_size": 4096,
        "intermediate_size": 22016, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 32, "rms_norm_eps": 1e-6, "rope_theta": 10000.0}"#,
    )],
    tokenizer: Flavour::SENTENCE_PIECE_OR_BYTE_PAIR,
    hyperparameters,
    ..Family::STANDARD
};

/// KORMo calls the norms otherwise.
pub(super) const KORMO: Family = Family {
    names: &["KORMoForCausalLM"],
    classes: &[],
    tensors: &[EMBEDDINGS, KORMO_NORMS, ATTENTION, GATED_FEED_FORWARD],
    ..FAMILY
};

const KORMO_NORMS: &[Rule] = &[
    Rule::keep("model.layers.{}.pre_attention_layernorm.*", "blk.{}.attn_norm.*").required(),
    Rule::keep("model.layers.{}.pre_mlp_layernorm.*", "blk.{}.ffn_norm.*").required(),
];

pub(super) fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    standard(subject, out)?;
    pooling::write(subject, out)
}
