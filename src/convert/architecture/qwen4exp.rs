//! Qwen 4, experimental: linear attention as in Qwen 3.5, sparse attention in some layers, several residual
//! streams in place of norms, and embeddings of groups of tokens.

use std::borrow::Cow;

use super::common::{
    EXPERTS, SHARED_EXPERT, STACKED_EXPERTS, add_one, consecutive_rows, flat_kernel, text_name, where_present,
};
use super::qwen35::LINEAR_ATTENTION;
use super::{Family, qwen3next, qwen3vl};
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::stored_bytes::StoredBytes;
use crate::convert::weight::{Weight, WeightError};
use crate::convert::{ConvertError, Model, Subject};

pub(super) const FAMILY: Family = Family {
    names: &["Qwen4ExpForConditionalGeneration", "Qwen4ExpForCausalLM"],
    architecture: "qwen4exp",
    hyperparameters,
    rename: |_, name| rename(name),
    tensors: &[
        ENDS,
        qwen3next::ATTENTION,
        INDEXER,
        LINEAR_ATTENTION,
        STREAMS,
        GROUP_EMBEDDINGS,
        EXPERTS,
        STACKED_EXPERTS,
        SHARED_EXPERT,
    ],
    projector: Some(&qwen3vl::PROJECTOR),
    // Embeddings of several tokens are there in some layers.
    lacking: &["ple_"],
    shapes: qwen3next::SHAPES,
    ..Family::STANDARD
};

/// There is no final norm.
const ENDS: &[Rule] =
    &[Rule::keep("model.embed_tokens.*", "token_embd.*").required(), Rule::keep("lm_head.*", "output.*")];

/// What chooses the positions that are attended to.
const INDEXER: &[Rule] = &[
    Rule::split(
        "model.layers.{}.self_attn.indexer.index_qk_proj.weight",
        &["blk.{}.indexer.q_proj.weight", "blk.{}.indexer.k_proj.weight"],
        queries_and_keys,
    ),
    Rule::step(
        "model.layers.{}.self_attn.indexer.q_layernorm.weight",
        "blk.{}.indexer.q_norm.weight",
        add_one,
    ),
    Rule::step(
        "model.layers.{}.self_attn.indexer.k_layernorm.weight",
        "blk.{}.indexer.k_norm.weight",
        add_one,
    ),
];

/// The streams are mixed before each part of a layer, and at the end.
const STREAMS: &[Rule] = &[
    Rule::step("model.hyper_connection_mixer.hc_norm.weight", "output_hc_norm.weight", add_one).required(),
    Rule::keep("model.hyper_connection_mixer.input_mix_weight_down.weight", "output_hc_down.weight")
        .required(),
    Rule::keep("model.hyper_connection_mixer.input_mix_weight_up.weight", "output_hc_up.weight").required(),
    Rule::step("model.layers.{}.attn_hyper_connection.hc_norm.weight", "blk.{}.hc_attn_norm.weight", add_one)
        .required(),
    Rule::keep(
        "model.layers.{}.attn_hyper_connection.block_inject_weight.weight",
        "blk.{}.hc_attn_inject.weight",
    )
    .required(),
    Rule::keep(
        "model.layers.{}.attn_hyper_connection.input_mix_weight_down.weight",
        "blk.{}.hc_attn_down.weight",
    )
    .required(),
    Rule::keep(
        "model.layers.{}.attn_hyper_connection.input_mix_weight_up.weight",
        "blk.{}.hc_attn_up.weight",
    )
    .required(),
    Rule::step("model.layers.{}.mlp_hyper_connection.hc_norm.weight", "blk.{}.hc_ffn_norm.weight", add_one)
        .required(),
    Rule::keep(
        "model.layers.{}.mlp_hyper_connection.block_inject_weight.weight",
        "blk.{}.hc_ffn_inject.weight",
    )
    .required(),
    Rule::keep(
        "model.layers.{}.mlp_hyper_connection.input_mix_weight_down.weight",
        "blk.{}.hc_ffn_down.weight",
    )
    .required(),
    Rule::keep("model.layers.{}.mlp_hyper_connection.input_mix_weight_up.weight", "blk.{}.hc_ffn_up.weight")
        .required(),
];

/// Groups of tokens are hashed into a table, which is stored in several parts.
const GROUP_EMBEDDINGS: &[Rule] = &[
    Rule::rows(
        "model.layers.{}.ple.ple_embedding.ngram_embedding.shard_{}.weight",
        "per_layer_token_embd.weight",
        |model| model.configuration.integer("split_ngram_parts"),
    ),
    Rule::step("model.layers.{}.ple.conv1d.weight", "blk.{}.ple_conv1d.weight", flat_kernel),
    Rule::keep("model.layers.{}.ple.key_proj.weight", "blk.{}.ple_key.weight"),
    Rule::keep("model.layers.{}.ple.value_proj.weight", "blk.{}.ple_value.weight"),
    Rule::step("model.layers.{}.ple.norm_conv.weight", "blk.{}.ple_norm_conv.weight", add_one),
    Rule::step("model.layers.{}.ple.norm_key.weight", "blk.{}.ple_norm_key.weight", add_one),
    Rule::step("model.layers.{}.ple.norm_query.weight", "blk.{}.ple_norm_query.weight", add_one),
];

