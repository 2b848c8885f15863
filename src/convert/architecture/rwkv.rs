//! RWKV 6 and 7, recurrent models without attention, and Qwen 2 with their mixers in place of attention.

use std::borrow::Cow;

use super::Family;
use super::common::{
    EMBEDDINGS, GATED_FEED_FORWARD, NORMS, replaced, text_name, transposed, without_single_axes,
};
use super::mamba::CONTEXT;
use crate::convert::hyperparameters::file_type_here;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::weight::{Weight, WeightError};
use crate::convert::{ConvertError, Model, Subject};
use crate::plan::{Constant, Derivation, Operation};

pub(super) const SIXTH: Family = Family {
    names: &["Rwkv6ForCausalLM"],
    architecture: "rwkv6",
    tokenizer: Flavour::RWKV_WORLD,
    hyperparameters: sixth_hyperparameters,
    rename: |_, name| Some(numbered_lerps(name, ".attention.time_maa_", &SIXTH_LERPS)),
    tensors: &[SIXTH_TRUNK, SIXTH_LAYERS],
    ..Family::STANDARD
};

pub(super) const SIXTH_QWEN: Family = Family {
    names: &["RWKV6Qwen2ForCausalLM"],
    architecture: "rwkv6qwen2",
    tokenizer: Flavour::SENTENCE_PIECE_OR_BYTE_PAIR,
    hyperparameters: sixth_qwen_hyperparameters,
    rename: |_, name| Some(numbered_lerps(name, ".self_attn.time_maa_", &SIXTH_LERPS)),
    tensors: &[EMBEDDINGS, NORMS, SIXTH_QWEN_LAYERS, GATED_FEED_FORWARD],
    ..Family::STANDARD
};

pub(super) const SEVENTH: Family = Family {
    names: &["Rwkv7ForCausalLM", "RWKV7ForCausalLM"],
    architecture: "rwkv7",
    tokenizer: Flavour::RWKV_WORLD,
    hyperparameters: seventh_hyperparameters,
    rename: seventh_name,
    tensors: &[SEVENTH_TRUNK, SEVENTH_LAYERS],
    ..Family::STANDARD
};

pub(super) const SEVENTH_QWEN: Family = Family {
    names: &["RwkvHybridForCausalLM"],
    architecture: "arwkv7",
    tokenizer: Flavour::SENTENCE_PIECE_OR_BYTE_PAIR,
    hyperparameters: seventh_qwen_hyperparameters,
    rename: seventh_name,
    tensors: &[EMBEDDINGS, NORMS, SEVENTH_LAYERS, GATED_FEED_FORWARD],
    ..Family::STANDARD
};

/// The mixtures with the previous token that become one tensor, in the order in which they lie there.
const SIXTH_LERPS: [&str; 5] = ["w", "k", "v", "r", "g"];
/// The same of the seventh; some have no gate.
const SEVENTH_LERPS: [&str; 6] = ["r", "w", "k", "v", "a", "g"];

const SIXTH_TRUNK: &[Rule] = &[
    Rule::keep("rwkv.embeddings.*", "token_embd.*").required(),
    Rule::keep("rwkv.blocks.0.pre_ln.*", "token_embd_norm.*").required(),
    Rule::keep("rwkv.ln_out.*", "output_norm.*").required(),
    Rule::keep("head.*", "output.*").required(),
    Rule::keep("rwkv.blocks.{}.ln1.*", "blk.{}.attn_norm.*").required(),
    Rule::keep("rwkv.blocks.{}.ln2.*", "blk.{}.attn_norm_2.*").required(),
];

