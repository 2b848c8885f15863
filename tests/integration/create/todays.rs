//! Models as newer versions of Ollama keep them: weights in several layers, tensors in blobs, damage.

use std::fs;

use ollamake::gguf::{Gguf, Metadata};
use ollamake::model::{Digest, Layer, Manifest, MediaType, ModelConfig};
use ollamake::tensor::ElementType;
use serde_json::{Value, json};

use crate::in_process::{InProcess, gguf, small_gguf};

const SHARDS: [&[u8]; 3] = [
    include_bytes!("../../fixtures/gguf/tiny-00001-of-00003.gguf"),
    include_bytes!("../../fixtures/gguf/tiny-00002-of-00003.gguf"),
    include_bytes!("../../fixtures/gguf/tiny-00003-of-00003.gguf"),
];

/// Puts a model of these layers into the store.
fn place(server: &InProcess, model: &str, config: &ModelConfig, layers: &[(MediaType, &[u8], &str)]) {
    let layer = |kind: &MediaType, bytes: &[u8], name: &str| {
        let blob = server.store.put_bytes(bytes).unwrap().blob;
        Layer { name: name.to_owned(), ..Layer::new(kind.clone(), blob.digest(), blob.length()) }
    };
    let config = layer(&MediaType::Config, &config.to_bytes(), "");
    let layers = layers.iter().map(|(kind, bytes, name)| layer(kind, bytes, name)).collect();
    let manifest = Manifest::new(config, layers);
    server.store.put_manifest(&model.parse().unwrap(), &manifest.to_bytes()).unwrap();
}

fn gguf_config() -> ModelConfig {
    ModelConfig { model_format: "gguf".into(), requires: "0.35.0".into(), ..ModelConfig::default() }
}

fn layers(server: &InProcess, model: &str) -> Vec<(MediaType, Digest, String)> {
    let model = server.store.manifest(&model.parse().unwrap()).unwrap();
    let layers = model.manifest.layers.iter();
    layers.map(|layer| (layer.media_type.clone(), layer.digest, layer.name.clone())).collect()
}

