//! NVIDIA's Nemotron-H and Nemotron Nano 2: Mamba 2, attention and feed-forward networks as layers of their
//! own; with experts in some.

use super::Family;
use super::common::{flat_kernel, where_present};
use super::llama::{pair_keys, pair_queries};
use crate::convert::configuration::Configuration;
use crate::convert::hyperparameters::{key_and_value_length, standard};
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::shapes::{ANY, EXPERT_COUNT, EXPERT_WIDTH, Shapes};
use crate::convert::tokenizer::Flavour;
use crate::convert::weight::{Weight, WeightError};
use crate::convert::{ConvertError, Model, Subject};
use crate::plan::Operation;

pub(super) const FAMILY: Family = Family {
    names: &["NemotronHForCausalLM"],
    architecture: "nemotron_h",
    applies: |configuration| !has_experts(configuration),
    adjust: |configuration, _| {
        // Heads are not an equal share of the width, which is what the usual key would be read as.
        let size = configuration.integer_of(&["head_dim", "attention_head_dim"])?;
        configuration.set("attention_head_dim", size);
        configuration.remove("head_dim");
        // Newer files list the layers without saying how many there are.
        if let Some(kinds) = configuration.strings("layers_block_type")?.map(|kinds| kinds.len() as u64) {
            configuration.set("num_hidden_layers", kinds);
        }
        Ok(())
    },
    tokenizer: Flavour::NEMOTRON_H,
    hyperparameters,
    rename: |_, name| {
        // PEFT calls the trunk by its usual name.
        let name = super::common::text_name(name)?;
        Some(match name.strip_prefix("model.layers.").filter(|rest| rest.contains(".mixer.")) {
            Some(rest) => format!("backbone.layers.{rest}").into(),
            None => name,
        })
    },
    tensors: &[TRUNK, MAMBA, ATTENTION, FEED_FORWARD],
    ..Family::STANDARD
};

pub(super) const MIXTURE: Family = Family {
    architecture: "nemotron_h_moe",
    applies: has_experts,
    predicted_layers: |configuration, _| predicted_layers(configuration),
    hyperparameters: mixture_hyperparameters,
    rename: |model, name| match predicting_name(model, name) {
        Some(name) => Some(name.into()),
        None => (FAMILY.rename)(model, name),
    },
    tensors: &[TRUNK, MAMBA, ATTENTION, FEED_FORWARD, EXPERTS, PREDICTION],
    // Experts may work in a narrower space.
    shapes: NARROW_EXPERTS,
    ..FAMILY
};

const NARROW_EXPERTS: &[Shapes] = &[
    ("ffn_up_exps.weight", &[&[ANY, EXPERT_WIDTH, EXPERT_COUNT]]),
    ("ffn_down_exps.weight", &[&[EXPERT_WIDTH, ANY, EXPERT_COUNT]]),
];

/// Nemotron Puzzle: every layer with experts has numbers of its own.
pub(super) const PUZZLE: Family = Family {
    names: &["NemotronHPuzzleForCausalLM"],
    architecture: "nemotron_h_moe",
    applies: |_| true,
    adjust: |configuration, files| {
        let blocks = configuration.sections("block_configs")?;
        let kinds = blocks
            .iter()
            .map(|block| block.text_value("block_type")?.ok_or_else(|| block.missing(&["block_type"])));
        let kinds: Vec<String> = kinds.map(|kind| kind.map(str::to_owned)).collect::<Result<_, _>>()?;
        configuration.set("layers_block_type", kinds);
        (FAMILY.adjust)(configuration, files)
    },
    hyperparameters: puzzle_hyperparameters,
    rename: |model, name| {
        if name.starts_with("mtp.") {
            return None;
        }
        let name = (FAMILY.rename)(model, name)?;
        Some(match name.strip_prefix("model.") {
            Some(rest) => format!("backbone.{rest}").into(),
            None => name,
        })
    },
    tensors: &[TRUNK, MAMBA, ATTENTION, EXPERTS],
    shapes: NARROW_EXPERTS,
    ..FAMILY
};

/// Embeddings, norms and output.
pub(super) const TRUNK: &[Rule] = &[
    Rule::keep("backbone.embeddings.*", "token_embd.*").required(),
    Rule::keep("backbone.norm_f.*", "output_norm.*").required(),
    Rule::keep("lm_head.*", "output.*"),
    Rule::keep("backbone.layers.{}.norm.*", "blk.{}.attn_norm.*").required(),
];

/// Mamba 2.
pub(super) const MAMBA: &[Rule] = &[
    Rule::step("backbone.layers.{}.mixer.A_log", "blk.{}.ssm_a", |model, weight| {
        column(model, weight)?.map(Operation::NegatedExponential)
    }),
    Rule::step("backbone.layers.{}.mixer.D", "blk.{}.ssm_d", column),
    Rule::step("backbone.layers.{}.mixer.conv1d.weight", "blk.{}.ssm_conv1d.weight", flat_kernel),
    Rule::keep("backbone.layers.{}.mixer.conv1d.bias", "blk.{}.ssm_conv1d.bias"),
    Rule::keep("backbone.layers.{}.mixer.dt_bias", "blk.{}.ssm_dt.bias"),
    Rule::keep("backbone.layers.{}.mixer.in_proj.*", "blk.{}.ssm_in.*"),
    Rule::step("backbone.layers.{}.mixer.norm.weight", "blk.{}.ssm_norm.weight", grouped_norm),
    Rule::keep("backbone.layers.{}.mixer.out_proj.*", "blk.{}.ssm_out.*"),
];

