//! What is pushed and is a model is one, where `list` and Ollama read names.

use std::fs;

use ollamake::model::{Digest, Layer, Manifest, ManifestList, MediaType, ModelConfig, OCI_MANIFEST};
use ollamake::store::StoreError;

use super::pushing::{push, push_blob};
use super::*;

/// Pushes the manifest of a model of these layers, whose blobs come before it.
async fn push_model(server: &InProcess, path: &str, config: &[u8], layers: &[(MediaType, &[u8])]) -> Answer {
    let repository = path.split("/manifests/").next().unwrap();
    push_blob(server, repository, config).await;
    let mut described = Vec::new();
    for (kind, bytes) in layers {
        let digest = push_blob(server, repository, bytes).await;
        described.push(Layer::new(kind.clone(), digest, bytes.len() as u64));
    }
    let config = Layer::new(MediaType::Config, Digest::of(config), config.len() as u64);
    let bytes = serde_json::to_string_pretty(&Manifest::new(config, described)).unwrap();
    push(server, path, Manifest::MEDIA_TYPE, bytes.as_bytes()).await
}

fn config() -> Vec<u8> {
    ModelConfig::default().to_bytes()
}

#[tokio::test]
async fn a_model_that_is_pushed_is_listed_shown_and_deleted_like_any() {
    let server = InProcess::new();
    let weights = crate::in_process::small_gguf(&[]);
    let layers = [(MediaType::Model, &*weights), (MediaType::System, b"Be brief.")];
    let answer = push_model(&server, "library/mine/manifests/q4", &config(), &layers).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let listed = server.get("/api/tags").await.json();
    assert_eq!(listed["models"][0]["name"], "mine:q4");
    let digest = header(&answer, "docker-content-digest").strip_prefix("sha256:").unwrap().to_owned();
    assert_eq!(listed["models"][0]["digest"], digest);
    let shown = server.post("/api/show", json!({"model": "mine:q4"})).await;
    assert_eq!(shown.json()["system"], "Be brief.");
    let path = server.directory.path().join("manifests/registry.ollama.ai/library/mine/q4");
    assert_eq!(Digest::of(&fs::read(path).unwrap()).hex(), digest);
    let removed = server.call("DELETE", "/v2/library/mine/manifests/q4", "").await;
    assert_eq!(removed.status, 202);
    assert!(server.store.list().unwrap().is_empty());
    assert!(!server.store.contains(Digest::of(&weights)).unwrap());
}

#[tokio::test]
async fn a_name_of_the_newer_tree_stays_in_it() {
    let server = InProcess::new();
    let child = put(&server.store, "child", WEIGHTS);
    let blob = server.store.put_bytes(&child).unwrap().blob.digest();
    let list = json!({"schemaVersion": 2, "manifests": [{"digest": blob, "runner": "ggml"}]});
    server.store.restore(&"mine".parse().unwrap(), list.to_string().as_bytes()).unwrap();
    let answer =
        push_model(&server, "library/mine/manifests/latest", &config(), &[(MediaType::Model, b"new")]).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let link = server.directory.path().join("manifests-v2/ollama.com/library/mine/latest");
    let digest = header(&answer, "docker-content-digest");
    assert_eq!(Digest::of(&fs::read(link).unwrap()).to_string(), digest);
}

#[tokio::test]
async fn letter_case_does_not_make_another_model() {
    let server = InProcess::new();
    put(&server.store, "Mine:Q4", WEIGHTS);
    let answer =
        push_model(&server, "library/mine/manifests/q4", &config(), &[(MediaType::Model, b"new")]).await;
    assert_eq!(answer.status, 201);
    let names: Vec<_> = server.store.list().unwrap().iter().map(|model| model.name.short()).collect();
    assert_eq!(names, ["Mine:Q4"]);
    server.store.settle();
    assert!(!server.store.contains(Digest::of(WEIGHTS)).unwrap());
}

#[tokio::test]
async fn layers_that_are_not_what_they_should_be_are_refused() {
    let server = InProcess::new();
    for (config, layer, says) in [
        (&b"no JSON"[..], (MediaType::Model, WEIGHTS), "its configuration"),
        (&config(), (MediaType::Parameters, b"[]"), "its parameters"),
        (&config(), (MediaType::Messages, b"{"), "its messages"),
    ] {
        let answer = push_model(&server, "library/mine/manifests/latest", config, &[layer]).await;
        assert_eq!((answer.status.as_u16(), code(&answer).as_str()), (400, "MANIFEST_INVALID"));
        assert!(answer.body.contains(says), "{}", answer.body);
    }
    assert!(server.store.list().unwrap().is_empty());
}

