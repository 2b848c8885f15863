//! MosaicML's MPT, Replit Code and SEA-LION.

use super::Family;
use super::common::inside_transformer;
use crate::convert::configuration::Class;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;

pub(super) const FAMILY: Family = Family {
    names: &["MPTForCausalLM"],
    architecture: "mpt",
    classes: &[Class::new(
        "mpt",
        &[],
        r#"{"vocab_size": 50368, "d_model": 2048, "n_heads": 16, "n_layers": 24, "max_seq_len": 2048,
        "attn_config": {"alibi": true, "alibi_bias_max": 8, "clip_qkv": null}}"#,
    )],
    tokenizer: Flavour::MPT,
    hyperparameters: |subject, out| {
        let model = subject.model;
        let configuration = &model.configuration;
        let width = configuration.integer("d_model")?;
        out.count("context_length", configuration.integer("max_seq_len")?)?;
        out.count("embedding_length", width)?;
        out.count("block_count", model.layers)?;
        out.count("feed_forward_length", width.saturating_mul(4))?;
        out.count("attention.head_count", model.heads()?)?;
        let attention = configuration.part("attn_config");
        let attention = attention.ok_or_else(|| configuration.missing(&["attn_config"]))?;
        out.float("attention.layer_norm_epsilon", 1e-5);
        if let Some(clamp) = attention.optional_number(&["clip_qkv"])? {
            out.float("attention.clamp_kqv", clamp);
        }
        let bias = if attention.optional_flag("alibi")?.unwrap_or(true) {
            attention.optional_number(&["alibi_bias_max"])?.unwrap_or(8.0)
        } else {
            0.0
        };
        out.float("attention.max_alibi_bias", bias);
        Ok(())
    },
    rename: |_, name| Some(inside_transformer(name)),
    tensors: &[TENSORS],
    ..Family::STANDARD
};

const TENSORS: &[Rule] = &[
    Rule::keep("wte.*", "token_embd.*").required(),
    Rule::keep("wpe.*", "position_embd.*"),
    Rule::keep("norm_f.*", "output_norm.*").required(),
    Rule::keep("lm_head.*", "output.*"),
    Rule::keep("blocks.{}.norm_1.*", "blk.{}.attn_norm.*").required(),
    Rule::keep("blocks.{}.norm_2.*", "blk.{}.ffn_norm.*").required(),
    Rule::keep("blocks.{}.attn.Wqkv.*", "blk.{}.attn_qkv.*").required(),
    Rule::keep("blocks.{}.attn.q_ln.*", "blk.{}.attn_q_norm.*"),
    Rule::keep("blocks.{}.attn.k_ln.*", "blk.{}.attn_k_norm.*"),
    Rule::keep("blocks.{}.attn.out_proj.*", "blk.{}.attn_output.*").required(),
    Rule::keep("blocks.{}.ffn.up_proj.*", "blk.{}.ffn_up.*").required(),
    Rule::keep("blocks.{}.ffn.act.scales", "blk.{}.ffn.act.scales"),
    Rule::keep("blocks.{}.ffn.down_proj.*", "blk.{}.ffn_down.*").required(),
];
