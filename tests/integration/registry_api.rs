//! The server as a registry: what the distribution specification asks for, and what Ollama's client does.

mod artifacts;
mod clients;
mod guests;
mod models;
mod ollama;
mod ours;
mod pushing;
mod signed;
mod specification;

use ollamake::config::ApiKey;
use ollamake::model::{Digest, Layer, Manifest, MediaType, ModelConfig, Name};
use ollamake::store::Store;
use serde_json::json;

use crate::in_process::{Answer, InProcess};
use crate::support::noise::noise;
use crate::support::process::{Process, last_line};

/// Puts a model of these weights into a store; the bytes of its manifest.
fn put(store: &Store, name: &str, weights: &[u8]) -> Vec<u8> {
    let layer = |kind, bytes: &[u8]| {
        let blob = store.put_bytes(bytes).unwrap().blob;
        Layer::new(kind, blob.digest(), blob.length())
    };
    let config = layer(MediaType::Config, &ModelConfig::default().to_bytes());
    let bytes = Manifest::new(config, vec![layer(MediaType::Model, weights)]).to_bytes();
    store.put_manifest(&name.parse::<Name>().unwrap(), &bytes).unwrap();
    bytes
}

fn header<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}

fn code(answer: &Answer) -> String {
    answer.json()["errors"][0]["code"].as_str().unwrap().to_owned()
}

const WEIGHTS: &[u8] = b"0123456789";

#[tokio::test]
async fn the_root_tells_that_this_is_a_registry() {
    let server = InProcess::new();
    let answer = server.get("/v2/").await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "{}"));
    assert_eq!(header(&answer, "docker-distribution-api-version"), "registry/2.0");
}

#[tokio::test]
async fn manifests_are_served_by_tag_and_by_digest_byte_for_byte() {
    let server = InProcess::new();
    let bytes = put(&server.store, "mine:q4", WEIGHTS);
    let digest = Digest::of(&bytes).to_string();
    for path in [
        "library/mine/manifests/q4",
        "Library/MINE/manifests/q4",
        &format!("library/mine/manifests/{digest}"),
    ] {
        let answer = server.get(&format!("/v2/{path}")).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.body.as_bytes(), bytes, "{path}");
        assert_eq!(header(&answer, "content-type"), Manifest::MEDIA_TYPE);
        assert_eq!(header(&answer, "docker-content-digest"), digest);
        let head = server.call("HEAD", &format!("/v2/{path}"), "").await;
        assert_eq!((head.status.as_u16(), head.body.as_str()), (200, ""), "{path}");
        assert_eq!(header(&head, "docker-content-digest"), digest);
        assert_eq!(header(&head, "content-length"), bytes.len().to_string());
    }
    let known = [("If-None-Match", &*format!("\"{digest}\""))];
    let answer = server.call_with("GET", "/v2/library/mine/manifests/q4", &known, "").await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (304, ""));
}

#[tokio::test]
async fn of_a_list_the_manifest_is_served_that_is_used_here() {
    let server = InProcess::new();
    let child = put(&server.store, "child", WEIGHTS);
    let blob = server.store.put_bytes(&child).unwrap().blob.digest();
    let entry = json!({"mediaType": Manifest::MEDIA_TYPE, "digest": blob, "runner": "ggml"});
    let list = json!({"schemaVersion": 2, "manifests": [entry]});
    server.store.restore(&"listed".parse().unwrap(), list.to_string().as_bytes()).unwrap();
    let answer = server.get("/v2/library/listed/manifests/latest").await;
    assert_eq!(answer.body.as_bytes(), child);
    assert_eq!(header(&answer, "docker-content-digest"), Digest::of(&child).to_string());
}

#[tokio::test]
async fn blobs_are_served_whole_and_in_ranges() {
    let server = InProcess::new();
    put(&server.store, "team/m", WEIGHTS);
    let digest = Digest::of(WEIGHTS);
    let path = format!("/v2/team/m/blobs/{digest}");
    let answer = server.get(&path).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_bytes()), (200, WEIGHTS));
    assert_eq!(header(&answer, "docker-content-digest"), digest.to_string());
    // Ollama's client takes no blob without being sent somewhere, by a redirect or so.
    assert_eq!(header(&answer, "location"), path);
    let head = server.call("HEAD", &path, "").await;
    assert_eq!((head.status.as_u16(), header(&head, "content-length")), (200, "10"));
    let part = server.call_with("GET", &path, &[("Range", "bytes=2-4")], "").await;
    assert_eq!((part.status.as_u16(), part.body.as_str()), (206, "234"));
    assert_eq!(header(&part, "content-range"), "bytes 2-4/10");
    let beyond = server.call_with("GET", &path, &[("Range", "bytes=10-")], "").await;
    assert_eq!(beyond.status, 416);
}

#[tokio::test]
async fn a_damaged_blob_is_not_served() {
    let server = InProcess::new();
    put(&server.store, "m", WEIGHTS);
    let digest = Digest::of(WEIGHTS);
    std::fs::write(server.directory.path().join("blobs").join(digest.file_name()), b"9876543210").unwrap();
    let answer = server.get(&format!("/v2/library/m/blobs/{digest}")).await;
    assert_eq!((answer.status.as_u16(), code(&answer).as_str()), (404, "BLOB_UNKNOWN"));
}

