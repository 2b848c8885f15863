//! Text models that fill in masked tokens all over a text instead of going on with it: Dream and LLaDA.

use super::Family;
use super::llama::{pair_keys, pair_queries};
use crate::convert::hyperparameters::standard;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::{ConvertError, Subject, pooling};

pub(super) const DREAM: Family = Family {
    names: &["DreamModel"],
    architecture: "dream",
    tokenizer: Flavour { added_as_listed: true, ..Flavour::SENTENCE_PIECE_OR_BYTE_PAIR },
    hyperparameters: |subject, out| {
        standard(subject, out)?;
        pooling::write(subject, out)?;
        out.set("attention.causal", false);
        if let Some(mask) = subject.model.configuration.optional_integer(&["mask_token_id"])? {
            out.set_plain("tokenizer.ggml.mask_token_id", mask as u32);
        }
        Ok(())
    },
    ..Family::STANDARD
};

pub(super) const LLADA: Family = Family {
    names: &["LLaDAModelLM"],
    architecture: "llada",
    adjust: |configuration, _| {
        if let Some(width) = configuration.optional_integer(&["d_model"])? {
            configuration.set(WIDTH, width);
        }
        Ok(())
    },
    tokenizer: Flavour { added_as_listed: true, always: &[("add_bos_token", true)], ..Flavour::BYTE_PAIR },
    hyperparameters,
    tensors: &[TENSORS],
    ..Family::STANDARD
};

const WIDTH: &str = "hidden_size";

const TENSORS: &[Rule] = &[
    Rule::keep("model.transformer.wte.*", "token_embd.*").required(),
    Rule::keep("model.transformer.ln_f.*", "output_norm.*").required(),
    Rule::keep("model.transformer.ff_out.*", "output.*"),
    Rule::keep("model.transformer.blocks.{}.attn_norm.*", "blk.{}.attn_norm.*").required(),
    Rule::step("model.transformer.blocks.{}.q_proj.*", "blk.{}.attn_q.*", pair_queries).required(),
    Rule::step("model.transformer.blocks.{}.k_proj.*", "blk.{}.attn_k.*", pair_keys).required(),
    Rule::keep("model.transformer.blocks.{}.v_proj.*", "blk.{}.attn_v.*").required(),
    Rule::keep("model.transformer.blocks.{}.attn_out.*", "blk.{}.attn_output.*").required(),
    Rule::keep("model.transformer.blocks.{}.ff_norm.*", "blk.{}.ffn_norm.*").required(),
    Rule::keep("model.transformer.blocks.{}.ff_proj.*", "blk.{}.ffn_gate.*").required(),
    Rule::keep("model.transformer.blocks.{}.up_proj.*", "blk.{}.ffn_up.*").required(),
    Rule::keep("model.transformer.blocks.{}.ff_out.*", "blk.{}.ffn_down.*").required(),
];

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let model = subject.model;
    let configuration = &model.configuration;
    out.count("block_count", model.layers)?;
    let context = configuration.optional_integer(&["max_sequence_length"])?.unwrap_or(4096);
    out.count("context_length", context)?;
    out.count("attention.head_count", model.heads()?)?;
    out.count("attention.head_count_kv", model.key_value_heads()?)?;
    if let Some(base) = model.rope.full.optional_number(&["rope_theta"])? {
        out.float("rope.freq_base", base);
    }
    out.float("attention.layer_norm_rms_epsilon", configuration.number("rms_norm_eps")?);
    crate::convert::hyperparameters::file_type_here(out);
    pooling::write(subject, out)?;
    out.count("vocab_size", configuration.integer("vocab_size")?)?;
    out.count("rope.dimension_count", model.head_size()?)?;
    out.count("embedding_length", configuration.optional_integer(&["d_model"])?.unwrap_or(4096))?;
    let inner = configuration.optional_integer(&["mlp_hidden_size"])?.unwrap_or(12_288);
    out.count("feed_forward_length", inner)?;
    out.set("attention.causal", false);
    out.set_plain("diffusion.shift_logits", false);
    Ok(())
}
