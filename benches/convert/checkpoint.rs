//! A random checkpoint of the Llama family in the Hugging Face layout, large enough to measure with.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use ollamake::tensor::ElementType;
use serde_json::{Map, Value, json};

use crate::safetensors_header::bf16_header;
use crate::support::random::write_weights;
use crate::vocabulary::sentence_piece;

const LAYERS: u64 = 22;
const HIDDEN: u64 = 2048;
const FEED_FORWARD: u64 = 5632;
const HEADS: u64 = 32;
const KEY_HEADS: u64 = 4;
const VOCABULARY: u64 = 32_000;
const SHARDS: usize = 5;

/// Writes the checkpoint, 1.1 billion weights in BF16, and returns how many weights it has.
pub(crate) fn write(directory: &Path) -> io::Result<u64> {
    let partial = directory.with_extension("partial");
    fs::create_dir_all(&partial)?;
    let put = |name: &str, contents: &Value| fs::write(partial.join(name), format!("{contents:#}"));
    put("config.json", &configuration())?;
    put("generation_config.json", &json!({"bos_token_id": 1, "eos_token_id": 2, "max_length": 2048}))?;
    put("tokenizer_config.json", &tokenizer_configuration())?;
    fs::write(partial.join("tokenizer.model"), sentence_piece(VOCABULARY as usize))?;

    let tensors = tensors();
    let mut homes = Map::new();
    let (mut first, mut bytes) = (0, 0);
    for (number, part) in tensors.chunks(tensors.len().div_ceil(SHARDS)).enumerate() {
        let name = format!("model-{:05}-of-{SHARDS:05}.safetensors", number + 1);
        bytes += write_shard(&partial.join(&name), part, first)?;
        first += part.len() as u64;
        homes.extend(part.iter().map(|(tensor, _)| (tensor.clone(), name.clone().into())));
    }
    let index = json!({"metadata": {"total_size": bytes}, "weight_map": homes});
    put("model.safetensors.index.json", &index)?;
    fs::rename(partial, directory)?;
    Ok(bytes / 2)
}

/// Writes some tensors, the first of which is number `first` of all, and returns the bytes of their data.
fn write_shard(path: &Path, tensors: &[(String, Vec<u64>)], first: u64) -> io::Result<u64> {
    let metadata = Map::from_iter([("__metadata__".to_owned(), json!({"format": "pt"}))]);
    let (header, end) = bf16_header(metadata, tensors);
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    file.write_all(&header)?;
    for (number, (_, shape)) in (first..).zip(tensors) {
        write_weights(&mut file, number, shape.iter().product(), ElementType::Bf16)?;
    }
    file.into_inner()?.sync_all()?;
    Ok(end)
}

fn tensors() -> Vec<(String, Vec<u64>)> {
    let keys = HIDDEN / HEADS * KEY_HEADS;
    let mut tensors = vec![
        ("lm_head.weight".to_owned(), vec![VOCABULARY, HIDDEN]),
        ("model.embed_tokens.weight".to_owned(), vec![VOCABULARY, HIDDEN]),
        ("model.norm.weight".to_owned(), vec![HIDDEN]),
    ];
    for layer in 0..LAYERS {
        let name = |part: &str| format!("model.layers.{layer}.{part}.weight");
        tensors.extend([
            (name("input_layernorm"), vec![HIDDEN]),
            (name("mlp.down_proj"), vec![HIDDEN, FEED_FORWARD]),
            (name("mlp.gate_proj"), vec![FEED_FORWARD, HIDDEN]),
            (name("mlp.up_proj"), vec![FEED_FORWARD, HIDDEN]),
            (name("post_attention_layernorm"), vec![HIDDEN]),
            (name("self_attn.k_proj"), vec![keys, HIDDEN]),
            (name("self_attn.o_proj"), vec![HIDDEN, HIDDEN]),
            (name("self_attn.q_proj"), vec![HIDDEN, HIDDEN]),
            (name("self_attn.v_proj"), vec![keys, HIDDEN]),
        ]);
    }
    tensors
}

fn configuration() -> Value {
    json!({
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": false,
        "bos_token_id": 1,
        "dtype": "bfloat16",
        "eos_token_id": 2,
        "hidden_act": "silu",
        "hidden_size": HIDDEN,
        "intermediate_size": FEED_FORWARD,
        "max_position_embeddings": 2048,
        "model_type": "llama",
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "num_key_value_heads": KEY_HEADS,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "tie_word_embeddings": false,
        "vocab_size": VOCABULARY,
    })
}

fn tokenizer_configuration() -> Value {
    json!({
        "add_bos_token": true,
        "add_eos_token": false,
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "model_max_length": 2048,
        "tokenizer_class": "LlamaTokenizer",
    })
}
