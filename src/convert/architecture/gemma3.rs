//! Gemma 3, its vision encoder, and EmbeddingGemma.

use std::borrow::Cow;

use super::Family;
use super::common::{GATED_FEED_FORWARD, add_one};
use super::gemma::NORMS;
use super::vision::{settings, siglip};
use crate::convert::configuration::{Class, Part};
use crate::convert::files::Files;
use crate::convert::hyperparameters::{key_and_value_length, standard};
use crate::convert::parameters::Parameters;
use crate::convert::projector::{Encoders, Projector};
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::weight::{Weight, WeightError};
use crate::convert::{Configuration, ConvertError, Model, Subject, pooling, tokenizer};
use crate::tensor::ElementType;

pub(super) const FAMILY: Family = Family {
    names: &["Gemma3ForCausalLM", "Gemma3ForConditionalGeneration"],
    architecture: "gemma3",
    classes: &[
        Class::of_parts(
            "gemma3",
            &[Part::of("text_config", "gemma3_text"), Part::of("vision_config", "siglip_vision_model")],
        ),
        Class::new(
            "gemma3_text",
            &[],
            r#"{"vocab_size": 262208, "max_position_embeddings": 131072, "hidden_size": 2304,
            "intermediate_size": 9216, "num_hidden_layers": 26, "num_attention_heads": 8,
            "num_key_value_heads": 4, "head_dim": 256, "rms_norm_eps": 1e-6, "rope_theta": 1000000.0,
            "rope_local_base_freq": 10000.0, "sliding_window": 4096}"#,
        ),
        Class::new(
            "siglip_vision_model",
            &[],
            r#"{"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
            "num_attention_heads": 12, "image_size": 224, "patch_size": 16, "layer_norm_eps": 1e-6}"#,
        ),
    ],
    adjust: count_real_tokens,
    tokenizer: Flavour::GEMMA3,
    hyperparameters,
    tensors: &[EMBEDDINGS, NORMS, ATTENTION, GATED_FEED_FORWARD],
    projector: Some(&PROJECTOR),
    ..Family::STANDARD
};

pub(super) const EMBEDDING: Family = Family {
    names: &["Gemma3TextModel"],
    architecture: "gemma-embedding",
    classes: &[],
    hyperparameters: |subject, out| {
        hyperparameters(subject, out)?;
        dense_sizes(subject, out)?;
        pooling::write(subject, out)
    },
    modules: &["2_Dense", "3_Dense"],
    tensors: &[EMBEDDINGS, NORMS, ATTENTION, GATED_FEED_FORWARD, DENSE],
    projector: None,
    ..FAMILY
};

/// What is done to the pooled embedding.
const DENSE: &[Rule] = &[
    Rule::keep("2_Dense/linear.weight", "dense_2.weight"),
    Rule::drop("2_Dense/linear.bias"),
    Rule::keep("3_Dense/linear.weight", "dense_3.weight"),
    Rule::drop("3_Dense/linear.bias"),
];

/// Writes how wide the dense modules' inputs and outputs are.
fn dense_sizes(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    for (folder, key) in [("2_Dense", "dense_2"), ("3_Dense", "dense_3")] {
        let file = format!("{folder}/config.json");
        let Some(serde_json::Value::Object(values)) = subject.files.json(&file)? else { continue };
        let module = Configuration::new(&file, values);
        let sizes = ["in_features", "out_features"].map(|name| module.optional_integer(&[name]));
        if let [Some(inputs), Some(outputs)] = [sizes[0].clone()?, sizes[1].clone()?] {
            out.count(&format!("{key}_feat_in"), inputs)?;
            out.count(&format!("{key}_feat_out"), outputs)?;
        }
    }
    Ok(())
}

const EMBEDDINGS: &[Rule] = &[
    Rule::step("model.embed_tokens.weight", "token_embd.weight", real_tokens).required(),
    Rule::step("model.norm.*", "output_norm.*", add_one).required(),
    Rule::keep("lm_head.*", "output.*"),
];

