//! T5, mT5, UMT5, and T5's encoder by itself.

use super::Family;
use crate::convert::configuration::Class;
use crate::convert::hyperparameters::{file_type_here, key_and_value_length};
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::{ConvertError, Subject};

pub(super) const FAMILY: Family = Family {
    names: &[
        "T5ForConditionalGeneration",
        "T5WithLMHeadModel",
        "MT5ForConditionalGeneration",
        "UMT5ForConditionalGeneration",
        "UMT5Model",
    ],
    architecture: "t5",
    classes: &[
        Class::new(
            "t5",
            &[],
            r#"{"vocab_size": 32128, "d_model": 512, "d_kv": 64, "d_ff": 2048, "num_layers": 6,
            "num_heads": 8, "relative_attention_num_buckets": 32, "layer_norm_epsilon": 1e-6}"#,
        ),
        multilingual("mt5"),
        multilingual("umt5"),
    ],
    adjust: |configuration, _| {
        // As many layers on both sides unless the file says otherwise.
        if configuration.optional_integer(&[DECODER_LAYERS])?.is_none() {
            configuration.set(DECODER_LAYERS, configuration.integer("num_layers")?);
        }
        Ok(())
    },
    tokenizer: Flavour::T5,
    hyperparameters: |subject, out| {
        let configuration = &subject.model.configuration;
        before_heads(subject, out)?;
        out.count("decoder_block_count", configuration.integer(DECODER_LAYERS)?)?;
        from_heads(subject, out)?;
        out.count("decoder_start_token_id", configuration.integer("decoder_start_token_id")?)?;
        file_type_here(out);
        Ok(())
    },
    rename: |_, name| Some(name.into()),
    tensors: &[EMBEDDINGS, ENCODER, DECODER],
    // Older models have no gate; the first layer's biases of distance serve all.
    lacking: &["ffn_gate.", "attn_rel_b"],
    ..Family::STANDARD
};

/// The encoder by itself.
pub(super) const ENCODER_ONLY: Family = Family {
    names: &["T5EncoderModel"],
    architecture: "t5encoder",
    classes: &[],
    hyperparameters: |subject, out| {
        before_heads(subject, out)?;
        from_heads(subject, out)?;
        file_type_here(out);
        Ok(())
    },
    tensors: &[EMBEDDINGS, ENCODER],
    ..FAMILY
};

const DECODER_LAYERS: &str = "num_decoder_layers";

const fn multilingual(model_type: &'static str) -> Class {
    Class::new(
        model_type,
        &[],
        r#"{"vocab_size": 250112, "d_model": 512, "d_kv": 64, "d_ff": 1024, "num_layers": 8, "num_heads": 6,
        "relative_attention_num_buckets": 32, "layer_norm_epsilon": 1e-6, "decoder_start_token_id": 0}"#,
    )
}

/// Both sides share their embeddings, which are stored under one of three names or under several.
const EMBEDDINGS: &[Rule] = &[
    Rule::copy("shared.weight", "token_embd.weight"),
    Rule::copy("encoder.embed_tokens.weight", "token_embd.weight"),
    Rule::copy("decoder.embed_tokens.weight", "token_embd.weight"),
    Rule::keep("lm_head.*", "output.*"),
];

const ENCODER: &[Rule] = &[
    Rule::keep("encoder.final_layer_norm.*", "enc.output_norm.*").required(),
    Rule::keep("encoder.block.{}.layer.0.layer_norm.*", "enc.blk.{}.attn_norm.*").required(),
    Rule::keep("encoder.block.{}.layer.0.SelfAttention.q.*", "enc.blk.{}.attn_q.*").required(),
    Rule::keep("encoder.block.{}.layer.0.SelfAttention.k.*", "enc.blk.{}.attn_k.*").required(),
    Rule::keep("encoder.block.{}.layer.0.SelfAttention.v.*", "enc.blk.{}.attn_v.*").required(),
    Rule::keep("encoder.block.{}.layer.0.SelfAttention.o.*", "enc.blk.{}.attn_o.*").required(),
    Rule::keep("encoder.block.{}.layer.0.SelfAttention.relative_attention_bias.*", "enc.blk.{}.attn_rel_b.*"),
    Rule::keep("encoder.block.{}.layer.1.layer_norm.*", "enc.blk.{}.ffn_norm.*").required(),
    Rule::keep("encoder.block.{}.layer.1.DenseReluDense.wi.*", "enc.blk.{}.ffn_up.*"),
    Rule::keep("encoder.block.{}.layer.1.DenseReluDense.wi_0.*", "enc.blk.{}.ffn_gate.*"),
    Rule::keep("encoder.block.{}.layer.1.DenseReluDense.wi_1.*", "enc.blk.{}.ffn_up.*"),
    Rule::keep("encoder.block.{}.layer.1.DenseReluDense.wo.*", "enc.blk.{}.ffn_down.*").required(),
];