/// The constants of the hash, which are metadata.
const CONSTANTS: [(&str, &str); 3] = [
    ("ple.layer_multipliers", "ple_embedding.layer_multipliers"),
    ("ple.head_offsets", "ple_embedding.ngram_heads_offsets"),
    ("ple.head_vocab_sizes", "ple_embedding.ngram_heads_vocab_sizes"),
];

/// Layers that predict further tokens are not part of the model.
fn rename(name: &str) -> Option<Cow<'_, str>> {
    let is_constant = CONSTANTS.iter().any(|(_, ending)| name.ends_with(ending));
    let name = text_name(name).filter(|_| !is_constant)?;
    let predicts = name.strip_prefix("model.").unwrap_or(&name).starts_with("mtp.");
    (!predicts).then_some(name)
}

fn queries_and_keys(model: &Model, weight: Weight) -> Result<Vec<Weight>, WeightError> {
    let configuration = &model.configuration;
    let (heads, size) =
        (configuration.integer("indexer_n_heads")?, configuration.integer("indexer_head_dim")?);
    let queries = heads.saturating_mul(size);
    let keys = weight.row_count().saturating_sub(queries);
    consecutive_rows(weight, &[queries, keys])
}

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    qwen3next::hyperparameters(subject, out)?;
    let model = subject.model;
    let configuration = &model.configuration;
    for (key, name) in [
        ("hyper_connection.count", "hc_count"),
        ("hyper_connection.low_rank", "hc_lowrank"),
        ("attention.indexer.head_count", "indexer_n_heads"),
        ("attention.indexer.key_length", "indexer_head_dim"),
        ("attention.indexer.top_k", "indexer_budget"),
    ] {
        out.count(key, configuration.integer(name)?)?;
    }
    let ratio = configuration.integer("indexer_compress_ratio")?;
    let full = model.layers_of_kind("full_attention")?;
    let full = full.ok_or_else(|| configuration.missing(&["layer_types"]))?;
    out.counts("attention.compress_ratios", &where_present(&full, ratio))?;
    group_embeddings(subject, out)
}

/// The layers that embed groups of tokens, and how these are hashed.
fn group_embeddings(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let configuration = &subject.model.configuration;
    let key = "ple_layer_ids";
    let layers = configuration.integers(key)?.ok_or_else(|| configuration.missing(&[key]))?;
    if layers.is_empty() {
        return Ok(());
    }
    // They are counted from one.
    let places: Option<Vec<u64>> = layers.iter().map(|layer| layer.checked_sub(1)).collect();
    let places = places.ok_or_else(|| configuration.bad(key, &0, "layers counted from one"))?;
    out.counts("ple.layers", &places)?;
    for (key, name) in [
        ("ple.ngram_size", "ngram_size"),
        ("ple.heads_per_ngram", "heads_per_ngram"),
        ("ple.conv_kernel", "ple_conv_kernel_size"),
    ] {
        out.count(key, configuration.integer(name)?)?;
    }
    out.count("ple.eos_token_id", end_of_text(subject)?)?;
    if let Some(image) = configuration.optional_integer(&["image_token_id"])? {
        out.count("ple.image_token_id", image)?;
    }
    let lacks = |ending: &str| ConvertError::LackingTensor {
        tensor: format!("model.layers.{}.ple.{ending}", places[0]),
        architecture: FAMILY.architecture.to_owned(),
    };
    let find = |ending: &str| StoredBytes::find_ending(subject.files, ending)?.ok_or_else(|| lacks(ending));
    let part = find("ple_embedding.ngram_embedding.shard_0.weight")?;
    out.count("embedding_length_per_layer_input", part.columns())?;
    for (key, ending) in CONSTANTS {
        let constants = find(ending)?.integers().unwrap_or_default();
        let constants: Option<Vec<u64>> =
            constants.into_iter().map(|number| number.try_into().ok()).collect();
        let reason = || "expected whole numbers that are not negative".to_owned();
        let constants = constants.filter(|constants| !constants.is_empty());
        let constants =
            constants.ok_or_else(|| ConvertError::Numbers { tensor: ending.to_owned(), reason: reason() })?;
        out.set(key, constants);
    }
    Ok(())
}

/// The token at which groups begin anew.
fn end_of_text(subject: &Subject<'_>) -> Result<u64, ConvertError> {
    const KEY: &str = "eos_token_id";
    let configuration = &subject.model.configuration;
    let value = configuration.value(KEY).ok_or_else(|| configuration.missing(&[KEY]))?;
    let last = value.as_array().map_or(Some(value), |tokens| tokens.last());
    configuration.as_integer(KEY, last.ok_or_else(|| configuration.missing(&[KEY]))?)
}
