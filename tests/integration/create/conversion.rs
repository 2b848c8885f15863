//! Checkpoints and adapters in safetensors, through the interface.

use std::path::{Path, PathBuf};

use axum::extract::Request;
use axum::response::IntoResponse;
use ollamake::gguf::{Gguf, ValueRef};
use ollamake::model::{Digest, MediaType};
use serde_json::{Value, json};

use crate::in_process::InProcess;
use crate::support::files::fixture;
use crate::support::shared;

/// Uploads the files of a checkpoint's directory and names them as a request does.
async fn upload(server: &InProcess, directory: &Path) -> Value {
    let mut files = json!({});
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_file = entry.file_type().unwrap().is_file();
        if is_file && !matches!(name.as_str(), "expected.json" | "logits.json") {
            let contents = std::fs::read(entry.path()).unwrap();
            files[name] = server.upload(&contents).await.to_string().into();
        }
    }
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_becomes_the_model_that_the_converter_makes() {
    let directory = fixture("conversion/mistral");
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
    let tensors = expected["outtypes"]["bf16"]["tensors"].as_array().unwrap();
    assert_eq!(made.tensors().len(), tensors.len());
    for (made, expected) in made.tensors().iter().zip(tensors) {
        assert_eq!(made.name, expected["name"].as_str().unwrap());
        let data = &bytes[made.data.start as usize..made.data.end as usize];
        assert_eq!(Digest::of(data).hex(), expected["sha256"].as_str().unwrap(), "{}", made.name);
    }
    let config = server.store.config(&model).unwrap();
    assert_eq!((config.model_family.as_str(), config.file_type.as_str()), ("llama", "BF16"));
}

