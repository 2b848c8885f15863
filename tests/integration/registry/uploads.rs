//! Registries that take a blob in pieces, each in its own way.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use axum::response::Response;
use md5::{Digest as _, Md5};

use super::model::Model;
use super::stub::{Asked, Stub, answer};
use super::{Site, impatient, through};
use ollamake::model::Digest;
use ollamake::registry::{Config, Options, RegistryError};

/// Pushes a model to a registry that answers pieces, and questions how much it has, so. The error, and how
/// often it was sent a piece.
async fn push_to(
    pieces: impl Fn(usize) -> Response + Clone + Send + Sync + 'static,
) -> (RegistryError, usize) {
    let sent = Arc::new(Mutex::new(0));
    let counted = sent.clone();
    let registry = Stub::start(move |asked: &Asked| {
        let session = [("location", "/v2/team/m/blobs/uploads/1"), ("range", "0-0")];
        match asked.method.as_str() {
            "HEAD" => answer(404, &[], ""),
            "POST" => answer(202, &session, ""),
            "GET" => answer(204, &session, ""),
            "PATCH" => {
                let mut sent = counted.lock().unwrap();
                *sent += 1;
                pieces(*sent)
            }
            _ => answer(201, &[], ""),
        }
    })
    .await;
    let site = Site::with(Config { upload_piece: 100_000, ..impatient() });
    let name = format!("{}/team/m", registry.host());
    Model::new(70, &[300_000]).put(&site.store, &name);
    let error = site.push(&name).await.unwrap_err();
    let sent = *sent.lock().unwrap();
    (error, sent)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_keeps_nothing_is_given_up() {
    let location = ("location", "/v2/team/m/blobs/uploads/1");
    let (error, sent) = push_to(move |_| answer(202, &[location, ("range", "0-0")], "")).await;
    assert!(matches!(error, RegistryError::Interrupted { .. }), "{error}");
    assert!(error.to_string().contains("does not keep the bytes"), "{error}");
    assert!(sent <= 16, "{sent} pieces for four attempts with four attempts each");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_forgets_what_it_had_is_given_up() {
    let location = ("location", "/v2/team/m/blobs/uploads/1");
    let (error, sent) = push_to(move |count| match count % 2 {
        1 => answer(202, &[location, ("range", "0-99999")], ""),
        _ => answer(500, &[], ""),
    })
    .await;
    assert!(matches!(error, RegistryError::Refused { status: 500, .. }), "{error}");
    assert!(sent <= 32, "{sent} pieces for four attempts with four attempts each");
}

/// What Ollama's own registry has been given.
#[derive(Default)]
struct Taken {
    /// The parts of a blob by its digest and their beginnings.
    parts: HashMap<String, BTreeMap<usize, Vec<u8>>>,
    blobs: HashMap<String, Vec<u8>>,
}

/// Ollama's own registry and its storage service, as a proxy reaches them. A part goes to the storage
/// service, which begins with an error, and at the end the registry compares what that has made of the parts.
fn ollamas_registry(taken: &Mutex<Taken>, asked: &Asked) -> Response {
    let mut taken = taken.lock().unwrap();
    let last = asked.uri.path().rsplit('/').next().unwrap().to_owned();
    match (asked.uri.host(), asked.method.as_str()) {
        (Some("storage.invalid"), "PUT") => {
            let start = asked.query("start").unwrap().parse().unwrap();
            let parts = taken.parts.entry(last).or_default();
            if parts.insert(start, asked.body.to_vec()).is_none() && start == 0 {
                return answer(503, &[], "");
            }
            answer(200, &[], "")
        }
        (Some("registry.ollama.ai"), "HEAD") => answer(404, &[], ""),
        (Some("registry.ollama.ai"), "POST") => {
            let session = format!("/v2/team/m/blobs/uploads/{}", asked.query("digest").unwrap());
            answer(202, &[("docker-upload-location", &session)], "")
        }
        (Some("registry.ollama.ai"), "PATCH") if asked.header("x-redirect-uploads") == "1" => {
            let start = asked.header("content-range").split_once('-').unwrap().0;
            let storage = format!("http://storage.invalid/{last}?start={start}");
            answer(307, &[("location", &storage), ("docker-upload-location", asked.uri.path())], "")
        }
        (Some("registry.ollama.ai"), "PUT") if asked.uri.path().contains("/manifests/") => {
            answer(201, &[], "")
        }
        (Some("registry.ollama.ai"), "PUT") if asked.body.is_empty() => {
            let parts = taken.parts.remove(&last).unwrap_or_default();
            let sums: Vec<u8> = parts.values().flat_map(|part| Md5::digest(part).to_vec()).collect();
            let etag = format!("{}-{}", hex::encode(Md5::digest(sums)), parts.len());
            if asked.query("etag") != Some(etag) || asked.query("digest").as_ref() != Some(&last) {
                return answer(400, &[], "");
            }
            taken.blobs.insert(last, parts.into_values().flatten().collect());
            answer(201, &[], "")
        }
        _ => answer(405, &[], ""),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ollamas_own_registry_sends_each_part_to_its_storage() {
    let taken = Arc::new(Mutex::new(Taken::default()));
    let registry = taken.clone();
    let proxy = Stub::start(move |asked: &Asked| ollamas_registry(&registry, asked)).await;
    let site = Site::with(Config { upload_piece: 100_000, ..through(&proxy) });
    let model = Model::new(71, &[250_000, 10]);
    let name = "http://registry.ollama.ai/team/m";
    model.put(&site.store, name);
    let options = Options { insecure: true };
    site.client.push(&name.parse().unwrap(), options, |_| {}).await.unwrap();
    let taken = taken.lock().unwrap();
    for blob in &model.blobs {
        assert!(taken.blobs[&Digest::of(blob).to_string()] == *blob);
    }
}
