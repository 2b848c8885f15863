//! ModernBERT: an encoder with rotary positions, of whose layers most see only their neighbourhood.

use super::Family;
use super::bert::{self, trunk_name};
use crate::convert::configuration::Class;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::{ConvertError, Subject};

pub(super) const FAMILY: Family = Family {
    names: &["ModernBertModel", "ModernBertForMaskedLM", "ModernBertForSequenceClassification"],
    architecture: "modern-bert",
    classes: &[Class::new(
        "modernbert",
        &[],
        r#"{"vocab_size": 50368, "max_position_embeddings": 8192, "hidden_size": 768,
        "intermediate_size": 1152, "num_hidden_layers": 22, "num_attention_heads": 12, "norm_eps": 1e-5,
        "hidden_activation": "gelu", "global_rope_theta": 160000.0, "local_rope_theta": 10000.0,
        "local_attention": 128, "global_attn_every_n_layers": 3, "classifier_pooling": "cls",
        "pad_token_id": 50283, "bos_token_id": 50281, "eos_token_id": 50282, "cls_token_id": 50281,
        "sep_token_id": 50282}"#,
    )],
    tokenizer: Flavour::MODERN_BERT,
    hyperparameters,
    rename: |_, name| trunk_name(name, "model."),
    tensors: &[TENSORS],
    // The first layer normalizes what the embeddings have normalized already.
    lacking: &["attn_norm"],
    ..Family::STANDARD
};

const TENSORS: &[Rule] = &[
    Rule::keep("embeddings.tok_embeddings.*", "token_embd.*").required(),
    Rule::keep("embeddings.norm.*", "token_embd_norm.*").required(),
    Rule::keep("final_norm.*", "output_norm.*").required(),
    // The first layer has none: the embeddings are normalized already.
    Rule::keep("layers.{}.attn_norm.*", "blk.{}.attn_norm.*"),
    Rule::keep("layers.{}.attn.Wqkv.*", "blk.{}.attn_qkv.*").required(),
    Rule::keep("layers.{}.attn.Wo.*", "blk.{}.attn_output.*").required(),
    Rule::keep("layers.{}.mlp_norm.*", "blk.{}.ffn_norm.*").required(),
    Rule::keep("layers.{}.mlp.Wi.*", "blk.{}.ffn_up.*").required(),
    Rule::keep("layers.{}.mlp.Wo.*", "blk.{}.ffn_down.*").required(),
    Rule::keep("head.dense.*", "cls.*"),
    Rule::keep("head.norm.*", "cls.norm.*"),
    Rule::keep("classifier.*", "cls.output.*"),
    // What guesses masked tokens in training.
    Rule::drop("decoder.weight"),
    Rule::drop("decoder.bias"),
];

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    bert::hyperparameters(subject, out)?;
    let configuration = &subject.model.configuration;
    out.count("attention.sliding_window", configuration.integer("local_attention")?)?;
    if let Some(every) = configuration.optional_integer(&["global_attn_every_n_layers"])? {
        out.count("attention.sliding_window_pattern", every)?;
    }
    out.set("rope.scaling.type", "none");
    out.count("vocab_size", configuration.integer("vocab_size")?)?;
    if let Some(function) = configuration.text_value("hidden_activation")? {
        out.set("hidden_activation", function);
    }
    Ok(())
}
