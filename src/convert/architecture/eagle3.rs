//! EAGLE 3: one layer of Llama that predicts the tokens of another model from what three of its layers come
//! to.

use std::borrow::Cow;

use super::Family;
use super::common::{GATED_FEED_FORWARD, NORMS, text_name};
use super::draft::{self, ENDS, FEATURES, LAYER_CONFIGURATION};
use super::llama::{self, PAIRED_ATTENTION};
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::shapes::{ANY, QUERIES, WIDTH};
use crate::convert::weight::Generated;
use crate::convert::{Configuration, ConvertError, Model};

pub(super) const FAMILY: Family = Family {
    names: &[
        "LlamaForCausalLMEagle3",
        "Eagle3LlamaForCausalLM",
        "Eagle3Speculator",
        "Eagle3DraftModel",
        "LlamaForCausalLM",
    ],
    architecture: "eagle3",
    drafts: true,
    applies: |configuration| {
        let layer = configuration.part(LAYER_CONFIGURATION);
        let layers = layer.as_ref().unwrap_or(configuration).optional_integer(&["num_hidden_layers"]);
        configuration.has("draft_vocab_size") && layers == Ok(Some(1))
    },
    adjust: |configuration, _| {
        configuration.take_over(LAYER_CONFIGURATION);
        Ok(())
    },
    hyperparameters: llama::hyperparameters,
    generated,
    rename: |_, name| rename(name),
    tensors: &[ENDS, NORMS, PAIRED_ATTENTION, GATED_FEED_FORWARD, FEATURE_TENSORS],
    appended: |model, files| draft::token_table(model, files, draft::target(model)?.integer("vocab_size")?),
    // Attention takes the features of another model too, and the head has tokens of its own.
    shapes: &[
        ("output.weight", &[&[WIDTH, ANY]]),
        ("attn_q.weight", &[&[ANY, QUERIES]]),
        ("attn_k.weight", &[&[ANY, ANY]]),
        ("attn_v.weight", &[&[ANY, ANY]]),
        ("output_norm.weight", &[&[WIDTH], &[ANY]]),
    ],
    ..Family::STANDARD
};

const FEATURE_TENSORS: &[Rule] = &[
    FEATURES,
    Rule::keep("input_norm.weight", "enc.output_norm.weight"),
    Rule::keep("model.layers.{}.hidden_norm.weight", "blk.{}.attn_norm_2.weight").required(),
];

/// Some call the only layer otherwise. Tables of tokens are no weights.
fn rename(name: &str) -> Option<Cow<'_, str>> {
    match name.strip_prefix("midlayer.") {
        Some(rest) => Some(format!("model.layers.0.{rest}").into()),
        None if ["d2t", "t2d"].contains(&name) => None,
        None => text_name(name),
    }
}

/// What is said of the target comes before all else.
fn generated(model: &Model, out: &mut Parameters) -> Result<Generated, ConvertError> {
    let configuration = &model.configuration;
    let target = draft::target(model)?;
    out.counts("target_layers", &target_layers(configuration, &target)?)?;
    let own = configuration.value("target_hidden_size").map(|_| configuration);
    let (place, key) = own.map_or((&target, "hidden_size"), |own| (own, "target_hidden_size"));
    out.count("target_hidden_size", place.integer(key)?)?;
    out.set("norm_before_residual", configuration.flag("norm_before_residual")?);
    out.set("norm_before_fc", configuration.flag("norm_before_fc")?);
    llama::rope_factors(model, out)
}

/// The layers of the target whose states the draft sees: those that it was trained with, or one near the
/// beginning, the middle and one near the end.
fn target_layers(configuration: &Configuration, target: &Configuration) -> Result<Vec<u64>, ConvertError> {
    let stated = configuration.integers("eagle_aux_hidden_state_layer_ids")?.unwrap_or_default();
    if !stated.is_empty() {
        return Ok(stated);
    }
    let layers = target.integer("num_hidden_layers")?;
    let last = layers.checked_sub(3).ok_or_else(|| target.bad("num_hidden_layers", &layers, "at least 3"))?;
    Ok(vec![2, layers / 2, last])
}