const SIXTH_LAYERS: &[Rule] = &[
    Rule::keep("rwkv.blocks.{}.attention.gate.*", "blk.{}.time_mix_gate.*"),
    Rule::keep("rwkv.blocks.{}.attention.key.*", "blk.{}.time_mix_key.*").required(),
    Rule::keep("rwkv.blocks.{}.attention.value.*", "blk.{}.time_mix_value.*").required(),
    Rule::keep("rwkv.blocks.{}.attention.receptance.*", "blk.{}.time_mix_receptance.*").required(),
    Rule::layer_step("rwkv.blocks.{}.attention.output.*", "blk.{}.time_mix_output.*", rescaled).required(),
    Rule::keep("rwkv.blocks.{}.attention.ln_x.*", "blk.{}.time_mix_ln.*").required(),
    Rule::step("rwkv.blocks.{}.attention.time_decay", "blk.{}.time_mix_decay.weight", without_single_axes),
    Rule::step("rwkv.blocks.{}.attention.time_decay_w1", "blk.{}.time_mix_decay_w1.weight", transposed),
    Rule::step("rwkv.blocks.{}.attention.time_decay_w2", "blk.{}.time_mix_decay_w2.weight", transposed),
    Rule::keep("rwkv.blocks.{}.attention.time_faaaa", "blk.{}.time_mix_first.weight"),
    Rule::step("rwkv.blocks.{}.attention.time_maa_w1", "blk.{}.time_mix_w1.weight", transposed),
    Rule::step("rwkv.blocks.{}.attention.time_maa_w2", "blk.{}.time_mix_w2.weight", transposed),
    Rule::step("rwkv.blocks.{}.attention.time_maa_x", "blk.{}.time_mix_lerp_x.weight", without_single_axes),
    Rule::stack("rwkv.blocks.{}.attention.time_maa_{}", "blk.{}.time_mix_lerp_fused.weight", |_| Ok(5)),
    Rule::keep("rwkv.blocks.{}.feed_forward.key.*", "blk.{}.channel_mix_key.*").required(),
    Rule::keep("rwkv.blocks.{}.feed_forward.receptance.*", "blk.{}.channel_mix_receptance.*").required(),
    Rule::layer_step("rwkv.blocks.{}.feed_forward.value.*", "blk.{}.channel_mix_value.*", rescaled)
        .required(),
    Rule::step(
        "rwkv.blocks.{}.feed_forward.time_maa_k",
        "blk.{}.channel_mix_lerp_k.weight",
        without_single_axes,
    ),
    Rule::step(
        "rwkv.blocks.{}.feed_forward.time_maa_r",
        "blk.{}.channel_mix_lerp_r.weight",
        without_single_axes,
    ),
];

const SIXTH_QWEN_LAYERS: &[Rule] = &[
    Rule::keep("model.layers.{}.self_attn.gate.*", "blk.{}.time_mix_gate.*"),
    Rule::keep("model.layers.{}.self_attn.q_proj.*", "blk.{}.time_mix_receptance.*").required(),
    Rule::keep("model.layers.{}.self_attn.k_proj.*", "blk.{}.time_mix_key.*").required(),
    Rule::keep("model.layers.{}.self_attn.v_proj.*", "blk.{}.time_mix_value.*").required(),
    Rule::layer_step("model.layers.{}.self_attn.o_proj.*", "blk.{}.time_mix_output.*", rescaled).required(),
    Rule::step("model.layers.{}.self_attn.time_decay", "blk.{}.time_mix_decay.weight", without_single_axes),
    Rule::step("model.layers.{}.self_attn.time_decay_w1", "blk.{}.time_mix_decay_w1.weight", transposed),
    Rule::step("model.layers.{}.self_attn.time_decay_w2", "blk.{}.time_mix_decay_w2.weight", transposed),
    Rule::step("model.layers.{}.self_attn.time_maa_w1", "blk.{}.time_mix_w1.weight", |_, weight| {
        // Five matrices one after the other.
        let derivation = weight.transposed()?.whole()?;
        let [rows, columns] = derivation.dimensions()[..] else { return Ok(Weight::Whole(derivation)) };
        let grouped = derivation.reshape(&[5, rows / 5, columns])?;
        Ok(Weight::Whole(in_usual_order(grouped)?.reshape(&[rows, columns])?))
    }),
    Rule::step("model.layers.{}.self_attn.time_maa_w2", "blk.{}.time_mix_w2.weight", |_, weight| {
        Ok(Weight::Whole(in_usual_order(weight.transposed()?.whole()?)?))
    }),
    Rule::step("model.layers.{}.self_attn.time_maa_x", "blk.{}.time_mix_lerp_x.weight", without_single_axes),
    Rule::stack("model.layers.{}.self_attn.time_maa_{}", "blk.{}.time_mix_lerp_fused.weight", |_| Ok(5)),
];

