//! Preferred Networks' PLaMo 1 to 3.

use super::Family;
use super::common::{EMBEDDINGS, GATED_FEED_FORWARD, add_one, flat_kernel, where_present};
use crate::convert::hyperparameters::{file_type_here, key_and_value_length, standard};
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::weight::{Weight, WeightError, regroup_rows};
use crate::convert::{Configuration, ConvertError, Model, Subject};
use crate::plan::{Constant, Operation};

pub(super) const FIRST: Family = Family {
    names: &["PlamoForCausalLM"],
    architecture: "plamo",
    tokenizer: Flavour::SENTENCE_PIECE,
    hyperparameters: |subject, out| {
        let model = subject.model;
        let configuration = &model.configuration;
        // The configuration does not say.
        out.count("context_length", 4096)?;
        out.count("embedding_length", model.hidden_size()?)?;
        out.count("feed_forward_length", configuration.integer("intermediate_size")?)?;
        out.count("block_count", model.layers)?;
        out.count("attention.head_count", model.heads()?)?;
        out.count("attention.head_count_kv", GROUPS)?;
        out.float("attention.layer_norm_rms_epsilon", configuration.number("rms_norm_eps")?);
        file_type_here(out);
        Ok(())
    },
    rename: |_, name| {
        // The layers are a module of their own.
        let name = name.replacen("model.layers.layers.", "model.layers.", 1);
        (!super::common::is_buffer(&name)).then(|| name.into())
    },
    tensors: &[EMBEDDINGS, FIRST_LAYERS, GATED_FEED_FORWARD],
    ..Family::STANDARD
};

/// Heads of keys and values, whatever the configuration says.
const GROUPS: u64 = 5;

const FIRST_LAYERS: &[Rule] = &[
    Rule::keep("model.layers.{}.norm.*", "blk.{}.attn_norm.*").required(),
    Rule::step("model.layers.{}.self_attn.q_proj.*", "blk.{}.attn_q.*", queries_by_group).required(),
    Rule::keep("model.layers.{}.self_attn.k_proj.*", "blk.{}.attn_k.*").required(),
    Rule::keep("model.layers.{}.self_attn.v_proj.*", "blk.{}.attn_v.*").required(),
    Rule::step("model.layers.{}.self_attn.o_proj.weight", "blk.{}.attn_output.weight", |model, weight| {
        queries_by_group(model, weight.transposed()?)?.transposed()
    })
    .required(),
];

/// Neighbouring queries have different keys; the runtime wants those of one key together.
fn queries_by_group(model: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let (shared, size) = (model.heads()? / GROUPS, model.head_size()?);
    weight.rows(|derivation| regroup_rows(derivation, &[shared, GROUPS, size], &[1, 0, 2]))
}

/// Attention in some layers, state spaces in the others.
pub(super) const SECOND: Family = Family {
    names: &["Plamo2ForCausalLM", "PLaMo2ForCausalLM"],
    architecture: "plamo2",
    tokenizer: Flavour::PLAMO,
    hyperparameters: second_hyperparameters,
    tensors: &[TRUNK, LAYERS, STATE_SPACES],
    ..Family::STANDARD
};

pub(super) const THIRD: Family = Family {
    names: &["Plamo3ForCausalLM", "PLaMo3ForCausalLM"],
    architecture: "plamo3",
    adjust: |configuration, _| slowed_rope(configuration),
    tokenizer: Flavour { chat_template: true, ..Flavour::PLAMO },
    hyperparameters: |subject, out| {
        standard(subject, out)?;
        let configuration = &subject.model.configuration;
        out.count("vocab_size", configuration.integer("vocab_size")?)?;
        let Some(window) = configuration.optional_integer(&["window_size", "sliding_window"])? else {
            return Ok(());
        };
        out.count("attention.sliding_window", window)?;
        sliding_pattern(configuration, out)
    },
    tensors: &[TRUNK, LAYERS],
    ..Family::STANDARD
};

const TRUNK: &[Rule] = &[
    Rule::keep("model.embed_tokens.*", "token_embd.*").required(),
    Rule::step("model.norm.weight", "output_norm.weight", add_one).required(),
    Rule::keep("lm_head.*", "output.*"),
];

/// Norms around both parts of a layer, each stored around the number that it begins training with.
const LAYERS: &[Rule] = &[
    Rule::step("model.layers.layers.{}.pre_mixer_norm.weight", "blk.{}.attn_norm.weight", add_one).required(),
    Rule::step("model.layers.layers.{}.post_mixer_norm.weight", "blk.{}.post_attention_norm", |_, weight| {
        weight.map(Operation::Add(Constant::new(1.0 / 5.0)))
    })
    .required(),
    Rule::step("model.layers.layers.{}.pre_mlp_norm.weight", "blk.{}.ffn_norm.weight", add_one).required(),
    Rule::step("model.layers.layers.{}.post_mlp_norm.weight", "blk.{}.post_ffw_norm", |_, weight| {
        weight.map(Operation::Add(Constant::new(1.0 / 5_f64.powf(1.5))))
    })
    .required(),
    Rule::keep("model.layers.layers.{}.mixer.qkv_proj.*", "blk.{}.attn_qkv.*"),
    Rule::keep("model.layers.layers.{}.mixer.o_proj.*", "blk.{}.attn_output.*"),
    Rule::step("model.layers.layers.{}.mixer.q_norm.weight", "blk.{}.attn_q_norm.weight", add_one),
    Rule::step("model.layers.layers.{}.mixer.k_norm.weight", "blk.{}.attn_k_norm.weight", add_one),
    Rule::keep("model.layers.layers.{}.mlp.gate_up_proj.*", "blk.{}.ffn_up.*").required(),
    Rule::keep("model.layers.layers.{}.mlp.down_proj.*", "blk.{}.ffn_down.*").required(),
];

