//! Adapters that become part of the weights, through the interface.

use std::path::Path;

use ollamake::gguf::Gguf;
use ollamake::model::{Digest, MediaType};
use serde_json::{Value, json};

use crate::in_process::InProcess;
use crate::support::files::{files, fixture};

/// Uploads the files of a folder, called by their path in it, but for the ones that begin so.
async fn upload(server: &InProcess, folder: &Path, prefix: &str, without: &[&str]) -> Value {
    let mut named = json!({});
    for path in files(folder) {
        let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
        if !without.iter().any(|start| name.starts_with(start)) {
            let digest = server.upload(&std::fs::read(&path).unwrap()).await;
            named[format!("{prefix}{name}")] = digest.to_string().into();
        }
    }
    named
}

fn only_layer(server: &InProcess, model: &str) -> Digest {
    let manifest = &server.store.manifest(&model.parse().unwrap()).unwrap().manifest;
    let weights: Vec<_> = manifest
        .layers
        .iter()
        .filter(|layer| matches!(layer.media_type, MediaType::Model | MediaType::Adapter))
        .collect();
    assert_eq!(weights.len(), 1);
    weights[0].digest
}

#[tokio::test(flavor = "multi_thread")]
async fn adapters_are_merged_into_checkpoints_and_models_of_the_store() {
    let server = InProcess::new();
    let folder = fixture("merge/qwen2");
    let base = upload(&server, &folder, "", &["merged", "scales", "one", "two"]).await;
    let mut adapters = upload(&server, &folder.join("one"), "one/", &[]).await;
    let second = upload(&server, &folder.join("two"), "two/", &[]).await;
    adapters.as_object_mut().unwrap().extend(second.as_object().unwrap().clone());
    server.create(json!({"model": "base", "files": base})).await;
    let merge = json!({"two": 0.5});
    let request = json!({"model": "a", "files": base, "adapters": adapters, "merge_adapters": merge});
    let lines = server.create(request).await;
    assert!(lines.iter().any(|line| line.starts_with("merging adapter")), "{lines:?}");
    server.create(json!({"model": "b", "from": "base", "adapters": adapters, "merge_adapters": merge})).await;
    assert_ne!(only_layer(&server, "a"), only_layer(&server, "base"));
    let blob = server.store.blob(only_layer(&server, "b")).unwrap();
    assert!(
        Gguf::parse(blob.bytes().unwrap())
            .unwrap()
            .tensors()
            .iter()
            .all(|tensor| !tensor.name.contains("lora"))
    );
    let request = json!({
        "model": "q", "files": base, "adapters": adapters, "merge_adapters": true, "quantize": "q8_0",
    });
    server.create(request).await;
    let model = server.store.manifest(&"q".parse().unwrap()).unwrap();
    assert_eq!(server.store.config(&model).unwrap().file_type, "Q8_0");
    for (merge, words) in [
        (json!({"three": 1.0}), "three"),
        (json!("yes"), "merge_adapters must be true"),
        (json!({"two": "much"}), "merge_adapters must be true"),
    ] {
        let request = json!({"model": "x", "from": "base", "adapters": adapters, "merge_adapters": merge});
        let error = server.post("/api/create", request).await.error();
        assert!(error.contains(words), "{error}");
    }
    let error = server
        .post("/api/create", json!({"model": "x", "from": "base", "merge_adapters": true}))
        .await
        .error();
    assert!(error.contains("needs adapters"), "{error}");
}
