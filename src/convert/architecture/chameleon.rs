//! Chameleon: text and pictures as tokens of one vocabulary; what makes tokens of pictures has no counterpart
//! yet.

use super::Family;
use super::common::{EMBEDDINGS, GATED_FEED_FORWARD, NORMS};
use super::llama::PAIRED_ATTENTION;
use crate::convert::configuration::{Class, Derived};
use crate::convert::hyperparameters::standard;
use crate::convert::rule::Rule;
use crate::convert::weight::{Weight, WeightError};
use crate::plan::{Derivation, DerivationError};

pub(super) const FAMILY: Family = Family {
    names: &["ChameleonForConditionalGeneration", "ChameleonForCausalLM"],
    architecture: "chameleon",
    classes: &[Class::new(
        "chameleon",
        &[Derived::KeyValueHeads],
        r#"{"vocab_size": 65536, "max_position_embeddings": 4096, "hidden_size": 4096,
        "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32, "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0, "swin_norm": false}"#,
    )],
    hyperparameters: |subject, out| {
        standard(subject, out)?;
        out.set("swin_norm", subject.model.configuration.optional_flag("swin_norm")?.unwrap_or(false));
        Ok(())
    },
    rename: |_, name| if name.starts_with("model.vqmodel.") { None } else { Some(name.into()) },
    tensors: &[EMBEDDINGS, NORMS, PAIRED_ATTENTION, HEAD_NORMS, GATED_FEED_FORWARD],
    ..Family::STANDARD
};

const HEAD_NORMS: &[Rule] = &[
    Rule::step("model.layers.{}.self_attn.q_norm.*", "blk.{}.attn_q_norm.*", |model, weight| {
        paired_norm(weight, model.heads()?)
    }),
    Rule::step("model.layers.{}.self_attn.k_norm.*", "blk.{}.attn_k_norm.*", |model, weight| {
        paired_norm(weight, model.key_value_heads()?)
    }),
];

/// The norm of the first head, for every head, in the order in which llama.cpp rotates queries and keys.
fn paired_norm(weight: Weight, heads: u64) -> Result<Weight, WeightError> {
    /// More than any model has.
    const MOST: u64 = 4096;
    let rows = weight.row_count();
    if heads != rows || heads > MOST {
        return Err(DerivationError::Axis { axis: 0, dimensions: vec![rows] }.into());
    }
    weight.rows(|derivation| {
        let size = derivation.element_count() / rows;
        let first = derivation.slice(0, 0..1)?.reshape(&[2, size / 2])?;
        let paired = first.transpose(0, 1)?.reshape(&[1, size])?;
        Derivation::concatenate(0, vec![paired; heads as usize])
    })
}