const SEVENTH_TRUNK: &[Rule] = &[
    Rule::keep("model.embeddings.*", "token_embd.*").required(),
    Rule::keep("model.layers.0.pre_norm.*", "token_embd_norm.*"),
    Rule::keep("model.pre_ln.*", "token_embd_norm.*"),
    Rule::keep("model.norm.*", "output_norm.*"),
    Rule::keep("model.ln_out.*", "output_norm.*"),
    Rule::keep("lm_head.*", "output.*"),
    Rule::keep("head.*", "output.*"),
    Rule::keep("model.layers.{}.attention_norm.*", "blk.{}.attn_norm.*"),
    Rule::keep("model.layers.{}.ln1.*", "blk.{}.attn_norm.*"),
    Rule::keep("model.layers.{}.ln2.*", "blk.{}.attn_norm_2.*"),
];

/// Narrow matrices lie inputs first, but for those whose names end as a layer's do.
const SEVENTH_LAYERS: &[Rule] = &[
    Rule::keep("model.layers.{}.attention.key.*", "blk.{}.time_mix_key.*"),
    Rule::keep("model.layers.{}.attention.k_proj.*", "blk.{}.time_mix_key.*"),
    Rule::keep("model.layers.{}.attention.value.*", "blk.{}.time_mix_value.*"),
    Rule::keep("model.layers.{}.attention.v_proj.*", "blk.{}.time_mix_value.*"),
    Rule::keep("model.layers.{}.attention.receptance.*", "blk.{}.time_mix_receptance.*"),
    Rule::keep("model.layers.{}.attention.r_proj.*", "blk.{}.time_mix_receptance.*"),
    Rule::keep("model.layers.{}.attention.output.*", "blk.{}.time_mix_output.*"),
    Rule::keep("model.layers.{}.attention.o_proj.*", "blk.{}.time_mix_output.*"),
    Rule::keep("model.layers.{}.attention.ln_x.*", "blk.{}.time_mix_ln.*"),
    Rule::step("model.layers.{}.attention.k_k", "blk.{}.time_mix_k_k.weight", without_single_axes),
    Rule::step("model.layers.{}.attention.k_a", "blk.{}.time_mix_k_a.weight", without_single_axes),
    Rule::step("model.layers.{}.attention.r_k", "blk.{}.time_mix_r_k.weight", |_, weight| {
        let derivation = weight.whole()?;
        let count = derivation.element_count();
        Ok(Weight::Whole(derivation.reshape(&[count])?))
    }),
    Rule::step("model.layers.{}.attention.w0", "blk.{}.time_mix_w0.weight", without_single_axes),
    Rule::step("model.layers.{}.attention.w1", "blk.{}.time_mix_w1.weight", transposed),
    Rule::step("model.layers.{}.attention.w2", "blk.{}.time_mix_w2.weight", transposed),
    Rule::step("model.layers.{}.attention.a0", "blk.{}.time_mix_a0.weight", without_single_axes),
    Rule::step("model.layers.{}.attention.a1", "blk.{}.time_mix_a1.weight", transposed),
    Rule::step("model.layers.{}.attention.a2", "blk.{}.time_mix_a2.weight", transposed),
    Rule::step("model.layers.{}.attention.v0", "blk.{}.time_mix_v0.weight", without_single_axes),
    Rule::step("model.layers.{}.attention.v1", "blk.{}.time_mix_v1.weight", transposed),
    Rule::step("model.layers.{}.attention.v2", "blk.{}.time_mix_v2.weight", transposed),
    Rule::step("model.layers.{}.attention.g1", "blk.{}.time_mix_g1.weight", transposed),
    Rule::step("model.layers.{}.attention.g2", "blk.{}.time_mix_g2.weight", transposed),
    Rule::keep("model.layers.{}.attention.w0.weight", "blk.{}.time_mix_w0.weight"),
    Rule::keep("model.layers.{}.attention.w1.weight", "blk.{}.time_mix_w1.weight"),
    Rule::keep("model.layers.{}.attention.w2.weight", "blk.{}.time_mix_w2.weight"),
    Rule::keep("model.layers.{}.attention.a0.weight", "blk.{}.time_mix_a0.weight"),
    Rule::keep("model.layers.{}.attention.a1.weight", "blk.{}.time_mix_a1.weight"),
    Rule::keep("model.layers.{}.attention.a2.weight", "blk.{}.time_mix_a2.weight"),
    Rule::keep("model.layers.{}.attention.v0.weight", "blk.{}.time_mix_v0.weight"),
    Rule::keep("model.layers.{}.attention.v1.weight", "blk.{}.time_mix_v1.weight"),
    Rule::keep("model.layers.{}.attention.v2.weight", "blk.{}.time_mix_v2.weight"),
    Rule::keep("model.layers.{}.attention.g1.weight", "blk.{}.time_mix_g1.weight"),
    Rule::keep("model.layers.{}.attention.g2.weight", "blk.{}.time_mix_g2.weight"),
    Rule::split("model.layers.{}.first.a0", FIRST_A0, |model, weight| {
        twice(without_single_axes(model, weight)?)
    }),
    Rule::split("model.layers.{}.first.a1", FIRST_A1, |_, weight| twice(weight.transposed()?)),
    Rule::split("model.layers.{}.first.a2", FIRST_A2, |_, weight| twice(weight.transposed()?)),
    Rule::split("model.layers.{}.first.a0.weight", FIRST_A0, |_, weight| twice(weight)),
    Rule::split("model.layers.{}.first.a1.weight", FIRST_A1, |_, weight| twice(weight)),
    Rule::split("model.layers.{}.first.a2.weight", FIRST_A2, |_, weight| twice(weight)),
    Rule::stack("model.layers.{}.attention.x_{}", LERPS, |model| Ok(lerps(model)?.len() as u64)),
    Rule::step("model.layers.{}.attention.x_x", LERPS, |model, weight| {
        let derivation = weight.whole()?;
        let count = lerps(model)?.len() as u64;
        let each = derivation.element_count() / count;
        Ok(Weight::Whole(derivation.reshape(&[count, 1, 1, each])?))
    }),
    Rule::keep("model.layers.{}.feed_forward.key.*", "blk.{}.channel_mix_key.*"),
    Rule::keep("model.layers.{}.feed_forward.value.*", "blk.{}.channel_mix_value.*"),
    Rule::step("model.layers.{}.feed_forward.x_k", "blk.{}.channel_mix_lerp_k.weight", without_single_axes),
];

