//! AI21's Jamba: Mamba in most layers and attention in some, experts in some.

use std::borrow::Cow;

use super::Family;
use super::common::{DENSE_LAYERS, flat_kernel, replaced, text_name, where_present};
use super::mamba::positive;
use crate::convert::configuration::Class;
use crate::convert::hyperparameters::file_type_here;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::{Flavour, Format};
use crate::convert::{ConvertError, Model, Subject};
use crate::plan::Operation;

pub(super) const FAMILY: Family = Family {
    names: &["JambaForCausalLM"],
    architecture: "jamba",
    classes: &[Class::new(
        "jamba",
        &[],
        r#"{"vocab_size": 65536, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
        "num_attention_heads": 32, "max_position_embeddings": 262144, "num_key_value_heads": 8,
        "rms_norm_eps": 1e-6, "num_experts_per_tok": 2, "num_experts": 16, "expert_layer_period": 2,
        "expert_layer_offset": 1, "attn_layer_period": 8, "attn_layer_offset": 4, "mamba_d_state": 16,
        "mamba_d_conv": 4, "mamba_expand": 2, "mamba_dt_rank": 256}"#,
    )],
    tokenizer: Flavour {
        formats: &[Format::SentencePiece, Format::RewrittenSentencePiece],
        ..Flavour::SENTENCE_PIECE
    },
    hyperparameters,
    rename,
    tensors: &[TRUNK, MAMBA, ATTENTION, DENSE_LAYERS, EXPERTS],
    ..Family::STANDARD
};

const TRUNK: &[Rule] = &[
    Rule::keep("model.embed_tokens.*", "token_embd.*").required(),
    Rule::keep("model.final_layernorm.*", "output_norm.*").required(),
    Rule::keep("lm_head.*", "output.*"),
    Rule::keep("model.layers.{}.input_layernorm.*", "blk.{}.attn_norm.*").required(),
    Rule::keep("model.layers.{}.pre_ff_layernorm.*", "blk.{}.ffn_norm.*").required(),
];

const MAMBA: &[Rule] = &[
    Rule::step("model.layers.{}.mamba.A_log", "blk.{}.ssm_a", |_, weight| {
        weight.map(Operation::NegatedExponential)
    }),
    Rule::keep("model.layers.{}.mamba.D", "blk.{}.ssm_d"),
    Rule::keep("model.layers.{}.mamba.b_layernorm.*", "blk.{}.ssm_b_norm.*"),
    Rule::keep("model.layers.{}.mamba.c_layernorm.*", "blk.{}.ssm_c_norm.*"),
    Rule::keep("model.layers.{}.mamba.dt_layernorm.*", "blk.{}.ssm_dt_norm.*"),
    Rule::step("model.layers.{}.mamba.conv1d.weight", "blk.{}.ssm_conv1d.weight", flat_kernel),
    Rule::keep("model.layers.{}.mamba.conv1d.bias", "blk.{}.ssm_conv1d.bias"),
    Rule::keep("model.layers.{}.mamba.dt_proj.*", "blk.{}.ssm_dt.*"),
    Rule::keep("model.layers.{}.mamba.in_proj.*", "blk.{}.ssm_in.*"),
    Rule::keep("model.layers.{}.mamba.out_proj.*", "blk.{}.ssm_out.*"),
    Rule::keep("model.layers.{}.mamba.x_proj.*", "blk.{}.ssm_x.*"),
];

const ATTENTION: &[Rule] = &[
    Rule::keep("model.layers.{}.self_attn.q_proj.*", "blk.{}.attn_q.*"),
    Rule::keep("model.layers.{}.self_attn.k_proj.*", "blk.{}.attn_k.*"),
    Rule::keep("model.layers.{}.self_attn.v_proj.*", "blk.{}.attn_v.*"),
    Rule::keep("model.layers.{}.self_attn.o_proj.*", "blk.{}.attn_output.*"),
];

const EXPERTS: &[Rule] = &[
    Rule::keep("model.layers.{}.mlp.router.*", "blk.{}.ffn_gate_inp.*"),
    Rule::expert("model.layers.{}.mlp.experts.{}.down_proj.weight", "blk.{}.ffn_down_exps.weight"),
    Rule::expert("model.layers.{}.mlp.experts.{}.gate_proj.weight", "blk.{}.ffn_gate_exps.weight"),
    Rule::expert("model.layers.{}.mlp.experts.{}.up_proj.weight", "blk.{}.ffn_up_exps.weight"),
];

/// Layers without a choice of experts may call their feed-forward network the only one.
fn rename<'n>(model: &Model, name: &'n str) -> Option<Cow<'n, str>> {
    let name = replaced(text_name(name)?, ".moe.", ".mlp.");
    let name = replaced(name, ".feed_forward.", ".mlp.");
    let layer = name.strip_prefix("model.layers.").and_then(|rest| rest.split_once('.'));
    let layer = layer.and_then(|(number, _)| number.parse::<u64>().ok());
    let configuration = &model.configuration;
    let number = |key: &str| configuration.integer(key).unwrap_or(0);
    let (offset, period) = (number("expert_layer_offset"), number("expert_layer_period").max(1));
    let dense = layer.is_some_and(|layer| layer < offset || !(layer - offset).is_multiple_of(period));
    Some(if dense { replaced(name, ".experts.0.", ".") } else { name })
}

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let model = subject.model;
    let configuration = &model.configuration;
    let width = configuration.integer_of(&["hidden_size", "mamba_d_model"])?;
    let (offset, period) =
        (configuration.integer("attn_layer_offset")?, configuration.integer("attn_layer_period")?.max(1));
    let attends = |layer: u64| layer >= offset && (layer - offset).is_multiple_of(period);
    let attention: Vec<bool> = (0..model.layers).map(attends).collect();
    out.count("block_count", model.layers)?;
    out.count("context_length", configuration.integer_of(&["max_position_embeddings", "n_ctx"])?)?;
    out.count("embedding_length", width)?;
    out.count("feed_forward_length", configuration.integer("intermediate_size")?)?;
    out.count("attention.head_count", model.heads()?)?;
    out.counts("attention.head_count_kv", &where_present(&attention, model.key_value_heads()?))?;
    out.count("ssm.conv_kernel", positive(configuration, &["mamba_d_conv"], 4)?)?;
    out.count("ssm.inner_size", configuration.integer("mamba_expand")?.saturating_mul(width))?;
    out.count("ssm.state_size", positive(configuration, &["mamba_d_state"], 16)?)?;
    out.count("ssm.time_step_rank", positive(configuration, &["mamba_dt_rank"], width.div_ceil(16))?)?;
    let epsilon = configuration.optional_number(&["layer_norm_epsilon", "rms_norm_eps"])?;
    out.float("attention.layer_norm_rms_epsilon", epsilon.unwrap_or(1e-6));
    out.count("expert_count", model.experts()?)?;
    let used = ["num_experts_per_tok", "num_experts_per_token"];
    out.count("expert_used_count", configuration.integer_of(&used)?)?;
    file_type_here(out);
    Ok(())
}
