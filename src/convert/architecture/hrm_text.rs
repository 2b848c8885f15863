//! HRM-Text: two stacks of layers, run through several times in turn.

use std::borrow::Cow;

use super::Family;
use super::common::halves;
use crate::convert::hyperparameters::standard;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::weight::{Weight, WeightError};
use crate::convert::{ConvertError, Model, Subject};

pub(super) const FAMILY: Family = Family {
    names: &["HrmTextForCausalLM"],
    architecture: "hrm_text",
    adjust: |configuration, _| {
        // Configurations of training say only the number of each stack.
        let stated = configuration.optional_integer(&[STACK])?.filter(|layers| *layers > 0);
        let layers = stated.map_or_else(|| configuration.integer("num_hidden_layers"), Ok)?;
        configuration.set(STACK, layers);
        configuration.set("num_hidden_layers", layers.saturating_mul(2));
        Ok(())
    },
    hyperparameters,
    rename: |model, name| layer_name(model, name),
    tensors: &[TENSORS],
    ..Family::STANDARD
};

/// Layers of each of the two stacks.
const STACK: &str = "num_layers_per_stack";

const TENSORS: &[Rule] = &[
    Rule::keep("model.embed_tokens.*", "token_embd.*").required(),
    Rule::keep("lm_head.*", "output.*"),
    Rule::keep("model.z_L_init", "hrm.z_l_init"),
    Rule::split(
        "model.layers.{}.attn.gqkv_proj.weight",
        &["blk.{}.attn_gate.weight", "blk.{}.attn_q.weight", "blk.{}.attn_k.weight", "blk.{}.attn_v.weight"],
        quarters,
    )
    .required(),
    Rule::keep("model.layers.{}.attn.o_proj.*", "blk.{}.attn_output.*").required(),
    Rule::split(
        "model.layers.{}.mlp.gate_up_proj.weight",
        &["blk.{}.ffn_gate.weight", "blk.{}.ffn_up.weight"],
        halves,
    )
    .required(),
    Rule::keep("model.layers.{}.mlp.down_proj.*", "blk.{}.ffn_down.*").required(),
];

/// The low stack comes first, the high one after it.
fn layer_name<'n>(model: &Model, name: &'n str) -> Option<Cow<'n, str>> {
    if let Some(rest) = name.strip_prefix("model.L_module.layers.") {
        return Some(format!("model.layers.{rest}").into());
    }
    let high = name.strip_prefix("model.H_module.layers.").and_then(|rest| rest.split_once('.'));
    let high = high.and_then(|(number, rest)| Some((number.parse::<u64>().ok()?, rest)));
    Some(match high {
        Some((number, rest)) => {
            format!("model.layers.{}.{rest}", number.saturating_add(model.main_layers / 2)).into()
        }
        None => name.into(),
    })
}

/// Gate, queries, keys and values, of which there are equally many.
fn quarters(_: &Model, weight: Weight) -> Result<Vec<Weight>, WeightError> {
    let quarter = weight.row_count() / 4;
    (0..4)
        .map(|index| {
            weight.clone().rows(|derivation| derivation.slice(0, index * quarter..(index + 1) * quarter))
        })
        .collect()
}

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    standard(subject, out)?;
    let model = subject.model;
    let configuration = &model.configuration;
    let stack = configuration.integer(STACK)?;
    let (high, low) = (configuration.integer("H_cycles")?, configuration.integer("L_cycles")?);
    // What the runtime counts is how often a layer is run.
    out.count("block_count", stack.saturating_mul(high).saturating_mul(low.saturating_add(1)))?;
    out.count("rope.dimension_count", model.head_size()?)?;
    out.float("embedding_scale", configuration.number("embedding_scale")?);
    out.count("hrm.layers_per_stack", stack)?;
    out.count("hrm.h_cycles", high)?;
    out.count("hrm.l_cycles", low)?;
    out.set("hrm.prefix_lm", configuration.flag("prefix_lm")?);
    Ok(())
}
