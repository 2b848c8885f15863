//! StepFun's Step 3.5 and 3.7: full and sliding attention with different numbers of heads, and gates on them.

use super::Family;
use super::common::{
    DENSE_LAYERS, EMBEDDINGS, NORMS_AROUND_ZERO, add_one, replaced, text_name, without_single_axes,
};
use super::{prediction, vision};
use crate::convert::hyperparameters::standard;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::weight::Generated;
use crate::convert::{ConvertError, Model, Subject};
use crate::plan::Derivation;

pub(super) const FAMILY: Family = Family {
    names: &["Step3p5ForCausalLM", "Step3p7ForConditionalGeneration"],
    architecture: "step35",
    adjust: |configuration, _| {
        // One base a layer: those of the first layer, which attends to everything, and the second, which
        // slides.
        if let Some(bases) = configuration.value("rope_theta").filter(|value| value.is_array()) {
            let (full, sliding) = (bases.get(0).cloned(), bases.get(1).cloned());
            configuration.set("rope_theta", full.unwrap_or_default());
            configuration.set("local_rope_theta", sliding.unwrap_or_default());
        }
        Ok(())
    },
    predicted_layers: prediction::stated,
    hyperparameters,
    generated: rope_factors,
    rename: |model, name| {
        let text = text_name(name)?;
        if !prediction::is_beyond(model, &text) {
            return Some(text);
        }
        let text = replaced(text, ".transformer.", ".");
        Some(replaced(text, "shared_head.output", "shared_head.head"))
    },
    tensors: &[
        NORMS_AROUND_ZERO,
        PREDICTION_NORMS,
        &[EMBEDDINGS[0], EMBEDDINGS[2]],
        ATTENTION,
        DENSE_LAYERS,
        EXPERTS,
        prediction::PREDICTION,
    ],
    projector: Some(&vision::step3::PROJECTOR),
    ..Family::STANDARD
};

/// The norms of the layers that predict further tokens, around zero too.
const PREDICTION_NORMS: &[Rule] = &[
    Rule::step("model.layers.{}.enorm.weight", "blk.{}.nextn.enorm.weight", add_one),
    Rule::step("model.layers.{}.hnorm.weight", "blk.{}.nextn.hnorm.weight", add_one),
    Rule::step("model.layers.{}.shared_head.norm.weight", "blk.{}.nextn.shared_head_norm.weight", add_one),
];

const ATTENTION: &[Rule] = &[
    Rule::keep("model.layers.{}.self_attn.q_proj.*", "blk.{}.attn_q.*").required(),
    Rule::keep("model.layers.{}.self_attn.k_proj.*", "blk.{}.attn_k.*").required(),
    Rule::keep("model.layers.{}.self_attn.v_proj.*", "blk.{}.attn_v.*").required(),
    Rule::keep("model.layers.{}.self_attn.o_proj.*", "blk.{}.attn_output.*").required(),
    Rule::step("model.layers.{}.self_attn.g_proj.weight", "blk.{}.attn_gate.weight", without_single_axes),
];

const EXPERTS: &[Rule] = &[
    Rule::step("model.layers.{}.moe.gate.weight", "blk.{}.ffn_gate_inp.weight", without_single_axes),
    Rule::keep("model.layers.{}.moe.router_bias", "blk.{}.exp_probs_b.bias"),
    Rule::step("model.layers.{}.moe.gate_proj.weight", "blk.{}.ffn_gate_exps.weight", without_single_axes),
    Rule::step("model.layers.{}.moe.up_proj.weight", "blk.{}.ffn_up_exps.weight", without_single_axes),
    Rule::step("model.layers.{}.moe.down_proj.weight", "blk.{}.ffn_down_exps.weight", without_single_axes),
    Rule::keep("model.layers.{}.share_expert.gate_proj.*", "blk.{}.ffn_gate_shexp.*"),
    Rule::keep("model.layers.{}.share_expert.up_proj.*", "blk.{}.ffn_up_shexp.*"),
    Rule::keep("model.layers.{}.share_expert.down_proj.*", "blk.{}.ffn_down_shexp.*"),
];

/// Layer by layer, those that predict further tokens included, whether attention slides.
fn sliding_layers(model: &Model) -> Result<Vec<bool>, ConvertError> {
    let mut sliding = model.layers_of_kind("sliding_attention")?.unwrap_or_default();
    sliding.resize(model.layers as usize, false);
    Ok(sliding)
}