const STATE_SPACES: &[Rule] = &[
    Rule::keep("model.layers.layers.{}.mixer.q_weight", "blk.{}.attn_q_norm.weight"),
    Rule::keep("model.layers.layers.{}.mixer.k_weight", "blk.{}.attn_k_norm.weight"),
    Rule::step("model.layers.layers.{}.mixer.A_log", "blk.{}.ssm_a", |_, weight| {
        weight.map(Operation::NegatedExponential)
    }),
    Rule::keep("model.layers.layers.{}.mixer.B_norm_weight", "blk.{}.ssm_b_norm"),
    Rule::keep("model.layers.layers.{}.mixer.C_norm_weight", "blk.{}.ssm_c_norm"),
    Rule::keep("model.layers.layers.{}.mixer.dt_norm_weight", "blk.{}.ssm_dt_norm"),
    Rule::keep("model.layers.layers.{}.mixer.D", "blk.{}.ssm_d"),
    Rule::keep("model.layers.layers.{}.mixer.bcdt_proj.*", "blk.{}.ssm_x.*"),
    Rule::step("model.layers.layers.{}.mixer.conv1d.weight", "blk.{}.ssm_conv1d.weight", flat_kernel),
    Rule::keep("model.layers.layers.{}.mixer.conv1d.bias", "blk.{}.ssm_conv1d.bias"),
    Rule::keep("model.layers.layers.{}.mixer.dt_bias", "blk.{}.ssm_dt.bias"),
    Rule::keep("model.layers.layers.{}.mixer.dt_proj.*", "blk.{}.ssm_dt.*"),
    Rule::keep("model.layers.layers.{}.mixer.in_proj.*", "blk.{}.ssm_in.*"),
    Rule::keep("model.layers.layers.{}.mixer.out_proj.*", "blk.{}.ssm_out.*"),
];

fn second_hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let model = subject.model;
    let configuration = &model.configuration;
    let number = |key: &str, otherwise: u64| {
        configuration.optional_integer(&[key]).map(|number| number.unwrap_or(otherwise))
    };
    out.count("vocab_size", configuration.integer("vocab_size")?)?;
    if configuration.optional_flag("mamba_enabled")?.unwrap_or(true) {
        let attends = attending_layers(model.layers, number("mamba_step", 2)?);
        out.counts("attention.head_count_kv", &where_present(&attends, number("num_key_value_heads", 4)?))?;
        out.counts("attention.head_count", &where_present(&attends, number("num_attention_heads", 32)?))?;
    }
    out.count("context_length", number("max_position_embeddings", 2048)?)?;
    out.count("embedding_length", number("hidden_size", 4096)?)?;
    let size = number("hidden_size_per_head", 128)?;
    key_and_value_length(out, size)?;
    out.count("block_count", model.layers)?;
    let epsilon = configuration.optional_number(&["rms_norm_eps"])?.unwrap_or(1e-6);
    out.float("attention.layer_norm_rms_epsilon", epsilon);
    let base = model.rope.common.optional_number(&["rope_theta"])?.unwrap_or(10_000.0);
    out.float("rope.freq_base", base);
    out.count("ssm.state_size", number("mamba_d_state", 64)?)?;
    out.count("ssm.conv_kernel", number("mamba_d_conv", 4)?)?;
    let heads = number("mamba_num_heads", 64)?;
    out.count("ssm.time_step_rank", heads)?;
    out.count("ssm.inner_size", heads.saturating_mul(size))?;
    out.count("ssm.group_count", 0)?;
    out.count("feed_forward_length", number("intermediate_size", 13_312)?)?;
    file_type_here(out);
    Ok(())
}

/// One layer of every `step` attends, or the last of a few.
fn attending_layers(layers: u64, step: u64) -> Vec<bool> {
    let (step, middle) = (step.max(1), step / 2);
    (0..layers)
        .map(|layer| if layers <= middle { layer + 1 == layers } else { layer % step == middle })
        .collect()
}

/// Says as other configurations do how frequencies are slowed.
fn slowed_rope(configuration: &mut Configuration) -> Result<(), ConvertError> {
    let factor = configuration.optional_number(&["rope_scaling_factor"])?.unwrap_or(1.0);
    let stated = configuration.part("rope_scaling").is_some_and(|rope| rope.has("rope_type"));
    if factor != 1.0 && !stated {
        let context = configuration.integer("initial_context_length")?;
        configuration.set(
            "rope_scaling",
            serde_json::json!({
                "rope_type": "yarn",
                "factor": factor,
                "original_max_position_embeddings": context,
                "beta_fast": 32.0,
                "beta_slow": 1.0,
            }),
        );
    }
    Ok(())
}

/// Which layers see a window only: layer by layer, or all but every so manieth.
fn sliding_pattern(configuration: &Configuration, out: &mut Parameters) -> Result<(), ConvertError> {
    const KEY: &str = "sliding_window_pattern";
    let pattern = configuration.value(KEY).ok_or_else(|| configuration.missing(&[KEY]))?;
    let Some(layers) = pattern.as_array() else {
        return out.count("attention.sliding_window_pattern", configuration.as_integer(KEY, pattern)?);
    };
    let flags: Option<Vec<bool>> = layers.iter().map(serde_json::Value::as_bool).collect();
    let flags = flags.ok_or_else(|| configuration.bad(KEY, pattern, "true or false for each layer"))?;
    out.set("attention.sliding_window_pattern", flags);
    Ok(())
}