/// Its layers need not be as many as the encoder's.
const DECODER: &[Rule] = &[
    Rule::keep("decoder.final_layer_norm.*", "dec.output_norm.*").required(),
    Rule::keep("decoder.block.{}.layer.0.layer_norm.*", "dec.blk.{}.attn_norm.*"),
    Rule::keep("decoder.block.{}.layer.0.SelfAttention.q.*", "dec.blk.{}.attn_q.*"),
    Rule::keep("decoder.block.{}.layer.0.SelfAttention.k.*", "dec.blk.{}.attn_k.*"),
    Rule::keep("decoder.block.{}.layer.0.SelfAttention.v.*", "dec.blk.{}.attn_v.*"),
    Rule::keep("decoder.block.{}.layer.0.SelfAttention.o.*", "dec.blk.{}.attn_o.*"),
    Rule::keep("decoder.block.{}.layer.0.SelfAttention.relative_attention_bias.*", "dec.blk.{}.attn_rel_b.*"),
    Rule::keep("decoder.block.{}.layer.1.layer_norm.*", "dec.blk.{}.cross_attn_norm.*"),
    Rule::keep("decoder.block.{}.layer.1.EncDecAttention.q.*", "dec.blk.{}.cross_attn_q.*"),
    Rule::keep("decoder.block.{}.layer.1.EncDecAttention.k.*", "dec.blk.{}.cross_attn_k.*"),
    Rule::keep("decoder.block.{}.layer.1.EncDecAttention.v.*", "dec.blk.{}.cross_attn_v.*"),
    Rule::keep("decoder.block.{}.layer.1.EncDecAttention.o.*", "dec.blk.{}.cross_attn_o.*"),
    Rule::keep(
        "decoder.block.{}.layer.1.EncDecAttention.relative_attention_bias.*",
        "dec.blk.{}.cross_attn_rel_b.*",
    ),
    Rule::keep("decoder.block.{}.layer.2.layer_norm.*", "dec.blk.{}.ffn_norm.*"),
    Rule::keep("decoder.block.{}.layer.2.DenseReluDense.wi.*", "dec.blk.{}.ffn_up.*"),
    Rule::keep("decoder.block.{}.layer.2.DenseReluDense.wi_0.*", "dec.blk.{}.ffn_gate.*"),
    Rule::keep("decoder.block.{}.layer.2.DenseReluDense.wi_1.*", "dec.blk.{}.ffn_up.*"),
    Rule::keep("decoder.block.{}.layer.2.DenseReluDense.wo.*", "dec.blk.{}.ffn_down.*"),
];

fn before_heads(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let configuration = &subject.model.configuration;
    // Only the first models say.
    let context = configuration.optional_integer(&["n_positions"])?.unwrap_or(512);
    out.count("context_length", context)?;
    out.count("embedding_length", configuration.integer("d_model")?)?;
    out.count("feed_forward_length", configuration.integer("d_ff")?)?;
    out.count("block_count", subject.model.layers)
}

fn from_heads(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let configuration = &subject.model.configuration;
    out.count("attention.head_count", configuration.integer("num_heads")?)?;
    key_and_value_length(out, configuration.integer("d_kv")?)?;
    let epsilon = configuration.number("layer_norm_epsilon")?;
    out.float("attention.layer_norm_epsilon", epsilon);
    let buckets = configuration.integer("relative_attention_num_buckets")?;
    out.count("attention.relative_buckets_count", buckets)?;
    out.float("attention.layer_norm_rms_epsilon", epsilon);
    Ok(())
}
