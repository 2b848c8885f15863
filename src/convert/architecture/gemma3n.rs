//! Gemma 3n: several streams of embeddings, embeddings of its own in every layer, and activations made
//! sparse.

use super::common::{GATED_FEED_FORWARD, text_name};
use super::{Family, gemma3};
use crate::convert::configuration::{Class, Part};
use crate::convert::model::MAX_LAYERS;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::weight::{Weight, WeightError};
use crate::convert::{Configuration, ConvertError, Model, Subject};
use crate::plan::Derivation;

pub(super) const FAMILY: Family = Family {
    names: &["Gemma3nForCausalLM", "Gemma3nForConditionalGeneration"],
    architecture: "gemma3n",
    classes: &[
        Class::of_parts("gemma3n", &[Part::of("text_config", "gemma3n_text")]),
        Class::new(
            "gemma3n_text",
            &[],
            r#"{"vocab_size": 262400, "vocab_size_per_layer_input": 262144, "max_position_embeddings": 32768,
            "hidden_size": 2048, "intermediate_size": 16384, "num_hidden_layers": 35,
            "num_attention_heads": 8, "num_key_value_heads": 2, "head_dim": 256, "rms_norm_eps": 1e-6,
            "rope_theta": 1000000.0, "rope_local_base_freq": 10000.0, "sliding_window": 512,
            "altup_active_idx": 0, "altup_num_inputs": 4, "hidden_size_per_layer_input": 256,
            "num_kv_shared_layers": 15, "final_logit_softcapping": 30.0}"#,
        ),
    ],
    adjust: |configuration, _| one_value_a_layer(configuration),
    tokenizer: Flavour::GEMMA3,
    hyperparameters,
    rename: |_, name| {
        let own = ["model.embed_audio.", "model.embed_vision.", "model.audio_tower.", "model.vision_tower."];
        let other = own.iter().any(|start| name.starts_with(start));
        if other { None } else { text_name(name) }
    },
    tensors: &[TRUNK, LAYERS, super::common::ATTENTION, GATED_FEED_FORWARD],
    ..Family::STANDARD
};

const TRUNK: &[Rule] = &[
    Rule::step("model.embed_tokens.weight", "token_embd.weight", padded).required(),
    Rule::step("model.embed_tokens_per_layer.weight", "per_layer_token_embd.weight", padded).required(),
    Rule::keep("model.norm.*", "output_norm.*").required(),
    Rule::keep("lm_head.*", "output.*"),
    Rule::keep("model.per_layer_model_projection.*", "per_layer_model_proj.*").required(),
    Rule::keep("model.per_layer_projection_norm.*", "per_layer_proj_norm.*").required(),
    Rule::stack("model.altup_projections.{}.weight", "altup_proj.weight", further_streams),
    Rule::stack("model.altup_unembed_projections.{}.weight", "altup_unembd_proj.weight", further_streams),
];

const LAYERS: &[Rule] = &[
    Rule::keep("model.layers.{}.input_layernorm.*", "blk.{}.attn_norm.*").required(),
    Rule::keep("model.layers.{}.post_attention_layernorm.*", "blk.{}.post_attention_norm.*").required(),
    Rule::keep("model.layers.{}.pre_feedforward_layernorm.*", "blk.{}.ffn_norm.*").required(),
    Rule::keep("model.layers.{}.post_feedforward_layernorm.*", "blk.{}.post_ffw_norm.*").required(),
    Rule::keep("model.layers.{}.altup.correct_output_scale", "blk.{}.altup_correct_scale.weight"),
    Rule::keep("model.layers.{}.altup.correction_coefs.*", "blk.{}.altup_correct_coef.*"),
    Rule::keep("model.layers.{}.altup.prediction_coefs.*", "blk.{}.altup_predict_coef.*"),
    Rule::keep("model.layers.{}.altup.modality_router.*", "blk.{}.altup_router.*"),
    Rule::keep("model.layers.{}.altup.router_norm.*", "blk.{}.altup_router_norm.*"),
    Rule::keep("model.layers.{}.laurel.linear_left.*", "blk.{}.laurel_l.*"),
    Rule::keep("model.layers.{}.laurel.linear_right.*", "blk.{}.laurel_r.*"),
    Rule::keep("model.layers.{}.laurel.post_laurel_norm.*", "blk.{}.laurel_post_norm.*"),
    Rule::keep("model.layers.{}.per_layer_input_gate.*", "blk.{}.inp_gate.*"),
    Rule::keep("model.layers.{}.per_layer_projection.*", "blk.{}.proj.*"),
    Rule::keep("model.layers.{}.post_per_layer_input_norm.*", "blk.{}.post_norm.*"),
];

/// Streams beyond the first.
fn further_streams(model: &Model) -> Result<u64, ConvertError> {
    Ok(model.configuration.integer("altup_num_inputs")?.saturating_sub(1))
}