const ATTENTION: &[Rule] = &[
    Rule::keep("model.layers.{}.self_attn.q_proj.*", "blk.{}.attn_q.*").required(),
    Rule::keep("model.layers.{}.self_attn.k_proj.*", "blk.{}.attn_k.*").required(),
    Rule::keep("model.layers.{}.self_attn.v_proj.*", "blk.{}.attn_v.*").required(),
    Rule::keep("model.layers.{}.self_attn.o_proj.*", "blk.{}.attn_output.*").required(),
    Rule::step("model.layers.{}.self_attn.q_norm.*", "blk.{}.attn_q_norm.*", add_one),
    Rule::step("model.layers.{}.self_attn.k_norm.*", "blk.{}.attn_k_norm.*", add_one),
];

/// The key under which the number of tokens that the tokenizer has is kept.
const REAL_TOKENS: &str = "tokens in the tokenizer";

/// Notes how many tokens the tokenizer has, if it is fewer than embeddings may have rows.
pub(super) fn count_real_tokens(
    configuration: &mut Configuration,
    files: Files<'_>,
) -> Result<(), ConvertError> {
    if !tokenizer::has_sentence_piece(files)
        && let Some(count) = tokenizer::listed_tokens(files)?
    {
        configuration.set(REAL_TOKENS, count);
    }
    Ok(())
}

/// Embeddings without rows that belong to no token.
pub(super) fn real_tokens(model: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let rows = weight.row_count();
    let keys = [REAL_TOKENS, "vocab_size"];
    let real = model.configuration.optional_integer(&keys)?.unwrap_or(rows).min(rows);
    weight.rows(|derivation| derivation.slice(0, 0..real))
}

pub(super) fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    standard(subject, out)?;
    let configuration = &subject.model.configuration;
    let or = |key: &str, default: u64| {
        configuration.optional_integer(&[key]).map(|value| value.unwrap_or(default))
    };
    out.count("context_length", or("max_position_embeddings", 131_072)?)?;
    out.count("attention.head_count", or("num_attention_heads", 8)?)?;
    let epsilon = configuration.optional_number(&["rms_norm_eps"])?.unwrap_or(1e-6);
    out.float("attention.layer_norm_rms_epsilon", epsilon);
    key_and_value_length(out, or("head_dim", 256)?)?;
    let base = subject.model.rope.full.optional_number(&["rope_theta"])?.unwrap_or(1_000_000.0);
    out.float("rope.freq_base", base);
    if let Some(cap) = configuration.optional_number(&["final_logit_softcapping"])?.filter(|cap| *cap != 0.0)
    {
        out.float("final_logit_softcapping", cap);
    }
    if configuration.optional_integer(&["sliding_window_pattern"])? != Some(1) {
        out.count("attention.sliding_window", configuration.integer("sliding_window")?)?;
    }
    out.count("attention.head_count_kv", or("num_key_value_heads", 4)?)
}

const PROJECTOR: Projector = Projector {
    hyperparameters: vision_hyperparameters,
    rename: |_, name| {
        let inner = name.strip_prefix("model.").unwrap_or(name);
        let connection = Some(inner).filter(|inner| inner.starts_with("multi_modal_projector."));
        connection.or_else(|| siglip::name(name)).map(Cow::Borrowed)
    },
    tensors: &[CONNECTION, siglip::ENDS, siglip::LAYERS],
    forced: |name| match name {
        // Its values overflow in the products of other types.
        "mm.input_projection.weight" => Some(ElementType::F16),
        "v.patch_embd.weight" | "v.position_embd.weight" => Some(ElementType::F32),
        _ => None,
    },
    ..Projector::STANDARD
};

const CONNECTION: &[Rule] = &[
    Rule::keep("multi_modal_projector.mm_input_projection_weight", "mm.input_projection.weight"),
    Rule::step("multi_modal_projector.mm_soft_emb_norm.weight", "mm.soft_emb_norm.weight", add_one),
];

fn vision_hyperparameters(subject: &Encoders<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let vision = subject.vision;
    out.set("projector_type", "gemma3");
    let epsilon = vision.optional_number(&["layer_norm_eps"])?.unwrap_or(1e-6);
    out.float("vision.attention.layer_norm_epsilon", epsilon);
    out.set("use_gelu", true);
    settings::pooled_patches(subject, out)
}
