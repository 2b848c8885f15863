//! iFlytek's Spark X2.5: attention with a gate for each head, most layers of which see a window only.

use super::Family;
use super::common::{EMBEDDINGS, GATED_FEED_FORWARD, NORMS};
use crate::convert::hyperparameters::standard;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::{Configuration, ConvertError, Subject};

pub(super) const FAMILY: Family = Family {
    names: &["Spark2_5ForCausalLM"],
    architecture: "spark2_5",
    adjust: |configuration, _| check(configuration),
    hyperparameters,
    tensors: &[EMBEDDINGS, NORMS, ATTENTION, GATED_FEED_FORWARD],
    ..Family::STANDARD
};

const ATTENTION: &[Rule] = &[
    Rule::keep("model.layers.{}.self_attn.q_k_v_proj.*", "blk.{}.attn_qkv.*").required(),
    Rule::keep("model.layers.{}.self_attn.g_proj.*", "blk.{}.attn_gate.*").required(),
    Rule::keep("model.layers.{}.self_attn.o_proj.*", "blk.{}.attn_output.*").required(),
];

/// The runtime knows one kind of gate and one activation.
fn check(configuration: &Configuration) -> Result<(), ConvertError> {
    for (key, expected) in [("gate_attn_act_mode", "sigmoid"), ("hidden_act", "gelu")] {
        let stated = configuration.text_value(key)?;
        if stated != Some(expected) {
            return Err(configuration.bad(key, &stated.unwrap_or("missing"), expected));
        }
    }
    if !configuration.flag("headwise_attn_output_gate")? {
        return Err(configuration.bad("headwise_attn_output_gate", &false, "true"));
    }
    Ok(())
}

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    standard(subject, out)?;
    let model = subject.model;
    let configuration = &model.configuration;
    out.count("vocab_size", configuration.integer("vocab_size")?)?;
    out.count("attention.sliding_window", configuration.integer("sliding_window")?)?;
    let sliding = model.layers_of_kind("sliding_attention")?;
    let sliding = sliding.ok_or_else(|| configuration.missing(&["layer_types"]))?;
    if sliding.len() as u64 != model.layers {
        let expected = format!("one for each of {} layers", model.layers);
        return Err(configuration.bad("layer_types", &format!("{} kinds", sliding.len()), &expected));
    }
    out.set("attention.sliding_window_pattern", sliding);
    let full = model.rope.full.number("partial_rotary_factor")?;
    out.count("rope.dimension_count", model.rotary_size(full)?)?;
    let near = model.rope.sliding.as_ref().unwrap_or(&model.rope.full).number("partial_rotary_factor")?;
    out.count("rope.dimension_count_swa", model.rotary_size(near)?)
}
