//! Inception's Jais: GPT-2 with a gate and slopes instead of positions, and Jais 2.

use super::Family;
use super::common::{ATTENTION, EMBEDDINGS, NORMS, UNGATED_FEED_FORWARD, inside_transformer};
use super::gpt2::{self, is_mask, outputs_first};
use crate::convert::hyperparameters::{file_type_here, standard};
use crate::convert::numbers::Numbers;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::weight::{Weight, WeightError};
use crate::convert::{Configuration, ConvertError, Model};
use crate::plan::{Constant, Operation};

pub(super) const FIRST: Family = Family {
    names: &["JAISLMHeadModel"],
    architecture: "jais",
    adjust: |configuration, _| {
        for (key, expected) in [("activation_function", "swiglu"), ("position_embedding_type", "alibi")] {
            let stated = configuration.text_value(key)?;
            if stated != Some(expected) {
                return Err(configuration.bad(key, &stated.unwrap_or("missing"), expected));
            }
        }
        Ok(())
    },
    hyperparameters: |subject, out| {
        let model = subject.model;
        let configuration = &model.configuration;
        out.count("block_count", model.layers)?;
        out.count("context_length", configuration.integer("n_positions")?)?;
        out.count("embedding_length", model.hidden_size()?)?;
        out.count("feed_forward_length", configuration.integer("n_inner")?)?;
        out.count("attention.head_count", model.heads()?)?;
        out.float("attention.layer_norm_epsilon", configuration.number("layer_norm_epsilon")?);
        file_type_here(out);
        Ok(())
    },
    measured: largest_bias,
    rename: |_, name| (!is_mask(name)).then(|| inside_transformer(name)),
    tensors: &[SCALED, gpt2::NORMS, gpt2::LAYERS, GATE],
    ..Family::STANDARD
};

const SCALED: &[Rule] = &[
    Rule::step("wte.*", "token_embd.*", scaled_embeddings).required(),
    Rule::step("lm_head.*", "output.*", scaled_output),
    Rule::drop(SLOPES),
];

const GATE: &[Rule] = &[
    Rule::step("h.{}.mlp.c_fc2.weight", "blk.{}.ffn_gate.weight", outputs_first).required(),
    Rule::keep("h.{}.mlp.c_fc2.bias", "blk.{}.ffn_gate.bias"),
];

/// The slope of each head's bias against distant tokens.
const SLOPES: &str = "relative_pe.slopes";

/// The largest bias, from the slope of the first head (llama.cpp, `conversion/jais.py`).
fn largest_bias(model: &Model, numbers: &Numbers<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    const USUAL: f64 = 8.0;
    let slopes = numbers.of(&format!("transformer.{SLOPES}"))?;
    let first = slopes.and_then(|slopes| slopes.first().copied()).filter(|slope| *slope > 0.0);
    let bias = first.map_or(Ok(USUAL), |slope| {
        let heads = 2_f64.powi(model.heads()?.ilog2() as i32);
        Ok::<_, ConvertError>(-(f64::from(slope).log2() * heads).round_ties_even())
    });
    out.float("attention.max_alibi_bias", bias?);
    Ok(())
}

fn scaled_embeddings(model: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let scale = model.configuration.number_of(&["mup_embeddings_scale", "embeddings_scale"])?;
    weight.map(Operation::Multiply(Constant::new(scale)))
}

fn scaled_output(model: &Model, weight: Weight) -> Result<Weight, WeightError> {
    weight.map(Operation::Multiply(Constant::new(output_scale(&model.configuration)?)))
}

fn output_scale(configuration: &Configuration) -> Result<f64, ConvertError> {
    match configuration.optional_number(&["mup_output_alpha"])? {
        Some(alpha) => Ok(alpha * configuration.number("mup_width_scale")?),
        None => configuration.number("width_scale"),
    }
}

pub(super) const SECOND: Family = Family {
    names: &["Jais2ForCausalLM"],
    architecture: "jais2",
    hyperparameters: |subject, out| {
        standard(subject, out)?;
        out.count("rope.dimension_count", subject.model.head_size()?)
    },
    tensors: &[EMBEDDINGS, NORMS, ATTENTION, UNGATED_FEED_FORWARD],
    ..Family::STANDARD
};
