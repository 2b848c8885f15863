//! Checkpoints and adapters in safetensors, through the interface.

use std::path::Path;

use ollamake::gguf::Gguf;
use ollamake::model::MediaType;
use serde_json::{Value, json};

use crate::in_process::InProcess;
use crate::support::bytes::digest_of;
use crate::support::shared;

/// Uploads the files of a checkpoint's directory and names them as a request does.
async fn upload(server: &InProcess, directory: &Path) -> Value {
    let mut files = json!({});
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        if !matches!(name.as_str(), "expected.json" | "logits.json") {
            let contents = std::fs::read(entry.path()).unwrap();
            files[name] = server.upload(&contents).await.to_string().into();
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_becomes_the_model_that_the_converter_makes() {
    let Some(cases) = shared::path("conversion") else { return };
    let directory = cases.join("llama-plain");
    let server = InProcess::new();
    let files = upload(&server, &directory).await;
    let lines = server.create(json!({"model": "m", "files": files})).await;
    assert_eq!(lines[0], "converting model");
    let model = server.store.manifest(&"m".parse().unwrap()).unwrap();
    let blob = server.store.blob(model.manifest.layers[0].digest).unwrap();
    let bytes = blob.bytes().unwrap();
    let made = Gguf::parse(bytes).unwrap();
    let expected: Value =
        serde_json::from_slice(&std::fs::read(directory.join("expected.json")).unwrap()).unwrap();
    let tensors = expected["outtypes"]["auto"]["tensors"].as_array().unwrap();
    assert_eq!(made.tensors().len(), tensors.len());
    for (made, expected) in made.tensors().iter().zip(tensors) {
        assert_eq!(made.name, expected["name"].as_str().unwrap());
        let data = &bytes[made.data.start as usize..made.data.end as usize];
        assert_eq!(digest_of(data).hex(), expected["sha256"].as_str().unwrap(), "{}", made.name);
    }
    let config = server.store.config(&model).unwrap();
    assert_eq!((config.model_family.as_str(), config.file_type.as_str()), ("llama", "BF16"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_is_quantized_as_its_conversion_would_be() {
    let Some(cases) = shared::path("conversion") else { return };
    let server = InProcess::new();
    let files = upload(&server, &cases.join("llama-plain")).await;
    let lines = server.create(json!({"model": "one", "files": files, "quantize": "q4_K_M"})).await;
    assert!(lines.contains(&"quantizing BF16 model to Q4_K_M".to_owned()), "{lines:?}");
    server.create(json!({"model": "whole", "files": files})).await;
    server.create(json!({"model": "two", "from": "whole", "quantize": "q4_K_M"})).await;
    let [one, two] = ["one", "two"].map(|name| server.store.manifest(&name.parse().unwrap()).unwrap());
    assert_eq!(one.manifest.layers[0].digest, two.manifest.layers[0].digest);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adapter_is_converted_for_its_base() {
    let Some(cases) = shared::path("conversion") else { return };
    let server = InProcess::new();
    let adapter = upload(&server, &cases.join("lora-llama")).await;
    let files = upload(&server, &cases.join("llama-plain")).await;
    server.create(json!({"model": "base", "files": files})).await;
    let lines = server.create(json!({"model": "tuned", "from": "base", "adapters": adapter})).await;
    assert_eq!(lines[0], "converting adapter");
    let tuned = server.store.manifest(&"tuned".parse().unwrap()).unwrap();
    let kinds: Vec<_> = tuned.manifest.layers.iter().map(|layer| layer.media_type.clone()).collect();
    assert!(kinds.contains(&MediaType::Model) && kinds.contains(&MediaType::Adapter), "{kinds:?}");
    let answer = server
        .post("/api/create", json!({"model": "m", "from": "far", "remote_host": "x", "adapters": adapter}))
        .await;
    assert_eq!(answer.status, 400);
}

#[tokio::test]
async fn what_a_checkpoint_lacks_is_told_before_the_stream_begins() {
    let Some(cases) = shared::path("conversion") else { return };
    let server = InProcess::new();
    let files = upload(&server, &cases.join("llama-plain")).await;
    let without = |name: &str| {
        let mut files = files.clone();
        files.as_object_mut().unwrap().remove(name);
        files
    };
    let mut other = files.clone();
    let config = json!({"architectures": ["NobodyKnowsForCausalLM"], "model_type": "unknown"}).to_string();
    other["config.json"] = server.upload(config.as_bytes()).await.to_string().into();
    for (files, part) in [
        (without("config.json"), "config.json"),
        (without("tokenizer.json"), "tokenizer"),
        (other, "NobodyKnowsForCausalLM"),
    ] {
        let answer = server.post("/api/create", json!({"model": "m", "files": files})).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
        assert!(answer.error().contains(part), "{}", answer.body);
    }
    assert!(server.store.list().unwrap().is_empty());
}
