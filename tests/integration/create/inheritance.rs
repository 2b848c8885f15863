//! Models from other models: what they inherit, what they replace, and what becomes of the rest.

use ollamake::model::{Layer, Manifest, MediaType, ModelConfig};
use serde_json::{Value, json};

use crate::in_process::{InProcess, small_gguf};

async fn server_with_a_base() -> InProcess {
    let server = InProcess::new();
    let digest = server.upload(&small_gguf(&[])).await;
    server
        .create(json!({
            "model": "base",
            "files": {"m.gguf": digest.to_string()},
            "template": "{{ .Prompt }} base",
            "system": "base",
            "license": "MIT",
            "parameters": {"temperature": 0.5, "num_ctx": 128},
            "messages": [{"role": "user", "content": "hi"}],
            "renderer": "r",
            "requires": "0.5.0",
        }))
        .await;
    server
}

async fn show(server: &InProcess, model: &str) -> Value {
    server.post("/api/show", json!({"model": model})).await.json()
}

#[tokio::test]
async fn what_is_not_said_is_inherited() {
    let server = server_with_a_base().await;
    server.create(json!({"model": "m", "from": "base"})).await;
    let (base, derived) = (show(&server, "base").await, show(&server, "m").await);
    for key in
        ["template", "system", "license", "parameters", "messages", "renderer", "requires", "capabilities"]
    {
        assert_eq!(derived[key], base[key], "{key}");
    }
    assert_eq!(derived["details"]["parent_model"], "base:latest");
}

#[tokio::test]
async fn what_is_said_joins_or_replaces() {
    let server = server_with_a_base().await;
    server
        .create(json!({
            "model": "m",
            "from": "base",
            "template": "{{ .Prompt }} new",
            "system": "new",
            "license": ["Apache", "BSD"],
            "parameters": {"temperature": 0.9, "stop": "x"},
            "messages": [{"role": "USER", "content": "ho"}, {"role": "assistant", "content": "yo"}],
            "renderer": "s",
        }))
        .await;
    let derived = show(&server, "m").await;
    assert_eq!(derived["template"], "{{ .Prompt }} new");
    assert_eq!(derived["system"], "new");
    assert_eq!(derived["license"], "MIT\nApache\nBSD");
    let parameters = format!("{:30} 128\n{:30} \"x\"\n{:30} 0.9", "num_ctx", "stop", "temperature");
    assert_eq!(derived["parameters"], parameters);
    assert_eq!(
        derived["messages"],
        json!([{"role": "user", "content": "ho"}, {"role": "assistant", "content": "yo"}])
    );
    assert_eq!((&derived["renderer"], &derived["requires"]), (&json!("s"), &json!("0.5.0")));
}

#[tokio::test]
async fn info_overrides_the_configuration() {
    let server = server_with_a_base().await;
    let info = json!({
        "model_family": "other", "parameter_size": "7B", "context_length": 4096, "capabilities": ["vision"],
    });
    server.create(json!({"model": "m", "from": "base", "info": info})).await;
    let tags = server.get("/api/tags").await.json();
    let listed = tags["models"].as_array().unwrap().iter().find(|model| model["name"] == "m:latest").unwrap();
    assert_eq!(listed["details"]["family"], "other");
    assert_eq!(listed["details"]["families"], json!(["other", "llama"]));
    assert_eq!(listed["details"]["parameter_size"], "7B");
    assert_eq!(listed["details"]["context_length"], 4096);
    assert_eq!(listed["capabilities"], json!(["vision", "completion"]));
}

