//! Models of today's Ollama to a registry: what is sent is one manifest that every version reads.

use std::sync::{Arc, Mutex};

use ollamake::model::{Digest, Layer, Manifest, MediaType, ModelConfig, Name, Reference};
use ollamake::store::Store;
use serde_json::json;

use super::stub::{Asked, Stub, answer};
use super::{Site, impatient};

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const LIST: &str = "application/vnd.ollama.manifest.list.v2+json";

/// What a registry has been given.
#[derive(Debug, Default, Clone)]
struct Taken {
    /// By their digests, in any order.
    blobs: Vec<String>,
    manifest: Vec<u8>,
    media_type: String,
}

/// A registry that takes everything.
async fn registry(taken: Arc<Mutex<Taken>>) -> Stub {
    Stub::start(move |asked: &Asked| {
        let mut taken = taken.lock().unwrap();
        match asked.method.as_str() {
            "HEAD" => answer(404, &[], ""),
            "POST" => answer(202, &[("location", "/v2/team/m/blobs/uploads/1")], ""),
            "PUT" if asked.uri.path().contains("/manifests/") => {
                taken.manifest = asked.body.to_vec();
                taken.media_type = asked.header("content-type").to_owned();
                answer(201, &[], "")
            }
            "PUT" => {
                taken.blobs.extend(asked.query("digest"));
                answer(201, &[], "")
            }
            _ => answer(202, &[("location", "/v2/team/m/blobs/uploads/1"), ("range", "0-0")], ""),
        }
    })
    .await
}

/// Pushes a model that `make` puts under a name; what the registry has then.
async fn pushed(make: impl FnOnce(&Store, &Name)) -> Taken {
    let taken = Arc::new(Mutex::new(Taken::default()));
    let registry = registry(taken.clone()).await;
    let site = Site::with(impatient());
    let name = format!("{}/team/m", registry.host());
    make(&site.store, &name.parse().unwrap());
    site.push(&name).await.unwrap();
    let mut taken = taken.lock().unwrap().clone();
    taken.blobs.sort();
    taken
}

fn layer(store: &Store, kind: MediaType, bytes: &[u8]) -> Layer {
    let blob = store.put_bytes(bytes).unwrap().blob;
    Layer::new(kind, blob.digest(), blob.length())
}

/// A manifest of these weights.
fn manifest(store: &Store, weights: &[&[u8]]) -> Manifest {
    let config = layer(store, MediaType::Config, &ModelConfig::default().to_bytes());
    Manifest::new(config, weights.iter().map(|bytes| layer(store, MediaType::Model, bytes)).collect())
}

/// The digests of blobs with these contents, sorted.
fn digests(contents: &[&[u8]]) -> Vec<String> {
    let mut digests: Vec<_> = contents.iter().map(|bytes| Digest::of(bytes).to_string()).collect();
    digests.sort();
    digests
}

#[tokio::test(flavor = "multi_thread")]
async fn a_split_model_is_sent_shard_by_shard() {
    let shards: [&[u8]; 3] = [b"shard one", b"shard two", b"shard three"];
    let mut bytes = Vec::new();
    let taken = pushed(|store, name| {
        bytes = manifest(store, &shards).to_bytes();
        store.put_manifest(name, &bytes).unwrap();
    })
    .await;
    assert_eq!((taken.manifest, taken.media_type.as_str()), (bytes, MANIFEST));
    let config = ModelConfig::default().to_bytes();
    assert_eq!(taken.blobs, digests(&[&shards[..], &[&config]].concat()));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_list_the_manifest_is_sent_that_is_used_here() {
    let mut expected = Vec::new();
    let taken = pushed(|store, name| {
        let children = [b"for ggml", b"for mlx!"].map(|weights| manifest(store, &[weights]).to_bytes());
        let documents = children.each_ref().map(|bytes| store.put_bytes(bytes).unwrap().blob.digest());
        let element =
            |digest: String, runner: &str| json!({"mediaType": MANIFEST, "digest": digest, "runner": runner});
        let elements = [element(documents[1].to_string(), "mlx"), element(documents[0].to_string(), "ggml")];
        let list = json!({"schemaVersion": 2, "mediaType": LIST, "manifests": elements});
        let list = store.put_bytes(&serde_json::to_vec(&list).unwrap()).unwrap().blob.digest();
        store.copy_of(&Reference::Digest(list), name).unwrap();
        expected.clone_from(&children[0]);
    })
    .await;
    assert_eq!((taken.manifest, taken.media_type.as_str()), (expected, MANIFEST));
    assert_eq!(taken.blobs, digests(&[b"for ggml", &ModelConfig::default().to_bytes()]));
}

#[tokio::test(flavor = "multi_thread")]
async fn anchors_are_not_sent() {
    let mut expected = Vec::new();
    let taken = pushed(|store, name| {
        let plain = manifest(store, &[b"weights"]);
        let document = store.put_bytes(&plain.to_bytes()).unwrap().blob;
        let mut anchored = plain.clone();
        let kind = MediaType::from(MANIFEST.to_owned());
        anchored.layers.push(Layer::new(kind, document.digest(), document.length()));
        store.put_manifest(name, &anchored.to_bytes()).unwrap();
        expected = plain.to_bytes();
    })
    .await;
    assert_eq!(taken.manifest, expected);
    assert_eq!(taken.blobs, digests(&[b"weights", &ModelConfig::default().to_bytes()]));
}