const ATTENTION: &[Rule] = &[
    Rule::step("backbone.layers.{}.mixer.q_proj.*", "blk.{}.attn_q.*", pair_queries),
    Rule::step("backbone.layers.{}.mixer.k_proj.*", "blk.{}.attn_k.*", pair_keys),
    Rule::keep("backbone.layers.{}.mixer.v_proj.*", "blk.{}.attn_v.*"),
    Rule::keep("backbone.layers.{}.mixer.o_proj.*", "blk.{}.attn_output.*"),
];

const FEED_FORWARD: &[Rule] = &[
    Rule::keep("backbone.layers.{}.mixer.up_proj.*", "blk.{}.ffn_up.*"),
    Rule::keep("backbone.layers.{}.mixer.down_proj.*", "blk.{}.ffn_down.*"),
];

const EXPERTS: &[Rule] = &[
    Rule::keep("backbone.layers.{}.mixer.gate.weight", "blk.{}.ffn_gate_inp.weight"),
    Rule::keep("backbone.layers.{}.mixer.gate.e_score_correction.bias", "blk.{}.exp_probs_b.bias"),
    Rule::keep("backbone.layers.{}.mixer.shared_experts.up_proj.*", "blk.{}.ffn_up_shexp.*"),
    Rule::keep("backbone.layers.{}.mixer.shared_experts.down_proj.*", "blk.{}.ffn_down_shexp.*"),
    Rule::keep("backbone.layers.{}.mixer.fc1_latent_proj.*", "blk.{}.ffn_latent_down.*"),
    Rule::keep("backbone.layers.{}.mixer.fc2_latent_proj.*", "blk.{}.ffn_latent_up.*"),
    Rule::expert("backbone.layers.{}.mixer.experts.{}.down_proj.weight", "blk.{}.ffn_down_exps.weight"),
    Rule::expert("backbone.layers.{}.mixer.experts.{}.up_proj.weight", "blk.{}.ffn_up_exps.weight"),
];

/// The layer that predicts a further token has both attention and experts, with a norm before each.
const PREDICTION: &[Rule] = &[
    Rule::keep("backbone.layers.{}.enorm.*", "blk.{}.nextn.enorm.*"),
    Rule::keep("backbone.layers.{}.hnorm.*", "blk.{}.nextn.hnorm.*"),
    Rule::keep("backbone.layers.{}.eh_proj.*", "blk.{}.nextn.eh_proj.*"),
    Rule::keep("backbone.layers.{}.expert_norm.*", "blk.{}.post_attention_norm.*"),
    Rule::keep("backbone.layers.{}.final_layernorm.*", "blk.{}.nextn.shared_head_norm.*"),
];

const GROUPS: [&str; 3] = ["n_groups", "num_groups", "mamba_n_groups"];
const MAMBA_HEADS: [&str; 3] = ["mamba_num_heads", "mamba_n_heads", "num_heads"];

fn has_experts(configuration: &Configuration) -> bool {
    configuration.has("num_experts_per_tok")
}

fn predicted_layers(configuration: &Configuration) -> Result<u64, ConvertError> {
    match configuration.optional_integer(&["num_nextn_predict_layers"])?.unwrap_or(0) {
        layers @ (0 | 1) => Ok(layers),
        layers => Err(configuration.bad("num_nextn_predict_layers", &layers, "at most 1")),
    }
}

/// The checkpoint has the two halves of the layer that predicts as two layers of their own.
fn predicting_name(model: &Model, name: &str) -> Option<String> {
    if model.layers == model.main_layers {
        return None;
    }
    let inner = name.strip_prefix("mtp.layers.0.").or_else(|| name.strip_prefix("mtp.layers.1."))?;
    let inner = if name == "mtp.layers.1.norm.weight" { "expert_norm.weight" } else { inner };
    let inner = inner.replace("e_score_correction_bias", "e_score_correction.bias");
    Some(format!("backbone.layers.{}.{inner}", model.main_layers))
}

/// A norm of all groups, one group a row.
pub(super) fn grouped_norm(model: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let groups = model.configuration.integer_of(&GROUPS)?;
    let size = weight.row_count().checked_div(groups).unwrap_or(0);
    Ok(Weight::Whole(weight.whole()?.reshape(&[groups, size])?))
}

/// A vector as a matrix of one column, as the runtime multiplies it.
pub(super) fn column(_: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let rows = weight.row_count();
    Ok(Weight::Whole(weight.whole()?.reshape(&[rows, 1])?))
}

