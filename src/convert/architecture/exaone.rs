//! LG's EXAONE 3 and 4.

use super::common::{ATTENTION, EMBEDDINGS, GATED_FEED_FORWARD, inside_transformer};
use super::{Family, llama};
use crate::convert::configuration::{Class, Derived};
use crate::convert::hyperparameters::standard;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::{ConvertError, Model, Subject};

pub(super) const THIRD: Family = Family {
    names: &["ExaoneForCausalLM"],
    architecture: "exaone",
    adjust: |configuration, _| match configuration.text_value("activation_function")? {
        Some("silu") => Ok(()),
        other => Err(configuration.bad("activation_function", &other.unwrap_or("missing"), "silu")),
    },
    hyperparameters: |subject, out| {
        standard(subject, out)?;
        let model = subject.model;
        let fraction = model.rope.common.optional_number(&["partial_rotary_factor"])?.unwrap_or(1.0);
        let share = model.hidden_size()? / model.heads()?;
        out.count("rope.dimension_count", (fraction * share as f64) as u64)
    },
    generated: llama::rope_factors,
    rename: |_, name| Some(inside_transformer(name)),
    tensors: &[THIRD_TENSORS],
    ..Family::STANDARD
};

const THIRD_TENSORS: &[Rule] = &[
    Rule::keep("wte.*", "token_embd.*").required(),
    Rule::keep("ln_f.*", "output_norm.*").required(),
    Rule::keep("lm_head.*", "output.*"),
    Rule::keep("h.{}.ln_1.*", "blk.{}.attn_norm.*").required(),
    Rule::keep("h.{}.ln_2.*", "blk.{}.ffn_norm.*").required(),
    Rule::keep("h.{}.attn.attention.q_proj.*", "blk.{}.attn_q.*").required(),
    Rule::keep("h.{}.attn.attention.k_proj.*", "blk.{}.attn_k.*").required(),
    Rule::keep("h.{}.attn.attention.v_proj.*", "blk.{}.attn_v.*").required(),
    Rule::keep("h.{}.attn.attention.out_proj.*", "blk.{}.attn_output.*").required(),
    Rule::keep("h.{}.mlp.c_fc_0.*", "blk.{}.ffn_gate.*").required(),
    Rule::keep("h.{}.mlp.c_fc_1.*", "blk.{}.ffn_up.*").required(),
    Rule::keep("h.{}.mlp.c_proj.*", "blk.{}.ffn_down.*").required(),
    Rule::drop("h.{}.attn.rotary.inv_freq"),
];

pub(super) const FOURTH: Family = Family {
    names: &["Exaone4ForCausalLM"],
    architecture: "exaone4",
    classes: &[Class::new(
        "exaone4",
        &[Derived::HeadSize],
        r#"{"vocab_size": 102400, "max_position_embeddings": 2048, "hidden_size": 4096,
        "intermediate_size": 16384, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 32, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "sliding_window": 4096,
        "sliding_window_pattern": 4}"#,
    )],
    hyperparameters: |subject, out| {
        standard(subject, out)?;
        let configuration = &subject.model.configuration;
        out.count("vocab_size", configuration.integer("vocab_size")?)?;
        sliding_window(subject, out)
    },
    generated: llama::rope_factors,
    tensors: &[EMBEDDINGS, ATTENTION, LATE_NORMS, GATED_FEED_FORWARD],
    ..Family::STANDARD
};

/// Norms after attention and after the feed-forward network.
pub(super) const LATE_NORMS: &[Rule] = &[
    Rule::keep("model.layers.{}.post_attention_layernorm.*", "blk.{}.post_attention_norm.*").required(),
    Rule::keep("model.layers.{}.post_feedforward_layernorm.*", "blk.{}.post_ffw_norm.*").required(),
];

/// Writes how far layers see, and which do.
fn sliding_window(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let configuration = &subject.model.configuration;
    let Some(window) = configuration.optional_integer(&["sliding_window"])? else { return Ok(()) };
    out.count("attention.sliding_window", window)?;
    let kinds = subject.model.layers_of_kind("sliding_attention")?;
    if let Some(sliding) = kinds.map_or_else(|| pattern(subject.model), |kinds| Ok(Some(kinds)))? {
        out.set("attention.sliding_window_pattern", sliding);
    }
    Ok(())
}

/// Layer by layer whether it slides, by a pattern: `LLLG`, or every how manieth layer does not.
fn pattern(model: &Model) -> Result<Option<Vec<bool>>, ConvertError> {
    const KEY: &str = "sliding_window_pattern";
    let layers = model.main_layers;
    let configuration = &model.configuration;
    match configuration.value(KEY) {
        None => Ok(None),
        Some(pattern) => match pattern.as_str() {
            Some("") => Err(configuration.bad(KEY, pattern, "a letter a layer")),
            Some(letters) => {
                Ok(Some(letters.chars().cycle().take(layers as usize).map(|kind| kind == 'L').collect()))
            }
            None => {
                let every = configuration.as_integer(KEY, pattern)?.max(1);
                Ok(Some((1..=layers).map(|number| number % every != 0).collect()))
            }
        },
    }
}