/// The part of a head that each layer rotates: half in full attention, all of it in sliding attention.
fn check_rotated_parts(model: &Model, sliding: &[bool]) -> Result<(), ConvertError> {
    const KEY: &str = "partial_rotary_factors";
    let parts = model.configuration.numbers(KEY)?.unwrap_or_default();
    let expected = sliding.iter().map(|sliding| if *sliding { 1.0 } else { 0.5 });
    match parts.iter().zip(expected).position(|(part, expected)| *part != expected) {
        Some(layer) => {
            let expected = format!("1 in layers of sliding attention and 0.5 in others; see layer {layer}");
            Err(model.configuration.bad(KEY, &parts[layer], &expected))
        }
        None => Ok(()),
    }
}

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    standard(subject, out)?;
    let model = subject.model;
    let configuration = &model.configuration;
    let sliding = sliding_layers(model)?;
    check_rotated_parts(model, &sliding)?;
    let other = configuration.part("attention_other_setting");
    for (key, name) in
        [("attention.head_count", "num_attention_heads"), ("attention.head_count_kv", "num_attention_groups")]
    {
        let full = configuration.integer(name)?;
        let other = other.as_ref().map_or(Ok(None), |part| part.optional_integer(&[name]))?.unwrap_or(full);
        let counts: Vec<u64> = sliding.iter().map(|sliding| if *sliding { other } else { full }).collect();
        out.counts(key, &counts)?;
    }
    out.count("attention.sliding_window", configuration.integer("sliding_window")?)?;
    out.set("attention.sliding_window_pattern", sliding);
    out.count("attention.value_length", configuration.integer("head_dim")?)?;
    for (key, name) in [
        ("expert_count", "moe_num_experts"),
        ("expert_used_count", "moe_top_k"),
        ("expert_feed_forward_length", "moe_intermediate_size"),
        ("expert_shared_feed_forward_length", "share_expert_dim"),
    ] {
        out.count(key, configuration.integer(name)?)?;
    }
    if let Some(scale) = configuration.optional_number(&["moe_router_scaling_factor"])? {
        out.float("expert_weights_scale", scale);
    }
    if let Some(norm) = configuration.optional_flag("norm_expert_weight")? {
        out.set("expert_weights_norm", norm);
    }
    out.count("leading_dense_block_count", leading_dense(model)?)?;
    let interval = configuration.optional_integer(&["moe_every_n_layer"])?.unwrap_or(1);
    out.count("moe_every_n_layers", interval)?;
    let epsilon = configuration.optional_number(&["rms_norm_eps"])?;
    out.float("attention.layer_norm_rms_epsilon", epsilon.unwrap_or(1e-5));
    for (key, name) in [("swiglu_clamp_exp", "swiglu_limits"), ("swiglu_clamp_shexp", "swiglu_limits_shared")]
    {
        if let Some(limits) = configuration.limits(name, model.layers)? {
            out.floats(key, &limits);
        }
    }
    prediction::write(model, out)
}

/// The layers before the first with experts, which are listed in a text.
fn leading_dense(model: &Model) -> Result<u64, ConvertError> {
    const KEY: &str = "moe_layers_enum";
    let listed = model.configuration.text_value(KEY)?.unwrap_or_default().trim();
    if listed.is_empty() {
        return Ok(0);
    }
    let numbers: Result<Vec<u64>, _> = listed.split(',').map(|number| number.trim().parse()).collect();
    let numbers =
        numbers.map_err(|_| model.configuration.bad(KEY, &listed, "numbers with commas between them"))?;
    Ok(numbers.into_iter().min().unwrap_or(0))
}

/// Slowed frequencies for the rotated half of full attention; all others stay as they are.
fn rope_factors(model: &Model, _: &mut Parameters) -> Result<Generated, ConvertError> {
    let size = model.head_size()?;
    let Some(mut factors) = model.rope.precise_llama3_factors(size / 2)? else { return Ok(Vec::new()) };
    factors.resize((size / 2) as usize, 1.0);
    let derivation = Derivation::values(factors, &[size / 2]);
    let derivation = derivation
        .map_err(|reason| ConvertError::Dimensions { tensor: "rope_freqs.weight".to_owned(), reason })?;
    Ok(vec![("rope_freqs.weight", derivation)])
}
