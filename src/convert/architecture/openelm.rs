//! Apple's OpenELM, whose layers differ in width and heads.

use super::Family;
use super::common::{halves, inside_transformer};
use crate::convert::hyperparameters::{file_type_here, key_and_value_length};
use crate::convert::parameters::Parameters;
use crate::convert::rule::Rule;
use crate::convert::tokenizer::Flavour;
use crate::convert::{Configuration, ConvertError, Subject};

pub(super) const FAMILY: Family = Family {
    names: &["OpenELMForCausalLM"],
    architecture: "openelm",
    adjust: |configuration, _| {
        configuration.set("num_hidden_layers", configuration.integer("num_transformer_layers")?);
        configuration.set("hidden_size", configuration.integer("model_dim")?);
        Ok(())
    },
    // The models themselves come without one and say to take Llama 2's.
    tokenizer: Flavour::SENTENCE_PIECE,
    hyperparameters,
    rename: |_, name| Some(inside_transformer(name)),
    tensors: &[TENSORS],
    ..Family::STANDARD
};

const TENSORS: &[Rule] = &[
    Rule::keep("token_embeddings.*", "token_embd.*").required(),
    Rule::keep("norm.*", "output_norm.*").required(),
    Rule::keep("layers.{}.attn_norm.*", "blk.{}.attn_norm.*").required(),
    Rule::keep("layers.{}.attn.qkv_proj.*", "blk.{}.attn_qkv.*").required(),
    Rule::keep("layers.{}.attn.q_norm.*", "blk.{}.attn_q_norm.*"),
    Rule::keep("layers.{}.attn.k_norm.*", "blk.{}.attn_k_norm.*"),
    Rule::keep("layers.{}.attn.out_proj.*", "blk.{}.attn_output.*").required(),
    Rule::keep("layers.{}.ffn_norm.*", "blk.{}.ffn_norm.*").required(),
    Rule::split("layers.{}.ffn.proj_1.weight", &["blk.{}.ffn_gate.weight", "blk.{}.ffn_up.weight"], halves)
        .required(),
    Rule::keep("layers.{}.ffn.proj_2.*", "blk.{}.ffn_down.*").required(),
];

fn hyperparameters(subject: &Subject<'_>, out: &mut Parameters) -> Result<(), ConvertError> {
    let model = subject.model;
    let configuration = &model.configuration;
    let by_layer = |key: &str| {
        let numbers = configuration.integers(key)?.ok_or_else(|| configuration.missing(&[key]))?;
        check_layers(configuration, key, numbers.len(), model.layers)?;
        Ok::<_, ConvertError>(numbers)
    };
    let size = model.checked_head_size("head_dim", configuration.integer("head_dim")?)?;
    out.count("block_count", model.layers)?;
    out.count("context_length", configuration.integer("max_context_length")?)?;
    out.count("embedding_length", model.hidden_size()?)?;
    out.counts("feed_forward_length", &feed_forward_widths(subject)?)?;
    out.counts("attention.head_count", &by_layer("num_query_heads")?)?;
    out.counts("attention.head_count_kv", &by_layer("num_kv_heads")?)?;
    out.float("rope.freq_base", configuration.number("rope_freq_constant")?);
    out.float("attention.layer_norm_rms_epsilon", 1e-6);
    out.count("rope.dimension_count", size)?;
    key_and_value_length(out, size)?;
    file_type_here(out);
    Ok(())
}

fn check_layers(
    configuration: &Configuration,
    key: &str,
    got: usize,
    layers: u64,
) -> Result<(), ConvertError> {
    if got as u64 == layers {
        return Ok(());
    }
    Err(configuration.bad(key, &format!("{got} numbers"), &format!("one for each of {layers} layers")))
}

/// The width of each layer's feed-forward network: a multiple of the model's, rounded to a multiple of a
/// divisor, but not down by more than a tenth (Apple, `configuration_openelm.py`).
fn feed_forward_widths(subject: &Subject<'_>) -> Result<Vec<u64>, ConvertError> {
    const KEY: &str = "ffn_multipliers";
    let model = subject.model;
    let configuration = &model.configuration;
    let factors = configuration.numbers(KEY)?.ok_or_else(|| configuration.missing(&[KEY]))?;
    check_layers(configuration, KEY, factors.len(), model.layers)?;
    let divisor = configuration.integer("ffn_dim_divisor")?.max(1);
    let width = model.hidden_size()? as f64;
    let rounded = |factor: &f64| {
        let wanted = factor * width;
        let nearest = ((wanted + divisor as f64 / 2.0) as u64 / divisor * divisor).max(divisor);
        if (nearest as f64) < 0.9 * wanted { nearest.saturating_add(divisor) } else { nearest }
    };
    Ok(factors.iter().map(rounded).collect())
}
