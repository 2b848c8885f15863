//! IBM's Granite 4: Mamba 2 in most layers and attention in some, or attention in all; experts beside a
//! shared feed-forward network, or that alone.

use std::borrow::Cow;

use super::common::{EMBEDDINGS, NORMS, where_present};
use super::nemotron_h::MAMBA;
use super::{Family, granite};
use crate::convert::model::MAX_LAYERS;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::{Configuration, ConvertError, Model, Subject};

pub(super) const FAMILY: Family = Family {
    names: &["GraniteMoeHybridForCausalLM"],
    architecture: "granitehybrid",
    classes: &[],
    applies: has_mamba,
    tokenizer: Flavour::NEMOTRON_H,
    hyperparameters,
    rename,
    tensors: &[EMBEDDINGS, NORMS, MAMBA, ATTENTION, granite::EXPERTS, FEED_FORWARD],
    ..granite::MIXTURE
};

/// With attention in every layer the models are those of Granite 3.
pub(super) const ATTENTION_ONLY: Family = Family {
    architecture: "granite",
    applies: |configuration| !has_mamba(configuration) && !has(configuration, "num_experts_per_tok"),
    tokenizer: Flavour::BYTE_PAIR,
    ..FAMILY
};

/// The same with experts.
pub(super) const ATTENTION_MIXTURE: Family = Family {
    architecture: "granitemoe",
    applies: |configuration| !has_mamba(configuration),
    ..ATTENTION_ONLY
};

/// IBM's Bamba, which came before: attention is rotated, and stated by the numbers of its layers.
pub(super) const BAMBA: Family = Family {
    names: &["BambaForCausalLM"],
    applies: |_| true,
    adjust: |configuration, _| {
        configuration.remove("head_dim");
        let kinds = kinds_of_bamba(configuration)?;
        configuration.set("layer_types", kinds);
        Ok(())
    },
    hyperparameters: |subject, out| {
        hyperparameters(subject, out)?;
        let configuration = &subject.model.configuration;
        if let Some(size) = configuration.optional_integer(&["attn_rotary_emb"])?.filter(|size| *size > 0) {
            out.count("rope.dimension_count", size)?;
        }
        out.set("rope.scaling.finetuned", true);
        out.count("context_length", configuration.integer("max_position_embeddings")?)
    },
    tensors: &[BAMBA_TRUNK, MAMBA, ATTENTION],
    ..FAMILY
};

const BAMBA_TRUNK: &[Rule] = &[
    Rule::keep("model.embed_tokens.*", "token_embd.*").required(),
    Rule::keep("model.final_layernorm.*", "output_norm.*").required(),
    Rule::keep("lm_head.*", "output.*"),
    Rule::keep("model.layers.{}.input_layernorm.*", "blk.{}.attn_norm.*").required(),
    Rule::keep("model.layers.{}.pre_ff_layernorm.*", "blk.{}.ffn_norm.*").required(),
    Rule::keep("model.layers.{}.feed_forward.gate_proj.*", "blk.{}.ffn_gate.*").required(),
    Rule::keep("model.layers.{}.feed_forward.up_proj.*", "blk.{}.ffn_up.*").required(),
    Rule::keep("model.layers.{}.feed_forward.down_proj.*", "blk.{}.ffn_down.*").required(),
];

/// The kind of each layer: attention in those that are listed, or in one of each period.
fn kinds_of_bamba(configuration: &Configuration) -> Result<Vec<&'static str>, ConvertError> {
    let layers = configuration.integer("num_hidden_layers")?.min(MAX_LAYERS);
    let listed = configuration.integers("attn_layer_indices")?.filter(|listed| !listed.is_empty());
    let kind = |attends: bool| if attends { "attention" } else { "mamba" };
    if let Some(listed) = listed {
        return Ok((0..layers).map(|layer| kind(listed.contains(&layer))).collect());
    }
    let period = configuration.integer("attn_layer_period")?.max(1);
    let offset = configuration.integer("attn_layer_offset")?;
    Ok((0..layers).map(|layer| kind(layer % period == offset)).collect())
}

