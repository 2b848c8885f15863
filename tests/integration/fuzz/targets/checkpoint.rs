//! A whole checkpoint or adapter from one input: its small files as they are, its weights as headers.

use ollamake::convert::{self, OutputType};
use ollamake::gguf::Metadata;
use ollamake::plan::{Plan, Source};
use ollamake::quantize::{FileType, Quantized, quantize};
use ollamake::safetensors::NamedSource;

use super::execute_if_small;

/// What stands before the name of a file, at the beginning of a line.
const FILE: &str = "=== ";

/// The most data that a file of weights is given.
const MOST_DATA: u64 = 4 << 20;

const TOKENIZER: &str = r#"{"version": "1.0", "normalizer": null, "decoder": {"type": "ByteLevel"},
    "added_tokens": [{"id": 4, "content": "<|end|>", "special": true, "normalized": false}],
    "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
        "use_regex": true},
    "post_processor": null,
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "ab": 3}, "merges": ["a b"]}}"#;

/// What is planned can be checked, and what is small can be made.
///
/// The input is text: lines `=== NAME`, each followed by the contents of that file. Of a file of weights only
/// the header's JSON is given; as many zeros follow as it asks for.
pub(super) fn checkpoint(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut files: Vec<(&str, Vec<u8>)> = Vec::new();
    for part in text.split(FILE).skip(1) {
        let (name, contents) = part.split_once('\n').unwrap_or((part, ""));
        let is_weights = name.ends_with(".safetensors");
        files.push((
            name,
            if is_weights { weights(contents.trim_end()) } else { contents.as_bytes().to_vec() },
        ));
    }
    if !files.iter().any(|(name, _)| *name == "tokenizer.json") {
        files.push(("tokenizer.json", TOKENIZER.into()));
    }
    if !files.iter().any(|(name, _)| name.starts_with("tokenizer.model")) && text.len().is_multiple_of(2) {
        let model = include_bytes!("../../../fixtures/tokenizer/mistral/tokenizer.model");
        files.push(("tokenizer.model", model.to_vec()));
    }
    let sources: Vec<_> = files.iter().map(|(name, bytes)| NamedSource { name, bytes }).collect();
    let outputs =
        [OutputType::Auto, OutputType::F32, OutputType::F16, OutputType::Q8_0, OutputType::Unrounded];
    let output = outputs[text.len() % outputs.len()];

    if let Ok(conversion) = convert::checkpoint(&sources, output) {
        assert!(conversion.warnings.iter().all(|warning| !warning.to_string().is_empty()));
        let wish = FileType::all().nth(text.len() % FileType::all().len()).expect("one of the types");
        let quantized = conversion.model.clone().and_then(|model| {
            let quantized = quantize(model, &wish.into(), None);
            quantized.and_then(Quantized::ready).ok()
        });
        for plan in [conversion.model, conversion.projector, quantized].into_iter().flatten() {
            make(&plan, &files);
        }
    }
    let mut base = Metadata::new();
    let architectures = ["llama", "qwen2", "gemma2", "bert"];
    base.set("general.architecture", architectures[text.len() % architectures.len()]);
    base.set(format!("{}.block_count", architectures[text.len() % architectures.len()]), 2_u32);
    let base = Plan { sources: Vec::new(), metadata: base, tensors: Vec::new() };
    if let Ok(conversion) = convert::adapter(&sources, &base, output) {
        make(&conversion.model.expect("an adapter"), &files);
    }
}

fn make(plan: &Plan, files: &[(&str, Vec<u8>)]) {
    let bytes =
        |name: &str| files.iter().find(|(known, _)| *known == name).map(|(_, bytes)| bytes as &dyn Source);
    let sources: Vec<_> =
        plan.sources.iter().map(|source| bytes(&source.label).expect("a given file")).collect();
    execute_if_small(plan, &sources);
}

/// A file with this header.
fn weights(header: &str) -> Vec<u8> {
    let entries: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(header).unwrap_or_default();
    let end = |entry: &serde_json::Value| entry["data_offsets"][1].as_u64();
    let data = entries.values().filter_map(end).max().unwrap_or_default().min(MOST_DATA);
    // Zeros that were never written to cost no time.
    let mut file = vec![0; 8 + header.len() + data as usize];
    file[..8].copy_from_slice(&(header.len() as u64).to_le_bytes());
    file[8..8 + header.len()].copy_from_slice(header.as_bytes());
    file
}
