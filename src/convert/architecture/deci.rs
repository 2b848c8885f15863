//! DeciLM and the Nemotron models that were cut out of Llama: layers differ in heads and width, some have no
//! attention.

use super::common::{EMBEDDINGS, where_present};
use super::{Family, llama};
use crate::convert::hyperparameters::{file_type_here, key_and_value_length, standard};
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::weight::{Weight, WeightError, pair_rotary_rows};
use crate::convert::{Configuration, ConvertError, Model, Subject};

pub(super) const FAMILY: Family = Family {
    names: &["DeciLMForCausalLM"],
    architecture: "deci",
    tokenizer: Flavour::DECI,
    hyperparameters: |subject, out| {
        match subject.model.configuration.value(BLOCKS) {
            Some(_) => by_block(subject, out)?,
            None => by_key(subject, out)?,
        }
        let model = subject.model;
        out.count("vocab_size", model.configuration.integer("vocab_size")?)?;
        out.count("rope.dimension_count", model.head_size()?)
    },
    generated: llama::rope_factors,
    tensors: &[EMBEDDINGS, LAYERS],
    // Layers may be without attention, or have a matrix in its place.
    lacking: &["attn"],
    ..Family::STANDARD
};

/// What is said of each layer.
const BLOCKS: &str = "block_configs";

const LAYERS: &[Rule] = &[
    Rule::keep("model.layers.{}.input_layernorm.*", "blk.{}.attn_norm.*"),
    Rule::keep("model.layers.{}.post_attention_layernorm.*", "blk.{}.ffn_norm.*"),
    Rule::step("model.layers.{}.self_attn.q_proj.*", "blk.{}.attn_q.*", pair_heads),
    Rule::step("model.layers.{}.self_attn.k_proj.*", "blk.{}.attn_k.*", pair_heads),
    Rule::keep("model.layers.{}.self_attn.v_proj.*", "blk.{}.attn_v.*"),
    Rule::keep("model.layers.{}.self_attn.o_proj.*", "blk.{}.attn_output.*"),
    // One matrix in the place of attention.
    Rule::keep("model.layers.{}.self_attn.linear_attn.*", "blk.{}.attn_output.*"),
    Rule::keep("model.layers.{}.mlp.gate_proj.*", "blk.{}.ffn_gate.*"),
    Rule::keep("model.layers.{}.mlp.up_proj.*", "blk.{}.ffn_up.*"),
    Rule::keep("model.layers.{}.mlp.down_proj.*", "blk.{}.ffn_down.*"),
];

/// Heads in the order in which llama.cpp rotates them, however many there are.
fn pair_heads(model: &Model, weight: Weight) -> Result<Weight, WeightError> {
    let heads = weight.row_count() / (model.hidden_size()? / model.heads()?).max(1);
    pair_rotary_rows(weight, heads)
}

/// DeciLM 7B.
fn by_key(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    const HEADS: &str = "num_key_value_heads_per_layer";
    standard(subject, out)?;
    let configuration = &subject.model.configuration;
    match configuration.integers(HEADS)? {
        Some(heads) if heads.len() as u64 != subject.model.layers => {
            let expected = format!("one for each of {} layers", subject.model.layers);
            Err(configuration.bad(HEADS, &format!("{} numbers", heads.len()), &expected))
        }
        Some(heads) => out.counts("attention.head_count_kv", &heads),
        None => Ok(()),
    }
}

/// A layer of the models that were cut out.
struct Block {
    attends: bool,
    /// Whether a matrix stands in the place of attention.
    is_linear: bool,
    groups: u64,
    feed_forward: u64,
}

fn by_block(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let model = subject.model;
    let configuration = &model.configuration;
    let blocks = blocks(model)?;
    let list = |number: fn(&Block) -> u64| blocks.iter().map(number).collect::<Vec<u64>>();
    if let Some(base) = model.rope.common.optional_number(&["rope_theta"])? {
        out.float("rope.freq_base", base);
    }
    out.counts("attention.head_count_kv", &list(|block| block.groups))?;
    let with_heads: Vec<bool> = blocks.iter().map(|block| block.attends || block.is_linear).collect();
    out.counts("attention.head_count", &where_present(&with_heads, model.heads()?))?;
    out.counts("feed_forward_length", &list(|block| block.feed_forward))?;
    out.count("block_count", model.layers)?;
    out.count("context_length", configuration.integer("max_position_embeddings")?)?;
    out.count("embedding_length", model.hidden_size()?)?;
    out.float("attention.layer_norm_rms_epsilon", configuration.number("rms_norm_eps")?);
    key_and_value_length(out, model.hidden_size()? / model.heads()?)?;
    file_type_here(out);
    Ok(())
}

fn blocks(model: &Model) -> Result<Vec<Block>, ConvertError> {
    let configuration = &model.configuration;
    let listed = configuration.value(BLOCKS).and_then(serde_json::Value::as_array);
    let listed = listed.filter(|blocks| blocks.len() as u64 == model.layers).ok_or_else(|| {
        configuration.bad(BLOCKS, &"another list", &format!("one object for each of {} layers", model.layers))
    })?;
    let block = |(number, block): (usize, &serde_json::Value)| {
        let values = block.as_object().cloned().unwrap_or_default();
        let block = Configuration::new(&format!("config.json, {BLOCKS}, {number}"), values);
        let part = |key: &str| block.part(key).ok_or_else(|| block.missing(&[key]));
        let (attention, feed_forward) = (part("attention")?, part("ffn")?);
        let group = attention.optional_integer(&["n_heads_in_group"])?;
        let factor = feed_forward.optional_number(&["ffn_mult"])?.unwrap_or(0.0);
        Ok(Block {
            attends: group.is_some(),
            is_linear: group.is_none() && attention.flag("replace_with_linear")?,
            groups: group.map_or(0, |group| model.heads().unwrap_or(0) / group.max(1)),
            feed_forward: ((2.0 * factor * model.hidden_size()? as f64 / 3.0) as u64)
                .div_ceil(256)
                .saturating_mul(256),
        })
    };
    listed.iter().enumerate().map(block).collect()
}