#[tokio::test]
async fn tags_and_repositories_are_listed_page_by_page() {
    let server = InProcess::new();
    for name in ["m:a", "M:b", "m:c", "team/n", "registry.example.com/team/foreign"] {
        put(&server.store, name, name.as_bytes());
    }
    let answer = server.get("/v2/library/m/tags/list").await;
    assert_eq!(answer.json(), json!({"name": "library/m", "tags": ["a", "b", "c"]}));
    let mut tags = Vec::new();
    let mut path = "/v2/library/m/tags/list?n=2".to_owned();
    loop {
        let answer = server.get(&path).await;
        tags.push(answer.json()["tags"].clone());
        let Some(link) = answer.headers.get("link") else { break };
        let link = link.to_str().unwrap();
        path = link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned();
    }
    assert_eq!(json!(tags), json!([["a", "b"], ["c"]]));
    let catalog = server.get("/v2/_catalog").await;
    assert_eq!(catalog.json(), json!({"repositories": ["library/m", "team/n"]}));
}

#[tokio::test]
async fn nothing_refers_to_a_model() {
    let server = InProcess::new();
    let answer = server.get(&format!("/v2/library/m/referrers/{}", Digest::of(b"x"))).await;
    assert_eq!(header(&answer, "content-type"), "application/vnd.oci.image.index.v1+json");
    assert_eq!(answer.json()["manifests"], json!([]));
}

#[tokio::test]
async fn errors_have_the_codes_of_the_specification() {
    let server = InProcess::new();
    put(&server.store, "m", WEIGHTS);
    let absent = Digest::of(b"absent");
    for (path, status, expected) in [
        ("library/m/manifests/absent".to_owned(), 404, "MANIFEST_UNKNOWN"),
        ("library/absent/manifests/latest".to_owned(), 404, "MANIFEST_UNKNOWN"),
        (format!("library/m/manifests/{absent}"), 404, "MANIFEST_UNKNOWN"),
        (format!("library/m/blobs/{absent}"), 404, "BLOB_UNKNOWN"),
        ("library/m/blobs/sha256:12".to_owned(), 400, "DIGEST_INVALID"),
        ("library/m/blobs/sha512:ab".to_owned(), 400, "DIGEST_INVALID"),
        ("library/absent/tags/list".to_owned(), 404, "NAME_UNKNOWN"),
        ("a/b/c/manifests/latest".to_owned(), 404, "MANIFEST_UNKNOWN"),
        ("a/%20b/manifests/latest".to_owned(), 400, "NAME_INVALID"),
        ("library/m/tags/list?n=many".to_owned(), 404, "UNSUPPORTED"),
        ("library".to_owned(), 404, "UNSUPPORTED"),
    ] {
        let answer = server.get(&format!("/v2/{path}")).await;
        assert_eq!((answer.status.as_u16(), code(&answer).as_str()), (status, expected), "{path}");
    }
    let answer = server.call("DELETE", "/v2/library/m/tags/list", "").await;
    assert_eq!((answer.status.as_u16(), header(&answer, "allow")), (405, "HEAD, GET"));
    assert_eq!(code(&answer), "UNSUPPORTED");
}

#[tokio::test]
async fn with_a_key_clients_show_it_as_a_token_or_as_a_password() {
    let server = InProcess::with(|config| config.api_key = Some(ApiKey::parse("secret").unwrap()));
    let ask = async |authorization: &str| {
        let headers = [("Authorization", authorization)];
        server.call_with("GET", "/v2/", &headers, "").await
    };
    let refused = ask("").await;
    assert_eq!((refused.status.as_u16(), code(&refused).as_str()), (401, "UNAUTHORIZED"));
    assert!(header(&refused, "www-authenticate").starts_with("Basic realm="));
    // anyone:secret, :secret, anyone:other, and what is no pair.
    for (authorization, status) in [
        ("Bearer secret", 200),
        ("Basic YW55b25lOnNlY3JldA==", 200),
        ("Basic OnNlY3JldA==", 200),
        ("Basic YW55b25lOm90aGVy", 401),
        ("Basic c2VjcmV0", 401),
        ("Basic %%%", 401),
    ] {
        assert_eq!(ask(authorization).await.status, status, "{authorization}");
    }
    let elsewhere = [("Authorization", "Basic YW55b25lOnNlY3JldA==")];
    assert_eq!(server.call_with("GET", "/api/tags", &elsewhere, "").await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_of_ours_pulls_from_it() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = Store::open(from.path()).unwrap();
    let bytes = put(&store, "library/mine:q4", &noise(7, 3_000_000));
    let (source, target) = (Process::start(from.path(), &[]), Process::start(to.path(), &[]));
    let name = format!("{}/library/mine:q4", source.address);
    let last = last_line(&target, "pull", json!({"model": name, "insecure": true})).await;
    assert_eq!(last["status"], "success", "{last}");
    let pulled = Store::open(to.path()).unwrap();
    assert_eq!(pulled.manifest(&name.parse().unwrap()).unwrap().bytes, bytes);
    assert!(pulled.check(true, |_| {}).unwrap().is_clean());
}
