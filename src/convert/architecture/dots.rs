//! rednote's dots.llm1 and dots.note.

use std::borrow::Cow;

use super::common::{ATTENTION, DENSE_LAYERS, EMBEDDINGS, EXPERTS, NORMS, replaced, text_name};
use super::deepseek2::{self, ROUTING, SOME_LATENT_ATTENTION, is_tied_output, split_keys_and_values};
use super::indexer::{self, INDEXER};
use super::prediction::{self, PREDICTION};
use super::{Family, qwen2moe, vision};
use crate::convert::configuration::{Class, Derived};
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::shapes::ANY;
use crate::convert::tokenizer::Flavour;
use crate::convert::weight::{Weight, WeightError};
use crate::convert::{Configuration, ConvertError, Model, Subject};
use crate::plan::{Constant, Operation};

pub(super) const FIRST: Family = Family {
    names: &["Dots1ForCausalLM"],
    architecture: "dots1",
    classes: &[Class::new(
        "dots1",
        &[Derived::KeyValueHeads],
        r#"{"vocab_size": 152064, "max_position_embeddings": 2048, "hidden_size": 4608,
        "intermediate_size": 10944, "moe_intermediate_size": 1408, "num_hidden_layers": 62,
        "num_attention_heads": 32, "num_key_value_heads": 32, "first_k_dense_replace": 0,
        "norm_topk_prob": false, "n_group": 1, "topk_group": 1, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
        "routed_scaling_factor": 1.0}"#,
    )],
    tokenizer: Flavour::SENTENCE_PIECE_OR_BYTE_PAIR,
    hyperparameters: |subject, out| {
        qwen2moe::hyperparameters(subject, out)?;
        let configuration = &subject.model.configuration;
        out.count("leading_dense_block_count", configuration.integer("first_k_dense_replace")?)?;
        out.count("expert_shared_count", configuration.integer("n_shared_experts")?)?;
        out.float("expert_weights_scale", configuration.number("routed_scaling_factor")?);
        out.set("expert_weights_norm", configuration.flag("norm_topk_prob")?);
        Ok(())
    },
    tensors: &[EMBEDDINGS, NORMS, ATTENTION, DENSE_LAYERS, EXPERTS, ROUTING],
    ..Family::STANDARD
};

/// dots.note: latent attention in two sizes, full with an indexer and sliding without, each with a gate a
/// head.
pub(super) const NOTE: Family = Family {
    names: &["Dots3NoteForCausalLM", "Dots3NoteForConditionalGeneration", "Dots3NoteTextForCausalLM"],
    architecture: "dots3note",
    adjust: |configuration, _| {
        check_variant(configuration)?;
        // What it says is the size of no head.
        configuration.remove("head_dim");
        Ok(())
    },
    predicted_layers: |_, names| Ok(names.contains(&PREDICTED_EMBEDDINGS).into()),
    tokenizer: Flavour { roles: &[("eot", "<|endofassistant|>")], ..Flavour::BYTE_PAIR },
    projector: Some(&vision::dots3::PROJECTOR),
    hyperparameters: note_hyperparameters,
    rename: note_name,
    tensors: &[
        EMBEDDINGS,
        NORMS,
        RESCALED,
        SOME_LATENT_ATTENTION,
        INDEXER,
        DENSE_LAYERS,
        EXPERTS,
        ROUTING,
        PREDICTION,
    ],
    // Only the part of a key that is rotated has a norm.
    shapes: &[("attn_k_norm.weight", &[&[ANY]])],
    ..Family::STANDARD
};

const PREDICTED_EMBEDDINGS: &str = "model.mtp.embed_tokens.weight";

/// What attention has of its own. The layers that slide have other sizes, and names of their own here.
const RESCALED: &[Rule] = &[
    Rule::keep("model.layers.{}.self_attn.g_proj.*", "blk.{}.attn_gate.*"),
    Rule::keep("model.layers.{}.self_attn.k_rope_only_layernorm.*", "blk.{}.attn_k_norm.*"),
    Rule::step(
        "model.layers.{}.self_attn.q_a_layernorm.weight",
        "blk.{}.attn_q_a_norm.weight",
        |model, weight| rescaled(model, weight, "q_lora_rank"),
    ),
    Rule::step(
        "model.layers.{}.self_attn.kv_a_layernorm.weight",
        "blk.{}.attn_kv_a_norm.weight",
        |model, weight| rescaled(model, weight, "kv_lora_rank"),
    ),
    Rule::step(
        "model.layers.{}.sliding.kv_a_layernorm.weight",
        "blk.{}.attn_kv_a_norm.weight",
        |model, weight| rescaled(model, weight, "swa_kv_lora_rank"),
    ),
    Rule::split(
        "model.layers.{}.sliding.kv_b_proj.weight",
        &["blk.{}.attn_k_b.weight", "blk.{}.attn_v_b.weight"],
        |model, weight| {
            let configuration = &model.configuration;
            let heads = configuration.integer("swa_num_attention_heads")?;
            let key = configuration.integer("swa_qk_nope_head_dim")?;
            split_keys_and_values(weight, heads, key, configuration.integer("swa_v_head_dim")?)
        },
    ),
];