const ATTENTION: &[Rule] = &[
    Rule::step("model.layers.{}.self_attn.q_proj.*", "blk.{}.attn_q.*", super::llama::pair_queries),
    Rule::step("model.layers.{}.self_attn.k_proj.*", "blk.{}.attn_k.*", super::llama::pair_keys),
    Rule::keep("model.layers.{}.self_attn.v_proj.*", "blk.{}.attn_v.*"),
    Rule::keep("model.layers.{}.self_attn.o_proj.*", "blk.{}.attn_output.*"),
];

/// What only models with experts have, and what only those without have: the shared feed-forward network
/// alone.
const FEED_FORWARD: &[Rule] = &[
    Rule::keep("model.layers.{}.block_sparse_moe.router.layer.*", "blk.{}.ffn_gate_inp.*"),
    Rule::split(
        "model.layers.{}.dense_mlp.input_linear.weight",
        &["blk.{}.ffn_gate.weight", "blk.{}.ffn_up.weight"],
        super::common::halves,
    ),
    Rule::keep("model.layers.{}.dense_mlp.output_linear.*", "blk.{}.ffn_down.*"),
    // Of adapters for Bamba, whose bases are known by the architecture alone.
    Rule::keep("model.layers.{}.feed_forward.gate_proj.*", "blk.{}.ffn_gate.*"),
    Rule::keep("model.layers.{}.feed_forward.up_proj.*", "blk.{}.ffn_up.*"),
    Rule::keep("model.layers.{}.feed_forward.down_proj.*", "blk.{}.ffn_down.*"),
];

fn has(configuration: &Configuration, key: &str) -> bool {
    configuration.optional_integer(&[key]).is_ok_and(|number| number.unwrap_or(0) > 0)
}

fn has_mamba(configuration: &Configuration) -> bool {
    configuration.strings("layer_types").is_ok_and(|kinds| kinds.unwrap_or_default().contains(&"mamba"))
}

/// Mamba layers are called as Nemotron-H calls them.
fn rename<'n>(model: &Model, name: &'n str) -> Option<Cow<'n, str>> {
    let name = granite::text_name(name)?;
    if name.contains(".mamba.") {
        let name = name.replacen("model.layers.", "backbone.layers.", 1);
        return Some(name.replacen(".mamba.", ".mixer.", 1).into());
    }
    let dense = name.contains(".shared_mlp.") && !has(&model.configuration, "num_local_experts");
    Some(if dense { name.replacen(".shared_mlp.", ".dense_mlp.", 1).into() } else { name })
}

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    (granite::MIXTURE.hyperparameters)(subject, out)?;
    let model = subject.model;
    let configuration = &model.configuration;
    for (key, name) in [
        ("ssm.conv_kernel", "mamba_d_conv"),
        ("ssm.state_size", "mamba_d_state"),
        ("ssm.group_count", "mamba_n_groups"),
    ] {
        out.count(key, configuration.integer(name)?)?;
    }
    let expansion = configuration.integer("mamba_expand")?;
    out.count("ssm.inner_size", expansion.saturating_mul(model.hidden_size()?))?;
    out.count("ssm.time_step_rank", configuration.integer("mamba_n_heads")?)?;
    let attention = model.layers_of_kind("attention")?;
    let attention = attention.ok_or_else(|| configuration.missing(&["layer_types"]))?;
    if attention.len() as u64 != model.layers {
        let expected = format!("{} layers", model.layers);
        return Err(configuration.bad("layer_types", &attention.len(), &expected));
    }
    out.counts("attention.head_count_kv", &where_present(&attention, model.key_value_heads()?))?;
    let hybrid = has_mamba(configuration);
    out.set("rope.scaling.finetuned", !hybrid);
    // Nothing is rotated where Mamba layers keep the order.
    if hybrid { out.count("context_length", 1 << 20) } else { Ok(()) }
}
