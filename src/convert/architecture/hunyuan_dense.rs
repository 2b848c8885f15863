//! Tencent's Hunyuan, dense.

use super::Family;
use super::common::{EMBEDDINGS, GATED_FEED_FORWARD, NORMS, text_name};
use super::deepseek2::is_tied_output;
use crate::convert::configuration::{Class, Derived};
use crate::convert::hyperparameters::standard;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::{ConvertError, Model, Subject};

pub(super) const FAMILY: Family = Family {
    names: &["HunYuanDenseV1ForCausalLM"],
    architecture: "hunyuan-dense",
    classes: &[Class::new(
        "hunyuan_v1_dense",
        &[Derived::KeyValueHeads],
        r#"{"vocab_size": 290943, "max_position_embeddings": 2048, "hidden_size": 4096,
        "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32, "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0}"#,
    )],
    adjust: |configuration, _| {
        // A model with one expert has no experts to choose from.
        configuration.remove("num_experts");
        Ok(())
    },
    tokenizer: Flavour::HUNYUAN,
    hyperparameters,
    rename: |model, name| if is_tied_output(model, name) { None } else { text_name(name) },
    tensors: &[EMBEDDINGS, NORMS, ATTENTION, GATED_FEED_FORWARD],
    ..Family::STANDARD
};

pub(super) const ATTENTION: &[Rule] = &[
    Rule::keep("model.layers.{}.self_attn.q_proj.*", "blk.{}.attn_q.*").required(),
    Rule::keep("model.layers.{}.self_attn.k_proj.*", "blk.{}.attn_k.*").required(),
    Rule::keep("model.layers.{}.self_attn.v_proj.*", "blk.{}.attn_v.*").required(),
    Rule::keep("model.layers.{}.self_attn.o_proj.*", "blk.{}.attn_output.*").required(),
    Rule::keep("model.layers.{}.self_attn.query_layernorm.*", "blk.{}.attn_q_norm.*"),
    Rule::keep("model.layers.{}.self_attn.key_layernorm.*", "blk.{}.attn_k_norm.*"),
];

/// The context that the models were trained for, which their configurations do not say.
const CONTEXT: u64 = 256 * 1024;

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    standard(subject, out)?;
    scaled_rope(subject.model, 50.0, out)
}

/// The base of rotary embeddings, scaled once and for all (llama.cpp, `conversion/hunyuan.py`). `usual` is
/// the factor of a configuration that says none.
pub(super) fn scaled_rope(model: &Model, usual: f64, out: &mut Parameters) -> Result<(), ConvertError> {
    let rope = &model.rope.common;
    let kind = model.rope.kind()?.unwrap_or_default();
    if !["dynamic", "xdrope"].contains(&kind.as_str()) {
        return Ok(());
    }
    let alpha = rope.optional_number(&["alpha"])?.unwrap_or(usual);
    let base = rope.optional_number(&["rope_theta"])?.unwrap_or(10_000.0);
    let size = model.head_size()? as f64;
    out.float("rope.freq_base", base * alpha.powf(size / (size - 2.0)));
    out.set("rope.scaling.type", "none");
    out.float("rope.scaling.factor", 1.0);
    if kind == "dynamic" {
        if base != 10_000.0 {
            return Err(rope.bad("rope_theta", &base, "10000, for which the context is known"));
        }
        out.count("rope.scaling.original_context_length", CONTEXT)?;
        out.count("context_length", CONTEXT)?;
    }
    Ok(())
}
