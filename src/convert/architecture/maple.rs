//! Deepgrove's Maple: experts in every layer, most layers of which see a window only.

use super::Family;
use super::common::{ATTENTION, EMBEDDINGS, EXPERTS, NORMS};
use crate::convert::hyperparameters::standard;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::{Configuration, ConvertError, Subject};

pub(super) const FAMILY: Family = Family {
    names: &["MapleForCausalLM"],
    architecture: "maple",
    adjust: |configuration, _| check(configuration),
    hyperparameters,
    tensors: &[ENDS, NORMS, ATTENTION, EXPERTS, ROUTER],
    ..Family::STANDARD
};

const ENDS: &[Rule] =
    &[Rule::keep("model.word_embeddings.*", "token_embd.*").required(), EMBEDDINGS[1], EMBEDDINGS[2]];

const ROUTER: &[Rule] = &[Rule::keep("model.layers.{}.mlp.gate.*", "blk.{}.ffn_gate_inp.*").required()];

/// The gates and values beyond which the model's code cuts off.
const CLAMP: f32 = 7.0;

/// What the runtime takes for granted.
fn check(configuration: &Configuration) -> Result<(), ConvertError> {
    let activation = configuration.text_value("hidden_act")?;
    if activation != Some("silu") {
        return Err(configuration.bad("hidden_act", &activation.unwrap_or("missing"), "silu"));
    }
    if let Some(shared) =
        configuration.optional_integer(&["num_shared_experts"])?.filter(|shared| *shared > 0)
    {
        return Err(configuration.bad("num_shared_experts", &shared, "0"));
    }
    for (key, otherwise) in [("norm_topk_prob", true), ("nope_on_global_attention", false)] {
        if !configuration.optional_flag(key)?.unwrap_or(otherwise) {
            return Err(configuration.bad(key, &false, "true"));
        }
    }
    Ok(())
}

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    standard(subject, out)?;
    let model = subject.model;
    let configuration = &model.configuration;
    let fraction = model.rope.common.optional_number(&["partial_rotary_factor"])?.unwrap_or(1.0);
    out.count("vocab_size", configuration.integer("vocab_size")?)?;
    out.count("rope.dimension_count", model.rotary_size(fraction)?)?;
    out.count("attention.sliding_window", configuration.integer("sliding_window")?)?;
    let sliding = model.layers_of_kind("sliding_attention")?;
    out.set(
        "attention.sliding_window_pattern",
        sliding.ok_or_else(|| configuration.missing(&["layer_types"]))?,
    );
    out.count("expert_feed_forward_length", configuration.integer("moe_intermediate_size")?)?;
    out.set("swiglu_clamp_exp", vec![CLAMP; model.layers as usize]);
    Ok(())
}
