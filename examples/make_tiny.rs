//! Writes the tiny checkpoint of the documentation, a Llama of one layer with random weights and a byte-level
//! tokenizer, and an adapter for it. It speaks gibberish, but every program that reads Hugging Face checkpoints can
//! read it.
//!
//! ```sh
//! cargo run --example make_tiny -- examples
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::{TensorView, serialize};
use serde_json::{Value, json};

const HIDDEN: usize = 256;
const FEED_FORWARD: usize = 256;
const HEADS: usize = 4;
const KEY_VALUE_HEADS: usize = 1;
const HEAD: usize = HIDDEN / HEADS;

/// Of the adapter.
const RANK: usize = 4;

/// Merged in this order, on top of the 256 bytes (`Ġ` is the byte-level blank).
const MERGES: [(&str, &str); 12] = [
    ("t", "h"),
    ("th", "e"),
    ("Ġ", "the"),
    ("i", "n"),
    ("a", "n"),
    ("an", "d"),
    ("Ġ", "and"),
    ("e", "r"),
    ("o", "u"),
    ("y", "ou"),
    ("Ġ", "you"),
    ("in", "g"),
];

const SPECIAL: [&str; 4] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"];

const CHAT_TEMPLATE: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + \
     message['content'] + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ \
     '<|im_start|>assistant\n' }}{% endif %}";

fn main() -> Result<(), Box<dyn Error>> {
    let directory = PathBuf::from(std::env::args().nth(1).ok_or("usage: make_tiny DIRECTORY")?);
    let vocabulary = vocabulary();
    let checkpoint = [
        ("config.json", config(vocabulary.len())),
        ("generation_config.json", json!({"eos_token_id": vocabulary["<|im_end|>"]})),
        ("tokenizer.json", tokenizer(&vocabulary)),
        ("tokenizer_config.json", tokenizer_config()),
    ];
    let weights = weights(vocabulary.len());
    write(&directory.join("tiny-checkpoint"), &checkpoint, "model.safetensors", Dtype::BF16, &weights)?;
    let adapter = [("adapter_config.json", adapter_config())];
    write(
        &directory.join("tiny-adapter"),
        &adapter,
        "adapter_model.safetensors",
        Dtype::F32,
        &adapter_weights(),
    )
}

/// Writes a directory as PyTorch's libraries would.
fn write(
    directory: &Path,
    files: &[(&str, Value)],
    name: &str,
    element: Dtype,
    weights: &Weights,
) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(directory)?;
    for (name, content) in files {
        fs::write(directory.join(name), serde_json::to_string_pretty(content)? + "\n")?;
    }
    let views = weights.iter().map(|(name, (shape, bytes))| {
        TensorView::new(element, shape.clone(), bytes).map(|view| (name.as_str(), view))
    });
    let metadata = Some([("format".to_owned(), "pt".to_owned())].into());
    let bytes = serialize(views.collect::<Result<Vec<_>, _>>()?, metadata)?;
    Ok(fs::write(directory.join(name), bytes)?)
}

fn config(vocabulary: usize) -> Value {
    json!({
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": vocabulary,
        "hidden_size": HIDDEN,
        "intermediate_size": FEED_FORWARD,
        "num_hidden_layers": 1,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KEY_VALUE_HEADS,
        "head_dim": HEAD,
        "max_position_embeddings": 512,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "tie_word_embeddings": true,
        "hidden_act": "silu",
        "bos_token_id": 268,
        "eos_token_id": 270,
        "torch_dtype": "bfloat16"
    })
}

/// The 256 bytes as printable characters in the order of GPT-2's byte-level alphabet, the merged
/// tokens, and the special ones.
fn vocabulary() -> BTreeMap<String, usize> {
    let merged = MERGES.iter().map(|(left, right)| format!("{left}{right}"));
    let special = SPECIAL.iter().map(|token| (*token).to_owned());
    alphabet()
        .map(String::from)
        .chain(merged)
        .chain(special)
        .enumerate()
        .map(|(id, token)| (token, id))
        .collect()
}

/// Printable bytes stand for themselves; the others are moved behind U+0100, in order.
fn alphabet() -> impl Iterator<Item = char> {
    let printable = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let mut moved = 0x100..;
    (0..=255u8)
        .map(move |byte| if printable(byte) { Some(u32::from(byte)) } else { moved.next() })
        .map(|code| code.and_then(char::from_u32).expect("codes up to U+0143 are characters"))
}

