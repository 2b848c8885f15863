//! What lies around the weights: tokenizers of another kind, modules of sentence-transformers, model cards.

use ollamake::convert::{self, Conversion, ConvertError, OutputType};
use ollamake::gguf::{Array, Value};
use serde_json::json;

use super::Files;
use super::checkpoint::read;
use crate::support::files::fixture;

fn case(name: &str) -> Files {
    read(&fixture("conversion").join(name))
}

fn convert(files: &Files) -> Result<Conversion, ConvertError> {
    convert::checkpoint(&files.sources(), OutputType::Auto)
}

fn told(files: &Files, words: &[&str]) -> bool {
    let warnings = convert(files).unwrap().warnings;
    warnings.iter().map(ToString::to_string).any(|warning| words.iter().all(|word| warning.contains(word)))
}

fn value(files: &Files, key: &str) -> Option<Value> {
    convert(files).unwrap().model.unwrap().metadata.get(key).cloned()
}

#[test]
fn the_tokenizer_says_of_what_kind_it_is() {
    let pieces: Vec<_> = (0..300).map(|id| json!([format!("\u{2581}p{id}"), -f64::from(id)])).collect();
    let tokenizer = json!({"version": "1.0", "added_tokens": [], "normalizer": null, "post_processor": null,
        "decoder": {"type": "Metaspace"}, "pre_tokenizer": {"type": "Metaspace"},
        "model": {"type": "Unigram", "unk_id": 0, "vocab": pieces}});
    let files = case("bert-plain").without("vocab.txt").with("tokenizer.json", tokenizer.to_string());
    assert_eq!(value(&files, "tokenizer.ggml.model"), Some("t5".into()));
    let Some(Value::Array(Array::F32(scores))) = value(&files, "tokenizer.ggml.scores") else { panic!() };
    assert_eq!(scores[7], -7.0);
    let error = convert(&case("starcoder2").with("tokenizer.json", tokenizer.to_string())).unwrap_err();
    assert!(error.to_string().contains("type Unigram"), "{error}");
}

#[test]
fn modules_that_are_not_part_of_the_model_are_told() {
    let modules = json!([
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "2_Dense", "type": "sentence_transformers.models.Dense"},
        {"idx": 3, "name": "3", "path": "3_Normalize", "type": "sentence_transformers.models.Normalize"},
    ]);
    let files = case("bert-plain").with("modules.json", modules.to_string());
    assert!(told(&files, &["1_Pooling/config.json is missing"]));
    assert!(told(&files, &["2_Dense", "Dense"]));
    assert!(!told(&files, &["3_Normalize"]));
    let pooling = json!({"pooling_mode_cls_token": true});
    let files = files.with("1_Pooling/config.json", pooling.to_string());
    assert!(!told(&files, &["1_Pooling"]));
    assert_eq!(value(&files, "bert.pooling_type"), Some(2_u32.into()));
}

#[test]
fn model_cards_are_read_as_the_reference_reads_them() {
    let card = "---\ntags: null\nbase_model: /home/me/Qwen2.5-7B-Instruct\nlicense_name: ~\n\
                description: >\n  one\n  two\n---\n";
    let files = case("mistral").with("README.md", card);
    let get = |key: &str| value(&files, key);
    assert_eq!(get("general.tags"), None);
    assert_eq!(get("general.license.name"), None);
    assert_eq!(get("general.description"), Some("one two\n".into()));
    assert_eq!(get("general.base_model.count"), Some(1_u32.into()));
    assert_eq!(get("general.base_model.0.organization"), None);
    let files = case("mistral").with("README.md", "---\nbase_model: null\n---\n");
    assert_eq!(value(&files, "general.base_model.count"), Some(0_u32.into()));
    assert_eq!(value(&files, "general.base_model.0.name"), None);
}

#[test]
fn layouts_that_are_not_read_are_named() {
    let parameters = r#"{"dim": 32, "n_layers": 2, "n_heads": 4, "moe": {"num_experts": 8}}"#;
    let error = convert(&case("mistral-own").with("params.json", parameters)).unwrap_err();
    assert!(error.to_string().starts_with("params.json: moe"), "{error}");
}
