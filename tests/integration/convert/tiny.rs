//! The smallest checkpoint that has nothing wrong with it, and copies of it that have.

use ollamake::convert::{self, Conversion, ConvertError, OutputType};
use serde_json::{Value, json};

use super::Files;

/// Bytes of a safetensors file with this header and so many zeros.
pub(super) fn with_header(header: &[u8], data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header);
    bytes.resize(bytes.len() + data, 0);
    bytes
}

/// A safetensors file of tensors that are zero.
pub(super) fn tensors(list: &[(&str, &str, &[u64])]) -> Vec<u8> {
    let mut header = serde_json::Map::new();
    let mut end = 0;
    for (name, dtype, shape) in list {
        let width = match *dtype {
            "F32" | "I32" => 4,
            "F16" | "BF16" => 2,
            _ => 1,
        };
        let begin = end;
        end += width * shape.iter().product::<u64>();
        let entry = json!({"dtype": dtype, "shape": shape, "data_offsets": [begin, end]});
        header.insert((*name).to_owned(), entry);
    }
    with_header(Value::Object(header).to_string().as_bytes(), end as usize)
}

pub(super) const WEIGHTS: &str = "model.safetensors";
pub(super) const INDEX: &str = "model.safetensors.index.json";
pub(super) const NORM: &str = "model.layers.0.input_layernorm.weight";

pub(super) const TINY: [(&str, &str, &[u64]); 11] = [
    ("model.embed_tokens.weight", "BF16", &[6, 8]),
    ("model.norm.weight", "BF16", &[8]),
    (NORM, "BF16", &[8]),
    ("model.layers.0.post_attention_layernorm.weight", "BF16", &[8]),
    ("model.layers.0.self_attn.q_proj.weight", "BF16", &[8, 8]),
    ("model.layers.0.self_attn.k_proj.weight", "BF16", &[4, 8]),
    ("model.layers.0.self_attn.v_proj.weight", "BF16", &[4, 8]),
    ("model.layers.0.self_attn.o_proj.weight", "BF16", &[8, 8]),
    ("model.layers.0.mlp.gate_proj.weight", "BF16", &[16, 8]),
    ("model.layers.0.mlp.up_proj.weight", "BF16", &[16, 8]),
    ("model.layers.0.mlp.down_proj.weight", "BF16", &[8, 16]),
];

pub(super) fn configuration() -> Value {
    json!({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 8,
        "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1,
        "vocab_size": 6, "tie_word_embeddings": true})
}

pub(super) fn tokenizer() -> Value {
    json!({"version": "1.0", "truncation": null, "padding": null, "normalizer": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "added_tokens": [{"id": 5, "content": "<|end|>", "special": true, "single_word": false,
            "lstrip": false, "rstrip": false, "normalized": false}],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
            "use_regex": true},
        "post_processor": null,
        "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "ab": 3}, "merges": ["a b"]}})
}

/// A checkpoint that has nothing wrong with it.
pub(super) fn tiny() -> Files {
    Files(vec![
        ("config.json".to_owned(), configuration().to_string().into_bytes()),
        ("tokenizer.json".to_owned(), tokenizer().to_string().into_bytes()),
        (WEIGHTS.to_owned(), tensors(&TINY)),
    ])
}

pub(super) fn put(files: &mut Files, name: &str, bytes: impl Into<Vec<u8>>) {
    files.0.retain(|(known, _)| known != name);
    files.0.push((name.to_owned(), bytes.into()));
}

pub(super) fn convert(files: &Files) -> Result<Conversion, ConvertError> {
    convert::checkpoint(&files.sources(), OutputType::Auto)
}

/// A good checkpoint with another file.
pub(super) fn with(name: &str, bytes: impl Into<Vec<u8>>) -> Files {
    let mut files = tiny();
    put(&mut files, name, bytes);
    files
}

pub(super) fn without(name: &str) -> Files {
    let mut files = tiny();
    files.0.retain(|(known, _)| known != name);
    files
}

/// A good checkpoint with a changed configuration.
pub(super) fn configured(change: impl FnOnce(&mut Value)) -> Files {
    let mut value = configuration();
    change(&mut value);
    with("config.json", value.to_string())
}

/// A good checkpoint with a changed tokenizer.
pub(super) fn tokenized(change: impl FnOnce(&mut Value)) -> Files {
    let mut value = tokenizer();
    change(&mut value);
    with("tokenizer.json", value.to_string())
}

/// A good checkpoint with other tensors.
pub(super) fn weighted(change: impl FnOnce(&mut Vec<(&'static str, &'static str, &'static [u64])>)) -> Files {
    let mut list = TINY.to_vec();
    change(&mut list);
    with(WEIGHTS, tensors(&list))
}