#[tokio::test]
async fn a_remote_model_has_no_weights_here() {
    let server = InProcess::new();
    server
        .create(
            json!({"model": "m", "from": "far", "remote_host": "example.com", "info": {"model_family": "x"}}),
        )
        .await;
    let shown = show(&server, "m").await;
    assert_eq!(
        (&shown["remote_model"], &shown["remote_host"]),
        (&json!("far"), &json!("http://example.com:11434"))
    );
    assert_eq!(shown["model_info"], json!({"general.architecture": "x"}));
    for (field, value) in [("quantize", json!("q4_0")), ("adapters", json!({}))] {
        let mut request = json!({"model": "n", "from": "far", "remote_host": "example.com"});
        request[field] = value;
        let answer = server.post("/api/create", request).await;
        assert_eq!(answer.status, 400);
        assert!(answer.error().contains(field), "{}", answer.body);
    }
    let answer =
        server.post("/api/create", json!({"model": "n", "from": "far", "remote_host": "http://"})).await;
    assert_eq!((answer.status.as_u16(), answer.error().as_str()), (400, "bad remote"));
}

/// A model of these layers, whose configuration says `format`.
fn put_model(server: &InProcess, name: &str, format: &str, layers: Vec<Layer>) {
    let config = ModelConfig { model_format: format.to_owned(), ..ModelConfig::default() };
    let blob = server.store.put_bytes(&config.to_bytes()).unwrap().blob;
    let config = Layer::new(MediaType::Config, blob.digest(), blob.length());
    server.store.put_manifest(&name.parse().unwrap(), &Manifest::new(config, layers).to_bytes()).unwrap();
}

fn put_layer(server: &InProcess, media_type: MediaType, bytes: &[u8]) -> Layer {
    let blob = server.store.put_bytes(bytes).unwrap().blob;
    Layer::new(media_type, blob.digest(), blob.length())
}

#[tokio::test]
async fn tensors_that_are_layers_keep_their_names() {
    let server = InProcess::new();
    let kind = MediaType::Other("application/vnd.ollama.image.tensor".to_owned());
    let tensor = put_layer(&server, kind, b"weights");
    put_model(&server, "base", "safetensors", vec![Layer { name: "a.weight".to_owned(), ..tensor.clone() }]);
    server.create(json!({"model": "m", "from": "base", "system": "new"})).await;
    let made = server.store.manifest(&"m".parse().unwrap()).unwrap();
    let expected = Layer { name: "a.weight".to_owned(), from: "base:latest".to_owned(), ..tensor };
    assert_eq!(made.manifest.layers[0], expected);
    assert_eq!(server.store.config(&made).unwrap().model_format, "safetensors");
}

#[tokio::test]
async fn a_draft_model_is_described_in_the_configuration() {
    let server = InProcess::new();
    let layers = [MediaType::Model, MediaType::Draft].map(|kind| put_layer(&server, kind, &small_gguf(&[])));
    put_model(&server, "base", "gguf", layers.to_vec());
    server.create(json!({"model": "m", "from": "base", "system": "new"})).await;
    let made = server.store.manifest(&"m".parse().unwrap()).unwrap();
    let draft = json!({"model_format": "gguf", "architecture": "llama"});
    assert_eq!(server.store.config(&made).unwrap().draft, Some(draft));
}

#[tokio::test]
async fn what_has_no_weights_cannot_be_quantized() {
    let server = InProcess::new();
    let system = put_layer(&server, MediaType::System, b"system");
    put_model(&server, "base", "gguf", vec![system]);
    let projector = server.upload(&small_gguf(&[("general.type", "projector")])).await.to_string();
    let needs_model = r#""mmproj.gguf" is a projector, which needs a model: give the model's file too"#;
    for (source, error) in [
        (json!({"from": "base"}), "quantize needs a model with weights; leave it out where there are none"),
        (json!({"files": {"mmproj.gguf": projector}}), needs_model),
    ] {
        let mut request = json!({"model": "m", "quantize": "q8_0"});
        request.as_object_mut().unwrap().extend(source.as_object().unwrap().clone());
        let answer = server.post("/api/create", request).await;
        assert_eq!((answer.status.as_u16(), answer.error().as_str()), (400, error));
    }
}

