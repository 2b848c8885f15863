//! Models that other tools have put into registries.

use ollamake::model::Digest;
use serde_json::{Value, json};

use super::stub::{Asked, Stub, answer, blob_answer};
use crate::in_process::small_gguf;
use crate::support::process::{Process, last_line};

/// A registry of an artifact with these layers: a media type, annotations, and the contents.
async fn registry_of_artifact(layers: Vec<(&'static str, Value, Vec<u8>)>) -> Stub {
    let config = b"{\"config\":{\"format\":\"gguf\"}}".to_vec();
    let layer = |kind: &str, annotations: &Value, bytes: &[u8]| {
        let (digest, size) = (Digest::of(bytes), bytes.len());
        json!({"mediaType": kind, "digest": digest, "size": size, "annotations": annotations})
    };
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": layer("application/vnd.docker.ai.model.config.v0.1+json", &json!({}), &config),
        "layers": layers.iter().map(|(kind, notes, bytes)| layer(kind, notes, bytes)).collect::<Vec<_>>(),
    });
    let blobs: Vec<_> = layers.into_iter().map(|(.., bytes)| bytes).chain([config]).collect();
    Stub::start(move |asked: &Asked| {
        let path = asked.uri.path();
        if path.contains("/manifests/") {
            return answer(200, &[], manifest.to_string());
        }
        blob_answer(asked, blobs.iter().find(|blob| path.ends_with(&Digest::of(blob).to_string())).unwrap())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gguf_file_of_another_tool_becomes_a_model() {
    let gguf = small_gguf(&[]);
    for (kind, annotations) in [
        ("application/vnd.docker.ai.gguf.v3", json!(null)),
        ("application/vnd.cncf.model.weight.v1.raw", json!({"org.cncf.model.filepath": "model.gguf"})),
        ("application/octet-stream", json!({"org.opencontainers.image.title": "model.gguf"})),
    ] {
        let license = ("application/vnd.docker.ai.license", json!(null), b"do what you like".to_vec());
        let registry = registry_of_artifact(vec![(kind, annotations, gguf.clone()), license]).await;
        let directory = tempfile::tempdir().unwrap();
        let server = Process::start(directory.path(), &[]);
        let name = format!("{}/team/m", registry.host());
        let last = last_line(&server, "pull", json!({"model": name})).await;
        assert_eq!(last["status"], "success", "{kind}: {last}");
        let shown = last_line(&server, "show", json!({"model": name})).await;
        assert_eq!(shown["details"]["family"], "llama", "{kind}: {shown}");
        assert_eq!(shown["model_info"]["general.architecture"], "llama", "{kind}");
        assert_eq!(shown["license"], "do what you like", "{kind}");
        let made = last_line(&server, "create", json!({"model": "n", "from": name})).await;
        assert_eq!(made["status"], "success", "{kind}: {made}");
    }
}

/// The source is pulled once, and the outputs are those of a store that has it.
#[tokio::test(flavor = "multi_thread")]
async fn several_models_are_made_from_one_that_is_pulled_first() {
    let kind = "application/vnd.docker.ai.gguf.v3";
    let registry = registry_of_artifact(vec![(kind, json!(null), small_gguf(&[]))]).await;
    let name = format!("{}/team/m", registry.host());
    let outputs = json!([{"model": "a", "quantize": "q8_0"}, {"model": "b", "quantize": "q4_0"}]);
    let request = json!({"from": name, "outputs": outputs});
    let make = async |is_pulled_before: bool| {
        let directory = tempfile::tempdir().unwrap();
        let server = Process::start(directory.path(), &[]);
        if is_pulled_before {
            last_line(&server, "pull", json!({"model": name})).await;
        }
        let made = last_line(&server, "create", request.clone()).await;
        assert_eq!(made["status"], "success", "{made}");
        made["outputs"].clone()
    };
    let before = registry.asked().len();
    let made = make(false).await;
    let asked = registry.asked().len() - before;
    assert_eq!(made, make(true).await);
    // The manifest and the file, however many outputs there are.
    assert_eq!(asked, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_artifact_that_is_not_understood_is_no_model() {
    let gguf = small_gguf(&[]);
    for (kind, annotations, contents, says) in [
        ("application/vnd.cncf.model.weight.v1.tar", json!(null), gguf.clone(), "model.weight.v1.tar"),
        ("text/plain", json!({"org.opencontainers.image.title": "a.txt"}), b"text".to_vec(), "text/plain"),
        ("application/vnd.docker.ai.gguf.v3", json!(null), b"not a GGUF file".to_vec(), "GGUF"),
    ] {
        let registry = registry_of_artifact(vec![(kind, annotations, contents)]).await;
        let directory = tempfile::tempdir().unwrap();
        let server = Process::start(directory.path(), &[]);
        let last = last_line(&server, "pull", json!({"model": format!("{}/team/m", registry.host())})).await;
        assert!(last["error"].as_str().unwrap().contains(says), "{kind}: {last}");
        let store = ollamake::store::Store::open(directory.path()).unwrap();
        assert!(store.list().unwrap().is_empty(), "{kind}");
    }
}