const LERPS: &str = "blk.{}.time_mix_lerp_fused.weight";
/// The first layer has nothing to mix values with; the runtime asks for the tensors all the same.
const FIRST_A0: &[&str] = &["blk.{}.time_mix_v0.weight", "blk.{}.time_mix_a0.weight"];
const FIRST_A1: &[&str] = &["blk.{}.time_mix_v1.weight", "blk.{}.time_mix_a1.weight"];
const FIRST_A2: &[&str] = &["blk.{}.time_mix_v2.weight", "blk.{}.time_mix_a2.weight"];

fn twice(weight: Weight) -> Result<Vec<Weight>, WeightError> {
    Ok(vec![weight.clone(), weight])
}

/// Names of mixtures that become one tensor, with their places in it.
fn numbered_lerps<'n>(name: &'n str, before: &str, letters: &[&str]) -> Cow<'n, str> {
    let place =
        name.rsplit_once(before).and_then(|(_, letter)| letters.iter().position(|known| *known == letter));
    match place {
        Some(place) => format!("{}{place}", &name[..name.len() - 1]).into(),
        None => Cow::Borrowed(name),
    }
}

/// The five matrices of a token shift in the order of RWKV 6, from that of Qwen.
fn in_usual_order(grouped: Derivation) -> Result<Derivation, WeightError> {
    let parts = [3, 1, 2, 0, 4].map(|place| grouped.clone().slice(0, place..place + 1));
    Ok(Derivation::concatenate(0, parts.into_iter().collect::<Result<_, _>>()?)?)
}