#[tokio::test]
async fn what_only_the_replaced_model_used_is_removed() {
    let server = server_with_a_base().await;
    server.create(json!({"model": "m", "from": "base", "system": "first"})).await;
    let with_first = server.files();
    server.create(json!({"model": "m", "from": "base", "system": "second"})).await;
    server.store.settle();
    assert_eq!(server.files().len(), with_first.len());
    // Its weights are the base's, which stay when the model goes, and go with the last user.
    server.call("DELETE", "/api/delete", json!({"model": "m"}).to_string()).await;
    assert_eq!(show(&server, "base").await["system"], "base");
    server.call("DELETE", "/api/delete", json!({"model": "base"}).to_string()).await;
    assert_eq!(server.files(), Vec::<String>::new());
}

#[tokio::test]
async fn nothing_is_removed_where_the_operator_says_so() {
    let server = InProcess::with(|config| config.prune = false);
    let digest = server.upload(&small_gguf(&[])).await.to_string();
    server.create(json!({"model": "m", "files": {"m.gguf": digest}, "system": "first"})).await;
    let before = server.files().len();
    server.create(json!({"model": "m", "files": {"m.gguf": digest}, "system": "second"})).await;
    server.store.settle();
    assert!(server.files().len() > before);
}

#[tokio::test]
async fn a_request_that_is_refused_leaves_nothing() {
    let server = server_with_a_base().await;
    let before = server.files();
    for (field, value, message) in [
        ("template", json!("{{ .Prompt"), "template error: template: :1: unclosed action"),
        ("license", json!({"a": 1}), "license must be a string or a list of strings, got an object"),
        (
            "license",
            json!(vec!["x"; 257]),
            "license must not be a list of more than 256 texts, got 257; join them",
        ),
        (
            "license",
            json!(["x", "x".repeat((16 << 20) + 1)]),
            "license must not be longer than 16777216 bytes, got 16777217",
        ),
        (
            "messages",
            json!([{"role": "user", "content": "x".repeat(16 << 20)}]),
            "messages must not be longer than 16777216 bytes, got 167772",
        ),
        ("renderer", json!("x".repeat(5000)), "renderer must not be longer than 4096 bytes, got 5000"),
        (
            "parameters",
            json!({"num_ctx": "many"}),
            "parameters: \"num_ctx\" must be an integer, not \"many\"",
        ),
        ("quantize", json!("q4_0"), "quantization is only supported"),
        (
            "info",
            json!({"context_length": -1}),
            "info field \"context_length\" must be a non-negative integer",
        ),
        (
            "info",
            json!({"capabilities": vec![""; 5000]}),
            "info field \"capabilities\" must be a list of strings of at most 4096 bytes in all",
        ),
        ("messages", json!([{"role": 5}]), "messages: "),
        (
            "files",
            json!(5),
            "json: cannot unmarshal number into Go struct field CreateRequest.files of type \
             map[string]string",
        ),
    ] {
        let mut request = json!({"model": "m", "from": "base", "system": "new"});
        request[field] = value;
        if field == "quantize" {
            // Weights of this type cannot be quantized again.
            let digest = server.upload(&quantized_gguf()).await.to_string();
            request = json!({"model": "m", "files": {"q.gguf": digest}, "quantize": "q4_K_M"});
        }
        let answer = server.post("/api/create", request).await;
        assert_eq!(answer.status, 400, "{field}: {}", answer.body);
        assert!(answer.error().starts_with(message), "{field}: {}", answer.body);
    }
    assert_eq!(server.files().len(), before.len() + 1);
}

fn quantized_gguf() -> Vec<u8> {
    let mut metadata = ollamake::gguf::Metadata::new();
    metadata.set("general.architecture", "llama");
    metadata.set("general.file_type", 7_u32);
    metadata.set("llama.block_count", 1_u32);
    crate::in_process::gguf(
        &metadata,
        &[("blk.0.ffn_up.weight", &[256, 256], ollamake::tensor::ElementType::Q8_0)],
    )
}
