//! StarCoder of the first kind and SantaCoder, and CodeShell, which is built like them.

use super::Family;
use super::common::{inside_transformer, is_buffer};
use super::gpt2::{EMBEDDINGS, NORMS, POSITIONS, is_mask};
use crate::convert::configuration::Class;
use crate::convert::hyperparameters::file_type_here;
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::{ConvertError, Subject};

pub(super) const FAMILY: Family = Family {
    names: &["GPTBigCodeForCausalLM"],
    architecture: "starcoder",
    classes: &[Class::new(
        "gpt_bigcode",
        &[],
        r#"{"vocab_size": 50257, "n_positions": 1024, "n_embd": 768, "n_layer": 12, "n_head": 12,
        "layer_norm_epsilon": 1e-5}"#,
    )],
    hyperparameters: |subject, out| hyperparameters(subject, 1, out),
    rename: |_, name| (!is_mask(name) && !is_buffer(name)).then(|| inside_transformer(name)),
    tensors: &[POSITIONS, EMBEDDINGS, NORMS, LAYERS],
    ..Family::STANDARD
};

/// Rotary positions.
pub(super) const CODESHELL: Family = Family {
    names: &["CodeShellForCausalLM"],
    architecture: "codeshell",
    classes: &[],
    hyperparameters: |subject, out| {
        hyperparameters(subject, subject.model.configuration.integer("num_query_groups")?, out)?;
        out.float("rope.freq_base", 10_000.0);
        out.set("rope.scaling.type", "linear");
        out.float("rope.scaling.factor", 1.0);
        Ok(())
    },
    tensors: &[EMBEDDINGS, NORMS, LAYERS],
    ..FAMILY
};

const LAYERS: &[Rule] = &[
    Rule::keep("h.{}.attn.c_attn.*", "blk.{}.attn_qkv.*").required(),
    Rule::keep("h.{}.attn.c_proj.*", "blk.{}.attn_output.*").required(),
    Rule::keep("h.{}.mlp.c_fc.*", "blk.{}.ffn_up.*").required(),
    Rule::keep("h.{}.mlp.c_proj.*", "blk.{}.ffn_down.*").required(),
];

fn hyperparameters(subject: &Subject<'_>, groups: u64, out: &mut Parameters) -> Result<(), ConvertError> {
    let model = subject.model;
    let configuration = &model.configuration;
    out.count("context_length", configuration.integer("n_positions")?)?;
    out.count("embedding_length", model.hidden_size()?)?;
    out.count("feed_forward_length", model.hidden_size()?.saturating_mul(4))?;
    out.count("block_count", model.layers)?;
    out.count("attention.head_count", model.heads()?)?;
    out.count("attention.head_count_kv", groups)?;
    out.float("attention.layer_norm_epsilon", configuration.number("layer_norm_epsilon")?);
    file_type_here(out);
    Ok(())
}