/// The model's code scales what a narrow norm yields by how much narrower it is; here the norm does.
fn rescaled(model: &Model, weight: Weight, rank: &str) -> Result<Weight, WeightError> {
    if !model.configuration.flag("apply_mla_qkv_lora_rescale")? {
        return Ok(weight);
    }
    let ratio = model.hidden_size()? as f64 / model.configuration.integer(rank)? as f64;
    weight.map(Operation::Multiply(Constant::new(ratio.sqrt())))
}

/// Layer by layer whether attention slides, as it does in the layer that predicts a further token.
fn sliding_layers(model: &Model) -> Result<Vec<bool>, ConvertError> {
    let sliding = model.layers_of_kind("sliding_attention")?;
    let mut sliding = sliding.ok_or_else(|| model.configuration.missing(&["layer_types"]))?;
    if (sliding.len() as u64) < model.main_layers {
        let expected = format!("{} layers", model.main_layers);
        return Err(model.configuration.bad("layer_types", &sliding.len(), &expected));
    }
    sliding.truncate(model.main_layers as usize);
    sliding.resize(model.layers as usize, true);
    Ok(sliding)
}

fn note_name<'n>(model: &Model, name: &'n str) -> Option<Cow<'n, str>> {
    if is_tied_output(model, name) {
        return None;
    }
    if name == PREDICTED_EMBEDDINGS {
        return Some(format!("model.layers.{}.embed_tokens.weight", model.main_layers).into());
    }
    let name = text_name(name)?;
    let layer = name.strip_prefix("model.layers.").and_then(|rest| rest.split_once('.'));
    let layer = layer.and_then(|(number, _)| number.parse::<usize>().ok());
    let slides = layer.is_some_and(|layer| {
        sliding_layers(model).is_ok_and(|sliding| sliding.get(layer).copied().unwrap_or(false))
    });
    if !slides {
        return Some(name);
    }
    let name = replaced(name, ".self_attn.kv_a_layernorm.", ".sliding.kv_a_layernorm.");
    Some(replaced(name, ".self_attn.kv_b_proj.", ".sliding.kv_b_proj."))
}

/// Refuses what the runtime does not compute.
fn check_variant(configuration: &Configuration) -> Result<(), ConvertError> {
    for (key, expected) in [
        ("use_dsa", "true"),
        ("normalization", "\"RMSNorm\""),
        ("final_norm", "\"RMSNorm\""),
        ("k_rope_only_layernorm", "true"),
        ("topk_method", "\"noaux_tc\""),
        ("n_group", "1"),
        ("topk_group", "1"),
        ("use_dynamic_rsf", "false"),
        ("moe_gating_fp32", "false"),
        ("attention_gate_type", "\"headwise\""),
        ("swa_attention_gate_type", "\"headwise\""),
    ] {
        let Some(value) = configuration.value(key) else { continue };
        let given = value.to_string();
        if given != expected {
            return Err(configuration.bad(key, &given, expected));
        }
    }
    for (key, other) in [("swa_qk_rope_head_dim", "qk_rope_head_dim"), ("swa_q_lora_rank", "q_lora_rank")] {
        let (value, expected) = (configuration.integer(key)?, configuration.integer(other)?);
        if value != expected {
            return Err(configuration.bad(key, &value, &format!("{other}, which is {expected}")));
        }
    }
    Ok(())
}

fn note_hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    deepseek2::hyperparameters(subject, out)?;
    let model = subject.model;
    let configuration = &model.configuration;
    let mut sliding = sliding_layers(model)?;
    let (full, other) = (model.heads()?, configuration.integer("swa_num_attention_heads")?);
    let heads: Vec<u64> = sliding.iter().map(|sliding| if *sliding { other } else { full }).collect();
    out.counts("attention.head_count", &heads)?;
    out.count("attention.sliding_window", configuration.integer("sliding_window_size")?)?;
    sliding.truncate(model.main_layers as usize);
    out.set("attention.sliding_window_pattern", sliding.clone());
    let latent = configuration.integer("swa_kv_lora_rank")?;
    let rotated = configuration.integer("swa_qk_rope_head_dim")?;
    let plain = configuration.integer("swa_qk_nope_head_dim")?;
    out.count("attention.kv_lora_rank_swa", latent)?;
    out.count("attention.key_length_swa", latent.saturating_add(rotated))?;
    out.count("attention.value_length_swa", latent)?;
    out.count("attention.key_length_mla_swa", plain.saturating_add(rotated))?;
    out.count("attention.value_length_mla_swa", configuration.integer("swa_v_head_dim")?)?;
    prediction::write(model, out)?;
    indexer::write(model, out)?;
    let owners: Vec<bool> = sliding.into_iter().map(|sliding| !sliding).collect();
    out.set("attention.indexer.types", owners);
    Ok(())
}
