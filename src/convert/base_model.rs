//! What the file of a base model says, in the terms of the configuration that it was made from.

use serde_json::{Map, Value};

use super::files::Files;
use super::{Configuration, ConvertError, architecture};
use crate::gguf::{self, Array, Metadata};

/// A number of the base model. Where there is one a layer, it is zero in the layers that it does not concern,
/// and the same in all others.
pub(super) fn number_of(base: &Metadata, architecture: &str, key: &str) -> Option<u64> {
    match base.get(&format!("{architecture}.{key}"))? {
        gguf::Value::Array(Array::I32(numbers)) => {
            numbers.iter().max().and_then(|number| (*number).try_into().ok())
        }
        gguf::Value::Array(Array::U32(numbers)) => numbers.iter().max().copied().map(u64::from),
        value => value.as_u64(),
    }
}

/// The configuration that a model file was made from, as far as rearranging weights needs it. What the file
/// does not say, since it was multiplied into the weights, is taken from the model's `config.json` if that is
/// given.
pub(super) fn configuration_of(
    base: &Metadata,
    architecture: &str,
    predicted_layers: u64,
    files: Files<'_>,
) -> Result<Configuration, ConvertError> {
    const KEYS: [(&str, &str); 15] = [
        ("num_hidden_layers", "block_count"),
        ("hidden_size", "embedding_length"),
        ("intermediate_size", "feed_forward_length"),
        ("num_attention_heads", "attention.head_count"),
        ("num_key_value_heads", "attention.head_count_kv"),
        ("num_experts", "expert_count"),
        ("head_dim", "attention.key_length"),
        ("kv_lora_rank", "attention.kv_lora_rank"),
        ("v_head_dim", "attention.value_length_mla"),
        ("conv_L_cache", "shortconv.l_cache"),
        ("linear_conv_kernel_dim", "ssm.conv_kernel"),
        ("linear_key_head_dim", "ssm.state_size"),
        ("linear_num_key_heads", "ssm.group_count"),
        ("linear_num_value_heads", "ssm.time_step_rank"),
        ("ssm_inner_size", "ssm.inner_size"),
    ];
    let number = |key: &str| {
        let number = number_of(base, architecture, key);
        if key == "block_count" {
            number.map(|layers| layers.saturating_sub(predicted_layers))
        } else {
            number
        }
    };
    let mut configuration = match files.json("config.json")? {
        Some(Value::Object(values)) => {
            Configuration::with_defaults("config.json", values, &architecture::classes()).text()
        }
        _ => Configuration::new("the base model's metadata", Map::new()),
    };
    for (key, name) in KEYS {
        if let Some(number) = number(name) {
            configuration.set(key, number);
        }
    }
    if let (Some(inner), Some(heads)) = (number("ssm.inner_size"), number("ssm.time_step_rank"))
        && let Some(size) = inner.checked_div(heads)
    {
        configuration.set("linear_value_head_dim", size);
    }
    Ok(configuration)
}
