//! What people send that is not what they mean: each is refused with what it is, and what to do.

use ollamake::gguf::Metadata;
use ollamake::tensor::ElementType;
use serde_json::{Value, json};

use crate::in_process::{InProcess, gguf, small_gguf};
use crate::support::files::fixture;

/// The error of a request.
async fn refused(server: &InProcess, request: Value) -> String {
    let answer = server.post("/api/create", request).await;
    assert!(answer.status.is_client_error(), "{}", answer.status);
    answer.json().to_string()
}

#[tokio::test]
async fn what_was_not_downloaded_itself_is_told() {
    let server = InProcess::new();
    let pointer =
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 12345\n", "0".repeat(64));
    let pointer = server.upload(pointer.as_bytes()).await.to_string();
    let page = server.upload(b"<!DOCTYPE html><html><body>sorry</body></html>").await.to_string();
    let config = server.upload(b"{}").await.to_string();
    for name in ["m.gguf", "model.safetensors", "tokenizer.json"] {
        for (digest, words) in [(&pointer, "git lfs pull"), (&page, "web page")] {
            let files = json!({"config.json": config, name: digest, "x.safetensors": config});
            let files = if name == "m.gguf" { json!({name: digest}) } else { files };
            let error = refused(&server, json!({"model": "m", "files": files})).await;
            assert!(error.contains(words) && error.contains(name), "{error}");
        }
    }
    let error = refused(&server, json!({"model": "m", "files": {"pytorch_model.bin": config}})).await;
    assert!(error.contains("pickle") && error.contains("safetensors"), "{error}");
}

#[tokio::test]
async fn files_of_the_wrong_kind_are_told() {
    let server = InProcess::new();
    let model = server.upload(&small_gguf(&[])).await.to_string();
    let other = server.upload(&small_gguf(&[("general.name", "other")])).await.to_string();
    let adapter = server.upload(&small_gguf(&[("general.type", "adapter")])).await.to_string();
    let projector = server.upload(&small_gguf(&[("general.type", "mmproj")])).await.to_string();
    server.create(json!({"model": "base", "files": {"m.gguf": model}})).await;
    for (request, words) in [
        (json!({"files": {"a.gguf": model, "b.gguf": other}}), vec!["a.gguf", "b.gguf", "several models"]),
        (json!({"files": {"a.gguf": adapter}}), vec!["a.gguf", "needs a base model", "from"]),
        (json!({"files": {"a.gguf": projector}}), vec!["a.gguf", "projector", "needs a model"]),
        (json!({"from": "base", "adapters": {"a.gguf": model}}), vec!["a.gguf", "not an adapter"]),
    ] {
        let mut request = request;
        request["model"] = "m".into();
        let error = refused(&server, request).await;
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
    server.create(json!({"model": "m", "files": {"a.gguf": model, "mmproj.gguf": projector}})).await;
}

#[tokio::test]
async fn gguf_adapters_are_checked_against_their_base() {
    let server = InProcess::new();
    let model = server.upload(&small_gguf(&[])).await.to_string();
    server.create(json!({"model": "base", "files": {"m.gguf": model}})).await;
    let adapter = |architecture: &str, tensors: &[(&str, &[u64], ElementType)]| {
        let mut metadata = Metadata::new();
        metadata.set("general.architecture", architecture);
        metadata.set("general.type", "adapter");
        gguf(&metadata, tensors)
    };
    let (a, b) = ("token_embd.weight.lora_a", "token_embd.weight.lora_b");
    let fits: [(&str, &[u64], ElementType); 2] =
        [(a, &[2, 4], ElementType::F32), (b, &[2, 32], ElementType::F32)];
    let wide: [(&str, &[u64], ElementType); 2] =
        [(a, &[2, 4], ElementType::F32), (b, &[2, 64], ElementType::F32)];
    let beyond: [(&str, &[u64], ElementType); 2] = [
        ("blk.7.attn_q.weight.lora_a", &[32, 2], ElementType::F32),
        ("blk.7.attn_q.weight.lora_b", &[2, 32], ElementType::F32),
    ];
    for (file, words) in [
        (adapter("gemma2", &fits), vec!["gemma2", "llama"]),
        (adapter("llama", &wide), vec!["token_embd", "another model"]),
        (adapter("llama", &beyond), vec!["blk.7.attn_q"]),
        (adapter("llama", &fits[..1]), vec!["factors"]),
    ] {
        let digest = server.upload(&file).await.to_string();
        let error =
            refused(&server, json!({"model": "m", "from": "base", "adapters": {"l.gguf": digest}})).await;
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
    let digest = server.upload(&adapter("llama", &fits)).await.to_string();
    server.create(json!({"model": "m", "from": "base", "adapters": {"l.gguf": digest}})).await;
}

#[tokio::test]
async fn files_without_a_model_in_them_are_told() {
    let server = InProcess::new();
    let mut metadata = Metadata::new();
    metadata.set("general.name", "x");
    let nameless = gguf(&metadata, &[("t.weight", &[32, 2], ElementType::F32)]);
    metadata.set("general.architecture", "llama");
    for (file, word) in [(nameless, "general.architecture"), (gguf(&metadata, &[]), "any tensor")] {
        let digest = server.upload(&file).await.to_string();
        let error = refused(&server, json!({"model": "m", "files": {"m.gguf": digest}})).await;
        assert!(error.contains(word), "{error}");
    }
    metadata.set("general.architecture", "flux");
    let image = gguf(&metadata, &[("t.weight", &[32, 2], ElementType::F32)]);
    let digest = server.upload(&image).await.to_string();
    let error =
        refused(&server, json!({"model": "m", "files": {"m.gguf": digest}, "quantize": "q8_0"})).await;
    assert!(error.contains("flux is not a language model"), "{error}");
    server.create(json!({"model": "m", "files": {"m.gguf": digest}})).await;
    let shown = server.post("/api/show", json!({"model": "m"})).await.json();
    assert!(!shown["capabilities"].to_string().contains("completion"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_around_a_checkpoint_does_not_matter() {
    let server = InProcess::new();
    let folder = fixture("conversion/mistral");
    let mut plain = json!({});
    let mut below = json!({});
    let mut weights_below = json!({});
    for entry in std::fs::read_dir(&folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        if name == "expected.json" || entry.file_type().unwrap().is_dir() {
            continue;
        }
        let digest = server.upload(&std::fs::read(entry.path()).unwrap()).await.to_string();
        plain[&name] = digest.clone().into();
        below[format!("org/model/{name}")] = digest.clone().into();
        let is_weights = name.ends_with(".safetensors");
        weights_below[if is_weights { format!("weights/{name}") } else { name }] = digest.into();
    }
    for (model, files) in [("a", plain), ("b", below), ("c", weights_below)] {
        server.create(json!({"model": model, "files": files})).await;
    }
    let weights =
        |model: &str| server.store.manifest(&model.parse().unwrap()).unwrap().manifest.layers[0].digest;
    assert_eq!(weights("a"), weights("b"));
    assert_eq!(weights("a"), weights("c"));
}