/// Layers are scaled down step by step so that half precision suffices.
fn rescaled(model: &Model, layer: u64, weight: Weight) -> Result<Weight, WeightError> {
    match model.configuration.optional_integer(&["rescale_every"])? {
        Some(every) if every > 0 => {
            let halvings = i32::try_from(layer / every).unwrap_or(i32::MAX);
            weight.map(Operation::Multiply(Constant::new(0.5_f64.powi(halvings))))
        }
        _ => Ok(weight),
    }
}

fn lerps(model: &Model) -> Result<&'static [&'static str], ConvertError> {
    let gated = model.configuration.optional_flag("wkv_has_gate")?.unwrap_or(true);
    Ok(if gated { &SEVENTH_LERPS } else { &SEVENTH_LERPS[..5] })
}

/// The many names of RWKV 7 as one kind.
fn seventh_name<'n>(model: &Model, name: &'n str) -> Option<Cow<'n, str>> {
    const NAMES: [(&str, &str); 10] = [
        ("blocks", "layers"),
        ("ffn", "feed_forward"),
        ("self_attn", "attention"),
        ("attn", "attention"),
        ("time_mixer.", ""),
        ("feed_forward_norm", "ln2"),
        ("g_norm", "ln_x"),
        ("_lora.lora.0.weight", "1.weight"),
        ("_lora.lora.2.weight", "2.weight"),
        ("_lora.lora.2.bias", "0.weight"),
    ];
    let name = NAMES.iter().fold(text_name(name)?, |name, (from, to)| replaced(name, from, to));
    if let Some(inner) = name.strip_prefix("model.layers.0.attention.") {
        let narrow =
            |letter: &str| inner.strip_prefix(letter).is_some_and(|rest| rest.starts_with(['0', '1', '2']));
        if narrow("v") {
            return None;
        }
        if narrow("a") {
            return Some(format!("model.layers.0.first.{inner}").into());
        }
    }
    let letters = lerps(model).unwrap_or(&SEVENTH_LERPS);
    Some(match numbered_lerps(&name, ".attention.x_", letters) {
        Cow::Owned(numbered) => Cow::Owned(numbered),
        Cow::Borrowed(_) => name,
    })
}

fn opening(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    out.count("context_length", CONTEXT)?;
    out.count("embedding_length", subject.model.hidden_size()?)?;
    out.count("block_count", subject.model.layers)
}

/// Width above which the sixth has wider token shifts.
const WIDE: u64 = 4096;

fn sixth_hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    opening(subject, out)?;
    let configuration = &subject.model.configuration;
    let width = subject.model.hidden_size()?;
    out.float("attention.layer_norm_epsilon", configuration.number("layer_norm_epsilon")?);
    out.count("rescale_every_n_layers", configuration.integer("rescale_every")?)?;
    out.count("wkv.head_size", configuration.integer("head_size")?)?;
    out.count("time_mix_extra_dim", if width == WIDE { 64 } else { 32 })?;
    out.count("time_decay_extra_dim", if width == WIDE { 128 } else { 64 })?;
    let usual = (width as f64 * 3.5) as u64 / 32 * 32;
    out.count(
        "feed_forward_length",
        configuration.optional_integer(&["intermediate_size"])?.unwrap_or(usual),
    )?;
    closing(out)
}

