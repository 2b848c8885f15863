//! Databricks' DBRX: all experts of a layer lie one after the other in each of three matrices.

use super::Family;
use crate::convert::configuration::{Class, Part};
use crate::convert::hyperparameters::file_type_here;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::weight::{Weight, WeightError};
use crate::convert::{Configuration, ConvertError, Model, Subject};

pub(super) const FAMILY: Family = Family {
    names: &["DbrxForCausalLM"],
    architecture: "dbrx",
    classes: &[
        Class {
            model_type: "dbrx",
            defaults: r#"{"d_model": 2048, "n_heads": 16, "n_layers": 24, "max_seq_len": 2048,
                "vocab_size": 32000}"#,
            derived: &[],
            parts: &[Part::of("attn_config", "dbrx_attention"), Part::of("ffn_config", "dbrx_feed_forward")],
        },
        Class::new("dbrx_attention", &[], r#"{"kv_n_heads": 1, "rope_theta": 10000.0}"#),
        Class::new(
            "dbrx_feed_forward",
            &[],
            r#"{"ffn_hidden_size": 3584, "moe_num_experts": 4, "moe_top_k": 1}"#,
        ),
    ],
    hyperparameters,
    tensors: &[TENSORS],
    // The router too is written as asked for.
    element_type: |_, _, asked| Some(asked),
    ..Family::STANDARD
};

const TENSORS: &[Rule] = &[
    Rule::keep("transformer.wte.*", "token_embd.*").required(),
    Rule::keep("transformer.norm_f.*", "output_norm.*").required(),
    Rule::keep("lm_head.*", "output.*").required(),
    Rule::keep("transformer.blocks.{}.norm_attn_norm.norm_1.*", "blk.{}.attn_norm.*").required(),
    Rule::keep("transformer.blocks.{}.norm_attn_norm.norm_2.*", "blk.{}.attn_output_norm.*").required(),
    Rule::keep("transformer.blocks.{}.norm_attn_norm.attn.Wqkv.*", "blk.{}.attn_qkv.*").required(),
    Rule::keep("transformer.blocks.{}.norm_attn_norm.attn.out_proj.*", "blk.{}.attn_output.*").required(),
    Rule::keep("transformer.blocks.{}.ffn.router.layer.*", "blk.{}.ffn_gate_inp.*").required(),
    Rule::step("transformer.blocks.{}.ffn.experts.mlp.w1", "blk.{}.ffn_gate_exps.weight", by_expert)
        .required(),
    Rule::step("transformer.blocks.{}.ffn.experts.mlp.v1", "blk.{}.ffn_up_exps.weight", by_expert).required(),
    Rule::step("transformer.blocks.{}.ffn.experts.mlp.w2", "blk.{}.ffn_down_exps.weight", |model, weight| {
        by_expert(model, weight)?.transposed()
    })
    .required(),
];

fn part(configuration: &Configuration, key: &'static str) -> Result<Configuration, ConvertError> {
    configuration.part(key).ok_or_else(|| configuration.missing(&[key]))
}

fn by_expert(model: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let experts = part(&model.configuration, "ffn_config")?;
    let (count, width) = (experts.integer("moe_num_experts")?, experts.integer("ffn_hidden_size")?);
    let size = model.configuration.integer("d_model")?;
    Ok(Weight::Whole(weight.whole()?.reshape(&[count, width, size])?))
}

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let configuration = &subject.model.configuration;
    let (attention, experts) = (part(configuration, "attn_config")?, part(configuration, "ffn_config")?);
    out.count("block_count", subject.model.layers)?;
    out.count("context_length", configuration.integer("max_seq_len")?)?;
    out.count("embedding_length", configuration.integer("d_model")?)?;
    out.count("feed_forward_length", experts.integer("ffn_hidden_size")?)?;
    out.count("attention.head_count", configuration.integer("n_heads")?)?;
    out.count("attention.head_count_kv", attention.integer("kv_n_heads")?)?;
    out.float("rope.freq_base", attention.number("rope_theta")?);
    out.float("attention.clamp_kqv", attention.number("clip_qkv")?);
    out.count("expert_count", experts.integer("moe_num_experts")?)?;
    out.count("expert_used_count", experts.integer("moe_top_k")?)?;
    out.float("attention.layer_norm_epsilon", 1e-5);
    file_type_here(out);
    Ok(())
}
