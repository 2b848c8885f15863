//! Files to make models from: different for each seed, and large enough that work on them takes its time.

use std::collections::BTreeMap;

use bytes::Bytes;
use ollamake::gguf::Metadata;
use ollamake::model::Digest;
use ollamake::tensor::ElementType;
use safetensors::SafeTensors;
use safetensors::tensor::serialize;

use crate::in_process;
use crate::support::files::fixture;

/// Layers of the checkpoint; the fixture that it is made from has two.
const LAYERS: usize = 8;

/// A file to upload.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) name: String,
    pub(super) bytes: Bytes,
    pub(super) digest: Digest,
}

impl File {
    pub(super) fn new(name: &str, bytes: Vec<u8>) -> Self {
        Self { name: name.to_owned(), digest: Digest::of(&bytes), bytes: bytes.into() }
    }
}

/// What the files of all seeds have in common.
pub(super) struct Material {
    gguf: Vec<u8>,
    safetensors: Vec<u8>,
    settings: Vec<File>,
}

impl Material {
    pub(super) fn new() -> Self {
        let directory = fixture("conversion/mistral");
        let read = |name: &str| std::fs::read(directory.join(name)).unwrap();
        let config = String::from_utf8(read("config.json")).unwrap();
        let config = config.replace("\"num_hidden_layers\": 2", &format!("\"num_hidden_layers\": {LAYERS}"));
        let others = ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"];
        let others = others.iter().map(|name| File::new(name, read(name)));
        let settings = [File::new("config.json", config.into())].into_iter().chain(others).collect();
        Self { gguf: gguf(), safetensors: deepened(&read("model.safetensors")), settings }
    }

    /// A model of about a million weights in F16.
    pub(super) fn gguf(&self, seed: u64) -> File {
        let mut bytes = self.gguf.clone();
        let end = bytes.len();
        mark(&mut bytes[end - 16..], seed);
        File::new("model.gguf", bytes)
    }

    /// A checkpoint of about a million weights in BF16.
    pub(super) fn checkpoint(&self, seed: u64) -> Vec<File> {
        let mut bytes = self.safetensors.clone();
        let end = bytes.len();
        mark(&mut bytes[end - 16..], seed);
        let mut files = self.settings.clone();
        files.push(File::new("model.safetensors", bytes));
        files
    }
}

/// Eight small numbers of 16 bits, in F16 and in BF16.
fn mark(weights: &mut [u8], seed: u64) {
    for (weight, byte) in weights.chunks_exact_mut(2).zip(seed.to_le_bytes()) {
        weight.copy_from_slice(&[byte, 0x3c]);
    }
}

fn gguf() -> Vec<u8> {
    let mut metadata = Metadata::new();
    metadata.set("general.architecture", "llama");
    metadata.set("general.file_type", 1_u32);
    metadata.set("llama.block_count", 1_u32);
    let shape: &[u64] = &[256, 1024];
    let names = ["token_embd.weight", "blk.0.ffn_up.weight", "blk.0.ffn_down.weight", "output.weight"];
    in_process::gguf(&metadata, &names.map(|name| (name, shape, ElementType::F16)))
}

/// The checkpoint with its second layer repeated.
fn deepened(bytes: &[u8]) -> Vec<u8> {
    let tensors = SafeTensors::deserialize(bytes).unwrap();
    let mut views = BTreeMap::new();
    for (name, view) in tensors.tensors() {
        if let Some(rest) = name.strip_prefix("model.layers.1.") {
            for layer in 2..LAYERS {
                views.insert(format!("model.layers.{layer}.{rest}"), view.clone());
            }
        }
        views.insert(name, view);
    }
    serialize(views, None).unwrap()
}