#[tokio::test]
async fn a_model_that_lives_elsewhere_has_no_layers() {
    let server = InProcess::new();
    let config = br#"{"remote_host":"https://ollama.com:443","remote_model":"big"}"#;
    let answer = push_model(&server, "library/far/manifests/cloud", config, &[]).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    assert_eq!(server.store.list().unwrap()[0].name.short(), "far:cloud");
}

#[tokio::test]
async fn lists_of_ollamas_are_taken_although_some_of_their_manifests_are_not_here() {
    let server = InProcess::new();
    let weights = crate::in_process::small_gguf(&[]);
    let answer =
        push_model(&server, "library/mine/manifests/child", &config(), &[(MediaType::Model, &weights)]).await;
    let child = header(&answer, "docker-content-digest").to_owned();
    let absent = Digest::of(b"absent").to_string();
    let list = |digests: &[&str]| {
        let element =
            |digest: &&str| json!({"mediaType": Manifest::MEDIA_TYPE, "digest": digest, "runner": "ggml"});
        let manifests: Vec<_> = digests.iter().map(element).collect();
        json!({"schemaVersion": 2, "mediaType": ManifestList::MEDIA_TYPE, "manifests": manifests}).to_string()
    };
    let path = "library/mine/manifests/latest";
    let refused = push(&server, path, ManifestList::MEDIA_TYPE, list(&[&absent]).as_bytes()).await;
    assert_eq!((refused.status.as_u16(), code(&refused).as_str()), (404, "MANIFEST_BLOB_UNKNOWN"));
    let bytes = list(&[&absent, &child]);
    let answer = push(&server, path, ManifestList::MEDIA_TYPE, bytes.as_bytes()).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let model = server.store.manifest(&"mine".parse().unwrap()).unwrap();
    assert_eq!(model.bytes, bytes.as_bytes());
    assert!(server.store.check(true, |_| {}).unwrap().is_clean());
    // Clients that know lists get it, the others the manifest that is used here; by digest each is served.
    let accept = [("Accept", ManifestList::MEDIA_TYPE)];
    assert_eq!(server.call_with("GET", &format!("/v2/{path}"), &accept, "").await.body, bytes);
    let plain = server.get(&format!("/v2/{path}")).await;
    assert_eq!(header(&plain, "docker-content-digest"), child);
    for (digest, body) in [(Digest::of(bytes.as_bytes()).to_string(), &bytes), (child, &plain.body)] {
        let answer = server.get(&format!("/v2/library/mine/manifests/{digest}")).await;
        assert_eq!(&answer.body, body);
    }
}

#[tokio::test]
async fn clients_that_know_only_oci_get_a_model_in_that_form() {
    let server = InProcess::new();
    let bytes = put(&server.store, "mine", WEIGHTS);
    let path = "/v2/library/mine/manifests/latest";
    let oci = Manifest::from_bytes(&bytes).unwrap().to_oci();
    let both = format!("{OCI_MANIFEST}, {};q=0.5", Manifest::MEDIA_TYPE);
    for (accept, kind, expected) in [
        ("", Manifest::MEDIA_TYPE, &bytes),
        ("*/*", Manifest::MEDIA_TYPE, &bytes),
        ("application/json", Manifest::MEDIA_TYPE, &bytes),
        (Manifest::MEDIA_TYPE, Manifest::MEDIA_TYPE, &bytes),
        (&both, Manifest::MEDIA_TYPE, &bytes),
        (OCI_MANIFEST, OCI_MANIFEST, &oci),
    ] {
        let answer = server.call_with("GET", path, &[("Accept", accept)], "").await;
        assert_eq!(
            (answer.body.as_bytes(), header(&answer, "content-type")),
            (&**expected, kind),
            "{accept}"
        );
        assert_eq!(header(&answer, "docker-content-digest"), Digest::of(expected).to_string());
    }
    // Its digest is an address, too, also to delete it.
    let path = format!("/v2/library/mine/manifests/{}", Digest::of(&oci));
    assert_eq!(server.get(&path).await.body.as_bytes(), oci);
    assert_eq!(server.call("DELETE", &path, "").await.status, 202);
    let gone = server.store.manifest(&"mine".parse().unwrap());
    assert!(matches!(gone, Err(StoreError::ModelNotFound { .. })));
}
