//! Broken adapters: each is refused with an error that says what is wrong with it.

use ollamake::convert::{self, OutputType};
use ollamake::gguf::Metadata;
use ollamake::plan::Plan;
use serde_json::{Value, json};

use super::Files;
use super::tiny::tensors;

#[test]
fn adapters_that_cannot_be_applied_are_refused() {
    let mut metadata = Metadata::new();
    metadata.set("general.architecture", "llama");
    metadata.set("llama.block_count", 1_u32);
    metadata.set("llama.embedding_length", 8_u32);
    metadata.set("llama.attention.head_count", 2_u32);
    let stem = "base_model.model.model.layers.0.self_attn.q_proj";
    let (a, b) = (format!("{stem}.lora_A.weight"), format!("{stem}.lora_B.weight"));
    let adapter = |settings: Value, list: &[(&str, &str, &[u64])]| {
        Files(vec![
            ("adapter_config.json".to_owned(), settings.to_string().into_bytes()),
            ("adapter_model.safetensors".to_owned(), tensors(list)),
        ])
    };
    let good: [(&str, &str, &[u64]); 2] = [(&a, "F32", &[2, 8]), (&b, "F32", &[8, 2])];
    let base = |metadata: &Metadata| Plan { sources: vec![], metadata: metadata.clone(), tensors: vec![] };
    let plan = |files: &Files| convert::adapter(&files.sources(), &base(&metadata), OutputType::F16);
    let settings = || json!({"peft_type": "LORA", "lora_alpha": 4, "r": 2});
    assert_eq!(plan(&adapter(settings(), &good)).unwrap().model.unwrap().tensors.len(), 2);
    let set = |key: &str, value: Value| {
        let mut settings = settings();
        settings[key] = value;
        adapter(settings, &good)
    };
    for (files, words) in [
        (adapter(settings(), &good[..1]), "factors"),
        (adapter(settings(), &[&good[..], &[("x.weight", "F32", &[1])]].concat()), "x.weight"),
        (adapter(settings(), &[(&a, "F32", &[2, 8]), (&b, "F32", &[8, 4])]), "[2, 8] and [8, 4]"),
        (adapter(settings(), &[(&a, "F32", &[2]), (&b, "F32", &[8, 2])]), "[2] and [8, 2]"),
        (set("invocation_string", json!("<|start|>")), "alora_invocation_tokens"),
        (set("peft_type", json!("IA3")), "IA3"),
        (set("use_dora", json!(true)), "DoRA"),
        (set("alpha_pattern", json!({"(": 3})), "alpha_pattern"),
        (set("layer_replication", json!([[0, 2]])), "layer_replication"),
        (set("fine_tune_type", json!("full")), "MLX"),
        (adapter(settings(), &[]), "no tensors"),
        (set("lora_alpha", json!("much")), "lora_alpha"),
        (Files(adapter(settings(), &good).0[1..].to_vec()), "adapter_config.json is missing"),
        (Files(adapter(settings(), &good).0[..1].to_vec()), "adapter_model.safetensors is missing"),
    ] {
        let error = plan(&files).unwrap_err().to_string();
        assert!(error.contains(words), "{error:?} does not say {words:?}");
    }
    metadata.set("general.architecture", "unheard-of");
    let files = adapter(settings(), &good);
    let error = convert::adapter(&files.sources(), &base(&metadata), OutputType::F16).unwrap_err();
    assert!(error.to_string().contains("unheard-of"));
}