fn sixth_qwen_hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    opening(subject, out)?;
    let configuration = &subject.model.configuration;
    let width = subject.model.hidden_size()?;
    out.count("wkv.head_size", width / subject.model.heads()?)?;
    let wide = width >= WIDE;
    let shift = configuration.optional_integer(&["lora_rank_tokenshift"])?;
    out.count("time_mix_extra_dim", shift.unwrap_or(if wide { 64 } else { 32 }))?;
    let decay = configuration.optional_integer(&["lora_rank_decay"])?;
    out.count("time_decay_extra_dim", decay.unwrap_or(if wide { 128 } else { 64 }))?;
    out.count("feed_forward_length", configuration.integer("intermediate_size")?)?;
    file_type_here(out);
    out.float("attention.layer_norm_rms_epsilon", configuration.number("rms_norm_eps")?);
    out.count("token_shift_count", 1)?;
    out.count("attention.head_count_kv", subject.model.key_value_heads()?)?;
    out.count("attention.head_count", 0)
}

fn seventh_hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    opening(subject, out)?;
    let configuration = &subject.model.configuration;
    let width = subject.model.hidden_size()?;
    let older = configuration.has("head_size") && configuration.has("layer_norm_epsilon");
    let (size, epsilon) = if older { ("head_size", "layer_norm_epsilon") } else { ("head_dim", "norm_eps") };
    out.float("attention.layer_norm_epsilon", configuration.number(epsilon)?);
    out.count("wkv.head_size", configuration.integer(size)?)?;
    for (key, names, exponent, factor) in [
        ("attention.decay_lora_rank", ["lora_rank_decay", "decay_low_rank_dim"], 0.5, 1.8),
        ("attention.iclr_lora_rank", ["lora_rank_iclr", "a_low_rank_dim"], 0.5, 1.8),
        (
            "attention.value_residual_mix_lora_rank",
            ["lora_rank_value_residual_mix", "v_low_rank_dim"],
            0.5,
            1.3,
        ),
        ("attention.gate_lora_rank", ["lora_rank_gate", "gate_low_rank_dim"], 0.8, 0.6),
    ] {
        // Where nothing is said the model's code computes ranks from the width.
        let usual = ((width as f64).powf(exponent) * factor / 32.0).round_ties_even().max(1.0) as u64 * 32;
        out.count(key, configuration.optional_integer(&names)?.unwrap_or(usual))?;
    }
    let usual = width.saturating_mul(4);
    out.count(
        "feed_forward_length",
        configuration.optional_integer(&["intermediate_size"])?.unwrap_or(usual),
    )?;
    closing(out)
}

fn seventh_qwen_hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    opening(subject, out)?;
    let configuration = &subject.model.configuration;
    match configuration.integer("wkv_version")? {
        7 => {}
        other => return Err(configuration.bad("wkv_version", &other, "7")),
    }
    out.float("attention.layer_norm_rms_epsilon", configuration.number("rms_norm_eps")?);
    out.count("wkv.head_size", configuration.integer("head_size")?)?;
    // These ranks are the same in all models.
    out.count("attention.decay_lora_rank", 64)?;
    out.count("attention.iclr_lora_rank", 64)?;
    out.count("attention.value_residual_mix_lora_rank", 32)?;
    out.count("attention.gate_lora_rank", if configuration.flag("wkv_has_gate")? { 128 } else { 0 })?;
    out.count("feed_forward_length", configuration.integer("intermediate_size")?)?;
    file_type_here(out);
    out.count("token_shift_count", 1)?;
    out.count("attention.head_count", 0)
}

/// The runtime asks for heads and uses none.
fn closing(out: &mut Parameters) -> Result<(), ConvertError> {
    file_type_here(out);
    out.count("attention.head_count", 0)
}