/// What a file holds, so that a difference is told by its name.
fn contents(server: &InProcess, model: &str) -> Vec<(String, String)> {
    let model = server.store.manifest(&model.parse().unwrap()).unwrap();
    let blob = server.store.blob(model.manifest.layers[0].digest).unwrap();
    let bytes = blob.bytes().unwrap();
    let file = Gguf::parse(bytes).unwrap();
    let pair = |(key, value): &(&str, ValueRef<'_>)| ((*key).to_owned(), format!("{value:?}"));
    let mut contents: Vec<_> = file.entries().iter().map(pair).collect();
    contents.extend(file.tensors().iter().map(|tensor| {
        let digest = Digest::of(&bytes[tensor.data.start as usize..tensor.data.end as usize]);
        let what = format!("{} {} {digest}", tensor.element_type.name(), tensor.shape);
        (tensor.name.to_owned(), what)
    }));
    contents
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_is_quantized_as_its_conversion_would_be() {
    let own = ["mistral", "bert-plain", "modern-bert", "qwen3-fp8", "starcoder2"];
    let mut cases: Vec<(PathBuf, &str)> = own.map(|case| (fixture("conversion").join(case), "bf16")).into();
    if let Some(shared) = shared::path("conversion") {
        // F32, F16, wide enough for blocks of 256, with experts one by one, and with norms that are changed.
        let more = [
            ("bert", "f32"),
            ("llama-bias", "f16"),
            ("llama-plain", "bf16"),
            ("qwen2moe", "bf16"),
            ("gemma2", "bf16"),
            ("phi3", "bf16"),
        ];
        cases.extend(more.map(|(case, precision)| (shared.join(case), precision)));
    }
    let server = InProcess::new();
    for (directory, precision) in cases {
        let files = upload(&server, &directory).await;
        // At its own precision conversion loses nothing.
        server.create(json!({"model": "whole", "files": files, "quantize": precision})).await;
        for file_type in ["q8_0", "q4_K_M", "q5_K_S", "q4_0"] {
            let request = json!({"model": "one", "files": files, "quantize": file_type});
            let lines = server.create(request).await;
            let line =
                format!("quantizing {} model to {}", precision.to_uppercase(), file_type.to_uppercase());
            assert!(lines.contains(&line), "{directory:?}: {lines:?}");
            server.create(json!({"model": "two", "from": "whole", "quantize": file_type})).await;
            let (one, two) = (contents(&server, "one"), contents(&server, "two"));
            for (one, two) in one.iter().zip(&two) {
                assert_eq!(one, two, "{directory:?} as {file_type}");
            }
            let [one, two] =
                ["one", "two"].map(|name| server.store.manifest(&name.parse().unwrap()).unwrap());
            assert_eq!(one.manifest.layers[0].digest, two.manifest.layers[0].digest);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_that_is_quantized_already_is_not_quantized_again() {
    let server = InProcess::new();
    let files = upload(&server, &fixture("conversion/gpt-oss-mxfp4")).await;
    let request = json!({"model": "m", "files": files, "quantize": "q4_K_M"});
    let answer = server.post("/api/create", request).await;
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert!(answer.body.contains("ffn_down_exps.weight") && answer.body.contains("MXFP4"), "{}", answer.body);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_wrong_with_a_model_is_told_in_the_stream() {
    let server = InProcess::new();
    let directory = fixture("conversion/starcoder2");
    let mut files = upload(&server, &directory).await;
    let mut tokenizer: Value =
        serde_json::from_slice(&std::fs::read(directory.join("tokenizer.json")).unwrap()).unwrap();
    let split =
        json!({"type": "Split", "pattern": {"Regex": "\\d{7}"}, "behavior": "Isolated", "invert": false});
    let bytes =
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
    tokenizer["pre_tokenizer"] = json!({"type": "Sequence", "pretokenizers": [split, bytes]});
    files["tokenizer.json"] = server.upload(tokenizer.to_string().as_bytes()).await.to_string().into();
    let lines = server.create(json!({"model": "m", "files": files})).await;
    assert_eq!(lines[0], "converting model");
    assert!(lines[1].starts_with("warning: ") && lines[1].contains("pre-tokenizer"), "{lines:?}");
    let model = server.store.manifest(&"m".parse().unwrap()).unwrap();
    let blob = server.store.blob(model.manifest.layers[0].digest).unwrap();
    let file = Gguf::parse(blob.bytes().unwrap()).unwrap();
    assert_eq!(file.get("tokenizer.ggml.pre").and_then(ValueRef::as_str), Some("default"));
}

/// Serves a model of `far` as a registry does, and answers with its name there.
async fn serve_model(far: &InProcess, model: &str) -> String {
    let manifest = far.store.manifest(&model.parse().unwrap()).unwrap().bytes.clone();
    let store = far.store.clone();
    let app = axum::Router::new().fallback(move |request: Request| {
        let (manifest, store) = (manifest.clone(), store.clone());
        async move {
            match request.uri().path().rsplit_once("/blobs/") {
                None => manifest.into_response(),
                Some((_, digest)) => {
                    store.blob(digest.parse().unwrap()).unwrap().bytes().unwrap().to_vec().into_response()
                }
            }
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    format!("{address}/library/{model}")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adapter_waits_for_a_base_that_has_to_be_fetched() {
    let far = InProcess::new();
    let files = upload(&far, &fixture("conversion/mistral")).await;
    far.create(json!({"model": "base", "files": files})).await;
    let base = serve_model(&far, "base").await;
    let adapter = upload(&far, &fixture("conversion/lora-mistral")).await;
    far.create(json!({"model": "tuned", "from": "base", "adapters": adapter})).await;

    let server = InProcess::new();
    let adapter = upload(&server, &fixture("conversion/lora-mistral")).await;
    let lines = server.create(json!({"model": "tuned", "from": base, "adapters": adapter})).await;
    let place = |line: &str| lines.iter().position(|known| known == line);
    assert!(place("pulling manifest") < place("converting adapter"), "{lines:?}");
    let [near, far] = [&server, &far].map(|server| server.store.manifest(&"tuned".parse().unwrap()).unwrap());
    let layers = |model: &ollamake::store::StoredManifest| -> Vec<_> {
        model.manifest.layers.iter().map(|layer| (layer.media_type.clone(), layer.digest)).collect()
    };
    assert_eq!(layers(&near), layers(&far));
    assert!(layers(&near).iter().any(|(kind, _)| *kind == MediaType::Adapter));

    // What is wrong with the adapter shows when the base is there; only that remains.
    let mut broken = adapter.clone();
    broken["adapter_config.json"] = server.upload(b"{\"peft_type\": \"IA3\"}").await.to_string().into();
    let answer = server
        .post(
            "/api/create",
            json!({"model": "m", "from": base.replace("/base", "/other"), "adapters": broken}),
        )
        .await;
    assert!(answer.error().contains("IA3"), "{}", answer.body);
    assert!(server.store.manifest(&"m".parse().unwrap()).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_adapter_is_converted_for_its_base() {
    let server = InProcess::new();
    let adapter = upload(&server, &fixture("conversion/lora-mistral")).await;
    let files = upload(&server, &fixture("conversion/mistral")).await;
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
    let server = InProcess::new();
    let files = upload(&server, &fixture("conversion/starcoder2")).await;
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
