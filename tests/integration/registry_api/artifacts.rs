//! Artifacts of other tools, pushed here, as sources of models.

use ollamake::model::{Digest, OCI_MANIFEST};
use serde_json::{Value, json};

use super::pushing::{descriptor, push, push_blob};
use super::*;
use crate::in_process::small_gguf;
use crate::support::files::fixture;

/// Pushes an artifact with these layers: a media type, the name of a file, and its contents.
async fn push_artifact(server: &InProcess, repository: &str, tag: &str, layers: &[(&str, &str, Vec<u8>)]) {
    let config = br#"{"config":{"format":"gguf"}}"#;
    push_blob(server, repository, config).await;
    let mut described = Vec::new();
    for (kind, name, bytes) in layers {
        push_blob(server, repository, bytes).await;
        let mut layer = descriptor(kind, bytes);
        layer["annotations"] = match *name {
            "" => Value::Null,
            name => json!({"org.cncf.model.filepath": name}),
        };
        described.push(layer);
    }
    let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": descriptor("application/vnd.cncf.model.config.v1+json", config), "layers": described});
    let path = format!("{repository}/manifests/{tag}");
    let answer = push(server, &path, OCI_MANIFEST, manifest.to_string().as_bytes()).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
}

const WEIGHTS_TYPE: &str = "application/vnd.cncf.model.weight.v1.raw";

#[tokio::test]
async fn a_gguf_file_in_an_artifact_is_a_source() {
    let server = InProcess::new();
    let gguf = small_gguf(&[]);
    let license = ("application/vnd.docker.ai.license", "", b"do what you like".to_vec());
    for (repository, from) in [
        ("library/pack", "pack"),
        ("team/pack", "team/pack:v1"),
        ("alpine", "alpine:v1"),
        ("a/b/c", "a/b/c:v1"),
    ] {
        let tag = if from.contains(':') { "v1" } else { "latest" };
        let layers = [("application/vnd.docker.ai.gguf.v3", "", gguf.clone()), license.clone()];
        push_artifact(&server, repository, tag, &layers).await;
        server.create(json!({"model": "made", "from": from})).await;
        let shown = server.post("/api/show", json!({"model": "made"})).await.json();
        assert_eq!(
            (shown["details"]["family"].clone(), shown["license"].clone()),
            (json!("llama"), json!("do what you like"))
        );
        let made = server.store.manifest(&"made".parse().unwrap()).unwrap();
        assert_eq!(made.manifest.layers[0].digest, Digest::of(&gguf), "{from}");
    }
}

#[tokio::test]
async fn a_checkpoint_in_an_artifact_is_a_source() {
    let server = InProcess::new();
    let files = ["model.safetensors", "config.json", "tokenizer.json"];
    let read = |name: &str| std::fs::read(fixture("conversion/bert-plain").join(name)).unwrap();
    let mut layers: Vec<_> = files.iter().map(|name| (WEIGHTS_TYPE, *name, read(name))).collect();
    layers.push(("application/vnd.cncf.model.doc.v1.raw", "notes.md", b"some notes".to_vec()));
    push_artifact(&server, "team/pack", "latest", &layers).await;
    server.create(json!({"model": "made", "from": "team/pack"})).await;
    let uploaded: serde_json::Map<_, _> =
        files.iter().map(|name| ((*name).to_owned(), json!(Digest::of(&read(name)).to_string()))).collect();
    server.create(json!({"model": "uploaded", "files": uploaded})).await;
    let layers = |name: &str| server.store.manifest(&name.parse().unwrap()).unwrap().manifest.layers.clone();
    assert_eq!(layers("made"), layers("uploaded"));
}

#[tokio::test]
async fn an_artifact_without_weights_is_no_source() {
    let server = InProcess::new();
    push_artifact(&server, "team/pack", "latest", &[("text/plain", "a.txt", b"text".to_vec())]).await;
    let answer = server.post("/api/create", json!({"model": "made", "from": "team/pack"})).await;
    assert_eq!(answer.status, 400);
    assert!(answer.error().contains("text/plain"), "{}", answer.body);
    // A model of the same name comes first.
    put(&server.store, "team/other", &small_gguf(&[]));
    server.create(json!({"model": "made", "from": "team/other"})).await;
}