fn tokenizer(vocabulary: &BTreeMap<String, usize>) -> Value {
    let added: Vec<_> = SPECIAL
        .iter()
        .map(|token| {
            json!({
                "id": vocabulary[*token], "content": token, "special": true,
                "single_word": false, "lstrip": false, "rstrip": false, "normalized": false
            })
        })
        .collect();
    let byte_level =
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    let merges: Vec<_> = MERGES.iter().map(|(left, right)| format!("{left} {right}")).collect();
    json!({
        "version": "1.0",
        "truncation": null,
        "padding": null,
        "added_tokens": added,
        "normalizer": null,
        "pre_tokenizer": byte_level,
        "post_processor": null,
        "decoder": byte_level,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
            "vocab": vocabulary, "merges": merges
        }
    })
}

fn tokenizer_config() -> Value {
    json!({
        "tokenizer_class": "GPT2TokenizerFast",
        "bos_token": "<|endoftext|>",
        "eos_token": "<|im_end|>",
        "pad_token": "<|pad|>",
        "add_bos_token": false,
        "chat_template": CHAT_TEMPLATE
    })
}

type Weights = BTreeMap<String, (Vec<usize>, Vec<u8>)>;

fn weights(vocabulary: usize) -> Weights {
    let layer = "model.layers.0";
    let matrices = [
        ("model.embed_tokens".to_owned(), [vocabulary, HIDDEN]),
        (format!("{layer}.self_attn.q_proj"), [HEADS * HEAD, HIDDEN]),
        (format!("{layer}.self_attn.k_proj"), [KEY_VALUE_HEADS * HEAD, HIDDEN]),
        (format!("{layer}.self_attn.v_proj"), [KEY_VALUE_HEADS * HEAD, HIDDEN]),
        (format!("{layer}.self_attn.o_proj"), [HIDDEN, HEADS * HEAD]),
        (format!("{layer}.mlp.gate_proj"), [FEED_FORWARD, HIDDEN]),
        (format!("{layer}.mlp.up_proj"), [FEED_FORWARD, HIDDEN]),
        (format!("{layer}.mlp.down_proj"), [HIDDEN, FEED_FORWARD]),
    ];
    let norms = [
        format!("{layer}.input_layernorm"),
        format!("{layer}.post_attention_layernorm"),
        "model.norm".into(),
    ];
    let mut random = SplitMix(1);
    let mut weights = Weights::new();
    for (name, shape) in matrices {
        let count = shape.iter().product();
        let bytes = (0..count).flat_map(|_| bf16(random.normal() * 0.05)).collect();
        weights.insert(format!("{name}.weight"), (shape.to_vec(), bytes));
    }
    for name in norms {
        weights
            .insert(format!("{name}.weight"), (vec![HIDDEN], (0..HIDDEN).flat_map(|_| bf16(1.0)).collect()));
    }
    weights
}

/// What PEFT says of an adapter for queries and values.
fn adapter_config() -> Value {
    json!({
        "peft_type": "LORA",
        "base_model_name_or_path": "tiny-checkpoint",
        "r": RANK,
        "lora_alpha": 2 * RANK,
        "target_modules": ["q_proj", "v_proj"],
        "task_type": "CAUSAL_LM"
    })
}

fn adapter_weights() -> Weights {
    let mut random = SplitMix(2);
    let mut weights = Weights::new();
    for (module, rows) in [("q_proj", HEADS * HEAD), ("v_proj", KEY_VALUE_HEADS * HEAD)] {
        for (half, shape) in [("lora_A", vec![RANK, HIDDEN]), ("lora_B", vec![rows, RANK])] {
            let count: usize = shape.iter().product();
            let bytes = (0..count).flat_map(|_| (random.normal() * 0.05).to_le_bytes()).collect();
            let name = format!("base_model.model.model.layers.0.self_attn.{module}.{half}.weight");
            weights.insert(name, (shape, bytes));
        }
    }
    weights
}

/// The nearest BF16, ties to even; weights are never NaN.
fn bf16(value: f32) -> [u8; 2] {
    let bits = value.to_bits();
    (((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16).to_le_bytes()
}

/// SplitMix64: the same numbers everywhere.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// About normal with deviation one: the sum of four uniform numbers.
    fn normal(&mut self) -> f32 {
        let bits = self.next();
        let sum: u64 = (0..4).map(|part| bits >> (16 * part) & 0xffff).sum();
        (sum as f32 - 131_070.0) / 37_837.0
    }
}