/// Layer by layer whether the pattern of layers has one of these there.
fn layers_of(configuration: &Configuration, letter: char, names: &[&str]) -> Result<Vec<bool>, ConvertError> {
    if let Ok(Some(pattern)) = configuration.text_value("hybrid_override_pattern") {
        return Ok(pattern.chars().map(|kind| kind == letter).collect());
    }
    let kinds = configuration.strings("layers_block_type")?;
    let kinds =
        kinds.ok_or_else(|| configuration.missing(&["hybrid_override_pattern", "layers_block_type"]))?;
    Ok(kinds.into_iter().map(|kind| names.contains(&kind)).collect())
}

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    shared_hyperparameters(subject, out)?;
    let configuration = &subject.model.configuration;
    let width = configuration.integer_of(&["intermediate_size", "n_inner", "hidden_dim"])?;
    let layers = layers_of(configuration, '-', &["mlp"])?;
    out.counts("feed_forward_length", &where_present(&layers, width))
}

fn mixture_hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    shared_hyperparameters(subject, out)?;
    let configuration = &subject.model.configuration;
    let width = configuration.integer("moe_intermediate_size")?;
    let mut layers = layers_of(configuration, 'E', &["moe"])?;
    layers.resize(subject.model.layers as usize, true);
    out.counts("feed_forward_length", &where_present(&layers, width))?;
    for (key, name) in [
        ("expert_used_count", "num_experts_per_tok"),
        ("expert_feed_forward_length", "moe_intermediate_size"),
        ("expert_shared_feed_forward_length", "moe_shared_expert_intermediate_size"),
        ("expert_count", "n_routed_experts"),
        ("expert_shared_count", "n_shared_experts"),
    ] {
        out.count(key, configuration.integer(name)?)?;
    }
    out.set("expert_weights_norm", configuration.flag("norm_topk_prob")?);
    out.float("expert_weights_scale", configuration.number("routed_scaling_factor")?);
    out.count("expert_group_count", configuration.integer("n_group")?)?;
    if let Some(size) = configuration.optional_integer(&["moe_latent_size"])? {
        out.count("moe_latent_size", size)?;
    }
    match subject.model.layers - subject.model.main_layers {
        0 => Ok(()),
        predicted => out.count("nextn_predict_layers", predicted),
    }
}

fn puzzle_hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    shared_hyperparameters(subject, out)?;
    let configuration = &subject.model.configuration;
    let blocks = configuration.sections("block_configs")?;
    let by_layer = |name: &str| {
        let numbers = blocks.iter().map(|block| Ok(block.optional_integer(&[name])?.unwrap_or(0)));
        numbers.collect::<Result<Vec<u64>, ConvertError>>()
    };
    let widths = by_layer("moe_intermediate_size")?;
    out.counts("feed_forward_length", &widths)?;
    out.counts("expert_feed_forward_length", &widths)?;
    out.counts("expert_used_count", &by_layer("num_experts_per_tok")?)?;
    let shared = configuration.integer("moe_shared_expert_intermediate_size")?;
    out.count("expert_shared_feed_forward_length", shared)?;
    out.count("expert_count", configuration.integer("n_routed_experts")?)?;
    out.count("expert_shared_count", configuration.integer("n_shared_experts")?)?;
    out.set("expert_weights_norm", configuration.flag("norm_topk_prob")?);
    out.float("expert_weights_scale", configuration.number("routed_scaling_factor")?);
    out.count("expert_group_count", configuration.integer("n_group")?)?;
    match configuration.optional_integer(&["moe_latent_size"])? {
        Some(size) => out.count("moe_latent_size", size),
        None => Ok(()),
    }
}

fn shared_hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let model = subject.model;
    let configuration = &model.configuration;
    standard(subject, out)?;
    out.count("vocab_size", configuration.integer("vocab_size")?)?;
    // Nothing is rotated; the reference states an equal share of the width.
    out.count("rope.dimension_count", model.hidden_size()? / model.heads()?)?;
    out.count("ssm.conv_kernel", configuration.integer_of(&["conv_kernel", "d_conv", "mamba_d_conv"])?)?;
    let state = ["state_size", "d_state", "state_dim", "ssm_state_size", "mamba_d_state"];
    out.count("ssm.state_size", configuration.integer_of(&state)?)?;
    out.count("ssm.group_count", configuration.integer_of(&GROUPS)?)?;
    let heads = configuration.integer_of(&MAMBA_HEADS)?;
    let size = configuration.integer_of(&["mamba_head_dim", "mamba_d_head"])?;
    out.count("ssm.inner_size", heads.saturating_mul(size))?;
    out.count("ssm.time_step_rank", heads)?;
    let mut attention = layers_of(configuration, '*', &["attention", "full_attention"])?;
    if attention.len() as u64 != model.main_layers {
        let expected = format!("one letter for each of {} layers", model.main_layers);
        return Err(configuration.bad("hybrid_override_pattern", &attention.len(), &expected));
    }
    attention.resize(model.layers as usize, true);
    let key_heads = model.key_value_heads()?;
    out.counts("attention.head_count_kv", &where_present(&attention, key_heads))?;
    out.set("rope.scaling.finetuned", false);
    out.count("context_length", 1 << 20)?;
    key_and_value_length(out, configuration.integer("attention_head_dim")?)
}