async fn show(server: &InProcess, model: &str) -> Value {
    let answer = server.post("/api/show", json!({"model": model, "verbose": true})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()
}

#[tokio::test]
async fn a_model_in_shards_is_one_model() {
    let server = InProcess::new();
    // What the three are when they are joined.
    let mut files = serde_json::Map::new();
    for (index, shard) in SHARDS.iter().enumerate() {
        let name = format!("tiny-{:05}-of-00003.gguf", index + 1);
        files.insert(name, server.upload(shard).await.to_string().into());
    }
    server.create(json!({"model": "joined", "files": files})).await;
    let kinds = SHARDS.map(|shard| (MediaType::Model, shard, ""));
    place(&server, "split", &gguf_config(), &kinds);
    let (joined, split) = (show(&server, "joined").await, show(&server, "split").await);
    let tensors = |shown: &Value| {
        let tensors = shown["tensors"].as_array().unwrap().iter();
        let mut names: Vec<_> = tensors.map(|tensor| tensor["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(tensors(&split), tensors(&joined));
    for key in ["general.parameter_count", "general.architecture"] {
        assert_eq!(split["model_info"][key], joined["model_info"][key], "{key}");
    }
    let modelfile = split["modelfile"].as_str().unwrap();
    assert!(modelfile.contains("\nFROM split:latest\n"), "{modelfile}");

    server.create(json!({"model": "derived", "from": "split", "system": "be brief"})).await;
    let derived = layers(&server, "derived");
    assert_eq!(derived[..3], layers(&server, "split")[..]);
    assert_eq!(show(&server, "derived").await["requires"], "0.35.0");
    assert_eq!(
        show(&server, "derived").await["details"]["parameter_size"],
        joined["details"]["parameter_size"]
    );

    // Whoever made the split model may not have said so.
    place(&server, "silent", &ModelConfig { requires: String::new(), ..gguf_config() }, &kinds);
    server.create(json!({"model": "told", "from": "silent"})).await;
    assert_eq!(show(&server, "told").await["requires"], "0.35.0");

    server.create(json!({"model": "small", "from": "split", "quantize": "q8_0"})).await;
    let small = layers(&server, "small");
    assert_eq!(small.len(), 1);
    let blob = server.store.blob(small[0].1).unwrap();
    let gguf = Gguf::parse(blob.bytes().unwrap()).unwrap();
    assert_eq!(gguf.tensors().len(), tensors(&joined).len());
    assert!(gguf.get("split.count").is_none());
}

#[tokio::test]
async fn shards_that_are_no_model_are_refused() {
    let server = InProcess::new();
    let whole = small_gguf(&[]);
    let cases: [(&str, Vec<&[u8]>); 4] = [
        ("too-few", vec![SHARDS[0], SHARDS[1]]),
        ("twice", vec![SHARDS[0], SHARDS[1], SHARDS[1]]),
        ("between", vec![SHARDS[0], &whole, SHARDS[1], SHARDS[2]]),
        ("cut", vec![SHARDS[0], SHARDS[1], &SHARDS[2][..100]]),
    ];
    for (model, files) in cases {
        let kinds: Vec<_> = files.into_iter().map(|file| (MediaType::Model, file, "")).collect();
        place(&server, model, &gguf_config(), &kinds);
        let answer = server.post("/api/create", json!({"model": "new", "from": model})).await;
        assert!(answer.status.is_client_error() || answer.status.is_server_error(), "{model}");
        assert!(answer.error().contains(model) || answer.error().contains("shard"), "{}", answer.error());
        assert!(server.store.manifest(&"new".parse().unwrap()).is_err(), "{model}");
    }
}

/// A shard of one tensor that states these keys.
fn shard(number: u16, count: u16, keys: &[(&str, &str)], tensor: &str) -> Vec<u8> {
    let mut metadata = Metadata::new();
    keys.iter().for_each(|(key, value)| metadata.set(*key, *value));
    metadata.set("split.no", number);
    metadata.set("split.count", count);
    metadata.set("split.tensors.count", 2_i32);
    gguf(&metadata, &[(tensor, &[32, 4], ElementType::F16)])
}

const ARCHITECTURE: &str = "general.architecture";

#[tokio::test]
async fn shards_that_contradict_each_other_are_told_as_damaged() {
    let server = InProcess::new();
    let first = shard(0, 2, &[(ARCHITECTURE, "llama")], "a");
    let whole = shard(1, 2, &[], "b");
    place(
        &server,
        "whole",
        &gguf_config(),
        &[(MediaType::Model, &first, ""), (MediaType::Model, &whole, "")],
    );
    let cases = [
        ("architecture", shard(1, 2, &[(ARCHITECTURE, "qwen3")], "b"), "general.architecture"),
        ("count", shard(1, 3, &[], "b"), "3 shards, expected 2"),
        ("number", shard(0, 2, &[], "b"), "number 0"),
        ("tensor", shard(1, 2, &[], "a"), "\"a\""),
    ];
    for (model, second, _) in &cases {
        place(
            &server,
            model,
            &gguf_config(),
            &[(MediaType::Model, &first, ""), (MediaType::Model, second, "")],
        );
    }
    let many = shard(0, 2000, &[(ARCHITECTURE, "llama")], "a");
    let others: Vec<_> = (1..2000).map(|_| (MediaType::Model, &whole[..], "")).collect();
    place(&server, "many", &gguf_config(), &[&[(MediaType::Model, &many[..], "")], &others[..]].concat());
    assert_eq!(show(&server, "whole").await["model_info"]["general.parameter_count"], 256);
    let tags = server.get("/api/tags").await.json();
    let damage = |model: &str| {
        let mut entries = tags["models"].as_array().unwrap().iter();
        let entry = entries.find(|entry| entry["name"] == format!("{model}:latest")).unwrap();
        entry["damaged"].as_str().map(str::to_owned)
    };
    assert_eq!(damage("whole"), None);
    let many = [("many", &whole, "1024")];
    for (model, _, why) in cases.iter().map(|(model, second, why)| (*model, second, *why)).chain(many) {
        let told = damage(model).unwrap_or_else(|| panic!("{model} is not told as damaged"));
        assert!(told.contains(why), "{model}: {told}");
        let shown = server.post("/api/show", json!({"model": model})).await;
        assert_eq!(shown.status, 500, "{model}: {}", shown.body);
        assert!(shown.error().contains(why) && shown.error().contains(model), "{}", shown.error());
        let refused = server.post("/api/create", json!({"model": "new", "from": model})).await;
        assert!(refused.error().contains(why) && refused.error().contains(model), "{}", refused.error());
    }
}

#[tokio::test]
async fn a_split_draft_and_the_order_of_shards_are_kept() {
    let server = InProcess::new();
    let [first, second] = [shard(0, 2, &[(ARCHITECTURE, "llama")], "a"), shard(1, 2, &[], "b")];
    let whole = small_gguf(&[]);
    place(
        &server,
        "m",
        &gguf_config(),
        &[(MediaType::Model, &whole, ""), (MediaType::Draft, &second, ""), (MediaType::Draft, &first, "")],
    );
    server.create(json!({"model": "derived", "from": "m", "system": "be brief"})).await;
    assert_eq!(layers(&server, "derived")[..3], layers(&server, "m")[..]);
    // Whatever the order of the layers, the shard number 0 has the metadata.
    place(&server, "n", &gguf_config(), &[(MediaType::Model, &second, ""), (MediaType::Model, &first, "")]);
    assert_eq!(show(&server, "n").await["model_info"][ARCHITECTURE], "llama");
}

#[tokio::test]
async fn uploaded_shards_are_joined_by_what_they_say() {
    let server = InProcess::new();
    let [first, second] = [shard(0, 2, &[(ARCHITECTURE, "llama")], "a"), shard(1, 2, &[], "b")];
    let [first, second] = [server.upload(&first).await.to_string(), server.upload(&second).await.to_string()];
    // Named as gguf-split names them, and in ways that say nothing.
    for (one, two) in [("m-00001-of-00002.gguf", "m-00002-of-00002.gguf"), ("z.gguf", "a.gguf")] {
        server.create(json!({"model": "m", "files": {one: first, two: second}})).await;
        let made = layers(&server, "m");
        assert_eq!(made.len(), 1);
        let blob = server.store.blob(made[0].1).unwrap();
        let names: Vec<_> = Gguf::parse(blob.bytes().unwrap())
            .unwrap()
            .tensors()
            .iter()
            .map(|tensor| tensor.name.to_owned())
            .collect();
        assert_eq!(names, ["a", "b"], "{one}");
    }
    // A name that says something else than the file.
    let files = json!({"m-00002-of-00002.gguf": first, "m-00001-of-00002.gguf": second});
    let refused = server.post("/api/create", json!({"model": "wrong", "files": files})).await;
    assert_eq!(refused.status, 400);
    assert!(
        refused.error().contains("m-00001-of-00002.gguf") && refused.error().contains("split.no"),
        "{}",
        refused.error()
    );
}

#[tokio::test]
async fn tensors_in_blobs_are_kept_and_not_quantized() {
    let server = InProcess::new();
    let config = ModelConfig {
        model_format: "safetensors".into(),
        model_family: "qwen3".into(),
        model_type: "1B".into(),
        requires: "0.19.0".into(),
        draft: Some(json!({"model_format": "safetensors", "architecture": "qwen3"})),
        ..ModelConfig::default()
    };
    let other = |name: &str| MediaType::from(format!("application/vnd.ollama.image.{name}"));
    place(
        &server,
        "tensors",
        &config,
        &[
            (other("tensor"), b"one", "model.norm.weight"),
            (other("tensor"), b"two", "draft.norm.weight"),
            (other("json"), b"{}", "config.json"),
            (MediaType::Draft, b"not even a GGUF file", ""),
            (MediaType::from("application/x-unknown".to_owned()), b"whatever", "x"),
        ],
    );
    assert_eq!(show(&server, "tensors").await["details"]["format"], "safetensors");
    server.create(json!({"model": "derived", "from": "tensors", "system": "be brief"})).await;
    assert_eq!(layers(&server, "derived")[..5], layers(&server, "tensors")[..]);
    let details = &show(&server, "derived").await["details"];
    assert_eq!((&details["family"], &details["parameter_size"]), (&json!("qwen3"), &json!("1B")));
    server.store.copy(&"tensors".parse().unwrap(), &"copy".parse().unwrap()).unwrap();
    assert_eq!(layers(&server, "copy"), layers(&server, "tensors"));
    let refused =
        server.post("/api/create", json!({"model": "derived", "from": "tensors", "quantize": "q8_0"})).await;
    assert_eq!(refused.status, 400, "{}", refused.body);
}

#[tokio::test]
async fn damaged_models_are_listed_as_such() {
    let server = InProcess::new();
    let weights = server.upload(&small_gguf(&[])).await;
    for model in ["whole", "torn"] {
        server
            .create(json!({"model": model, "files": {"m.gguf": weights.to_string()}, "system": model}))
            .await;
    }
    let damage = async |model: &str| -> Option<String> {
        let tags = server.get("/api/tags").await.json();
        let entries = tags["models"].as_array().unwrap().clone();
        let found = entries.iter().find(|entry| entry["name"] == format!("{model}:latest")).unwrap().clone();
        assert_eq!(found["digest"].as_str().unwrap().len(), 64);
        found["damaged"].as_str().map(str::to_owned)
    };
    assert_eq!((damage("whole").await, damage("torn").await), (None, None));
    let root = server.directory.path().to_owned();
    fs::remove_file(root.join("blobs").join(weights.file_name())).unwrap();
    for _ in 0..2 {
        let told = damage("whole").await.unwrap();
        assert!(told.contains(&weights.to_string()) && told.contains("weights"), "{told}");
    }
    let shown = server.post("/api/show", json!({"model": "whole"})).await;
    let error = shown.error();
    assert!(error.contains(&weights.to_string()) && error.contains("pull or create"), "{error}");
    server.upload(&small_gguf(&[])).await;
    assert_eq!(damage("whole").await, None);
    fs::write(root.join("manifests/registry.ollama.ai/library/torn/latest"), b"{").unwrap();
    assert!(damage("torn").await.is_some());
    let deleted = server.call("DELETE", "/api/delete", r#"{"model": "torn"}"#).await;
    assert_eq!(deleted.status, 200, "{}", deleted.body);
}

#[tokio::test]
async fn a_model_is_meant_by_the_digest_of_its_manifest() {
    let server = InProcess::new();
    let weights = server.upload(&small_gguf(&[])).await;
    server
        .create(json!({"model": "m", "files": {"m.gguf": weights.to_string()}, "system": "be brief"}))
        .await;
    let model = server.store.manifest(&"m".parse().unwrap()).unwrap();
    let digest = server.store.put_bytes(&model.bytes).unwrap().blob.digest();
    let spellings = [
        digest.file_name(),
        digest.to_string(),
        digest.hex()[..12].to_owned(),
        format!("m@{}", digest.file_name()),
    ];
    for meant in spellings {
        assert_eq!(show(&server, &meant).await["system"], "be brief", "{meant}");
        let copied = server.post("/api/copy", json!({"source": meant, "destination": "copied"})).await;
        assert_eq!(copied.status, 200, "{meant}: {}", copied.body);
        assert_eq!(layers(&server, "copied"), layers(&server, "m"), "{meant}");
        server.create(json!({"model": "derived", "from": meant, "template": "{{ .Prompt }}"})).await;
        assert_eq!(layers(&server, "derived")[0], layers(&server, "m")[0], "{meant}");
    }
    // What is deleted has a name, and a blob that is not a manifest is not a model.
    let body = json!({"model": digest.file_name()}).to_string();
    let deleted = server.call("DELETE", "/api/delete", body).await;
    assert_eq!(deleted.status, 404, "{}", deleted.body);
    for other in [weights.file_name(), format!("m@{}", weights.file_name())] {
        let shown = server.post("/api/show", json!({"model": other})).await;
        assert_eq!(shown.status, 404, "{other}: {}", shown.body);
    }
}
