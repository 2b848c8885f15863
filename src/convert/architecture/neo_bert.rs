//! NeoBERT.

use super::Family;
use super::bert::{self, hyperparameters};
use crate::convert::pooling;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;

pub(super) const FAMILY: Family = Family {
    names: &["NeoBERT", "NeoBERTLMHead", "NeoBERTForSequenceClassification"],
    architecture: "neo-bert",
    tokenizer: Flavour::WORD_PIECE,
    hyperparameters: |subject, out| {
        hyperparameters(subject, out)?;
        let configuration = &subject.model.configuration;
        // Two thirds of the width that is stated, for the gate takes its share.
        out.count("feed_forward_length", configuration.integer("intermediate_size")?.saturating_mul(2) / 3)?;
        out.float("rope.freq_base", 10_000.0);
        out.set("rope.scaling.type", "none");
        let epsilon = configuration.optional_number(&["norm_eps"])?.unwrap_or(1e-6);
        out.float("attention.layer_norm_rms_epsilon", epsilon);
        out.set("pooling_type", pooling::FIRST);
        Ok(())
    },
    rename: |model, name| {
        // What guesses masked tokens in training.
        if name.starts_with("decoder.") {
            None
        } else {
            bert::rename(model, name.strip_prefix("model.").unwrap_or(name))
        }
    },
    tensors: &[TENSORS],
    ..Family::STANDARD
};

const TENSORS: &[Rule] = &[
    Rule::keep("encoder.*", "token_embd.*").required(),
    Rule::keep("layer_norm.*", "enc.output_norm.*").required(),
    Rule::keep("transformer_encoder.{}.attention_norm.*", "blk.{}.attn_norm.*").required(),
    Rule::keep("transformer_encoder.{}.qkv.*", "blk.{}.attn_qkv.*").required(),
    Rule::keep("transformer_encoder.{}.wo.*", "blk.{}.attn_output.*").required(),
    Rule::keep("transformer_encoder.{}.ffn_norm.*", "blk.{}.ffn_norm.*").required(),
    Rule::keep("transformer_encoder.{}.ffn.w12.*", "blk.{}.ffn_up.*").required(),
    Rule::keep("transformer_encoder.{}.ffn.w3.*", "blk.{}.ffn_down.*").required(),
    Rule::keep("dense.*", "cls.*"),
    Rule::keep("classifier.*", "cls.output.*"),
    Rule::keep("pre_classifier.*", "cls.*"),
];