/// Embeddings with rows of zeros for the tokens of pictures and sounds, which have none.
fn padded(model: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let rows = weight.row_count();
    let missing = model.configuration.integer("vocab_size")?.saturating_sub(rows);
    if missing == 0 {
        return Ok(weight);
    }
    let derivation = weight.whole()?;
    let dimensions = derivation.dimensions();
    let columns = dimensions.get(1..).unwrap_or_default();
    let zeros = Derivation::filled(0.0, &[&[missing], columns].concat())?;
    Ok(Weight::Whole(Derivation::concatenate(0, vec![derivation, zeros])?))
}

/// The class gives every layer a width, a sparsity and a kind of attention of its own.
fn one_value_a_layer(configuration: &mut Configuration) -> Result<(), ConvertError> {
    // More are refused later.
    let layers = configuration.integer("num_hidden_layers")?.min(MAX_LAYERS) as usize;
    if let Ok(Some(width)) = configuration.optional_integer(&["intermediate_size"]) {
        configuration.set("intermediate_size", vec![width; layers]);
    }
    if configuration.value("layer_types").is_none() {
        let kind =
            |number: usize| if number.is_multiple_of(5) { "full_attention" } else { "sliding_attention" };
        configuration.set("layer_types", (1..=layers).map(kind).collect::<Vec<_>>());
    }
    let sparsity = configuration.optional_number(&["activation_sparsity_pattern"]);
    match (configuration.value("activation_sparsity_pattern"), sparsity) {
        (Some(_), Ok(Some(all))) => configuration.set("activation_sparsity_pattern", vec![all; layers]),
        (None, _) => {
            let sparse = |layer: usize| if layer < 10 && layers > 10 { 0.95 } else { 0.0 };
            let pattern: Vec<f64> = (0..layers).map(sparse).collect();
            configuration.set("activation_sparsity_pattern", pattern);
        }
        _ => {}
    }
    Ok(())
}

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    gemma3::hyperparameters(subject, out)?;
    let configuration = &subject.model.configuration;
    out.count("altup.active_idx", configuration.integer("altup_active_idx")?)?;
    out.count("altup.num_inputs", configuration.integer("altup_num_inputs")?)?;
    let width = configuration.integer("hidden_size_per_layer_input")?;
    out.count("embedding_length_per_layer_input", width)?;
    out.count("attention.shared_kv_layers", configuration.integer("num_kv_shared_layers")?)?;
    let sparsity = configuration.numbers("activation_sparsity_pattern")?.unwrap_or_default();
    let scale: Vec<f32> = sparsity.into_iter().map(|share| normal_quantile(share as f32)).collect();
    out.set("activation_sparsity_scale", scale);
    let sliding = subject.model.layers_of_kind("sliding_attention")?.unwrap_or_default();
    out.set("attention.sliding_window_pattern", sliding);
    Ok(())
}

/// The number of standard deviations below which this share of a normal distribution lies, rounded where
/// PyTorch rounds: the root of two times the inverse error function of twice the share less one, in single
/// precision.
fn normal_quantile(share: f32) -> f32 {
    inverse_error_function(f64::from(2.0 * share - 1.0)) as f32 * std::f32::consts::SQRT_2
}

/// The inverse of the error function, by Newton's method from an estimate with elementary functions.
fn inverse_error_function(value: f64) -> f64 {
    if value.abs() >= 1.0 {
        return if value.abs() == 1.0 { f64::INFINITY.copysign(value) } else { f64::NAN };
    }
    // S. Winitzki's estimate, good to two parts in a thousand.
    let logarithm = (1.0 - value * value).ln();
    let half = 2.0 / (std::f64::consts::PI * 0.147) + logarithm / 2.0;
    let mut x = ((half * half - logarithm / 0.147).sqrt() - half).sqrt().copysign(value);
    for _ in 0..6 {
        let slope = 2.0 / std::f64::consts::PI.sqrt() * (-x * x).exp();
        x -= (error_function(x) - value) / slope;
    }
    x
}

/// The error function to double precision, by its series and its continued fraction.
fn error_function(x: f64) -> f64 {
    let scale = 2.0 / std::f64::consts::PI.sqrt();
    if x.abs() < 3.0 {
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        return scale * sum;
    }
    let fraction = (1..=60).rev().fold(x.abs(), |tail, n| x.abs() + f64::from(n) / 2.0 / tail);
    (1.0 - (-x * x).exp() / (fraction * std::f64::consts::PI.sqrt())).copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_the_normal_distribution() {
        // PyTorch 2.11: torch.distributions.Normal(0, 1).icdf(torch.tensor(0.95)).
        assert_eq!(f64::from(normal_quantile(0.95)), 1.644_853_591_918_945_3);
        assert_eq!(normal_quantile(0.0), f32::NEG_INFINITY);
        assert_eq!(normal_quantile(0.5), 0.0);
    }
}
