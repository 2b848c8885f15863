//! The body of a create request against a whole server that has a few files and one model.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};

use axum::Router;
use axum::body::Body;
use http_body_util::BodyExt;
use hyper::{Request, StatusCode};
use ollamake::config::Config;
use ollamake::server::{Server, router};
use ollamake::store::{Blob, Store};
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

/// The files that the server has: `@NAME@` in a body stands for the digest of one.
const UPLOADED: [(&str, &[u8]); 9] = [
    ("f16", include_bytes!("../../../fixtures/quantize/tiny-align32-odd-f16.gguf")),
    ("types", include_bytes!("../../../fixtures/gguf/every-value-type.gguf")),
    ("shard1", include_bytes!("../../../fixtures/gguf/tiny-00001-of-00003.gguf")),
    ("shard2", include_bytes!("../../../fixtures/gguf/tiny-00002-of-00003.gguf")),
    ("shard3", include_bytes!("../../../fixtures/gguf/tiny-00003-of-00003.gguf")),
    ("config", include_bytes!("../../../fixtures/conversion/bert-plain/config.json")),
    ("tokenizer", include_bytes!("../../../fixtures/conversion/bert-plain/tokenizer.json")),
    ("weights", include_bytes!("../../../fixtures/conversion/bert-plain/model.safetensors")),
    ("adapter", include_bytes!("../../../fixtures/conversion/lora-mistral/adapter_model.safetensors")),
];

/// What a registry's client says that cannot be built. So no request ever leaves this machine.
const NO_REGISTRY: &str = "certificate";

struct Site {
    runtime: Runtime,
    router: Router,
    store: Store,
    root: PathBuf,
    /// What stands for each file, and the file, which stays as long as it is held.
    files: Vec<(String, Blob)>,
    /// The models and files are everybody's.
    turn: Mutex<()>,
}

impl Site {
    fn new() -> Self {
        // It stays behind at the end, since nothing drops what is static.
        let root = tempfile::Builder::new().prefix("create_request").tempdir().expect("a directory").keep();
        let store = Store::open(&root).expect("a store");
        let mut config = Config::for_store(&root);
        config.registry.certificates = vec![b"no certificate".to_vec()];
        let server = Server::new(config, store.clone());
        let upload = |(name, bytes): &(&str, &[u8])| {
            (format!("@{name}@"), store.put_bytes(bytes).expect("a blob").blob)
        };
        let files = UPLOADED.iter().map(upload).collect();
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let site = Self { runtime, router: router(&server), store, root, files, turn: Mutex::default() };
        let base =
            br#"{"model": "base", "files": {"m.gguf": "@f16@"}, "template": "{{ .Prompt }}", "system": "s"}"#;
        let (status, answer) = site.send(base);
        assert!(status == StatusCode::OK && answer.contains("success"), "{answer}");
        site
    }

    fn send(&self, body: &[u8]) -> (StatusCode, String) {
        let mut text = String::from_utf8_lossy(body).into_owned();
        let is_text = std::str::from_utf8(body).is_ok();
        for (name, blob) in &self.files {
            text = text.replace(name.as_str(), &blob.digest().to_string());
        }
        let body = if is_text { text.into_bytes() } else { body.to_vec() };
        let request = Request::post("/api/create").header("Host", "localhost").body(Body::from(body));
        self.runtime.block_on(async {
            let response = self.router.clone().oneshot(request.expect("a request")).await.expect("an answer");
            let status = response.status();
            let body = response.into_body().collect().await.expect("a whole answer").to_bytes();
            (status, String::from_utf8_lossy(&body).into_owned())
        })
    }

    fn models(&self) -> BTreeSet<String> {
        self.store.list().expect("a listing").iter().map(|model| model.name.to_string()).collect()
    }
}

/// A request succeeds, and the model is whole, or it fails with a message for its sender, and there is no
/// model.
pub(super) fn create_request(bytes: &[u8]) {
    static SITE: OnceLock<Site> = OnceLock::new();
    let site = SITE.get_or_init(Site::new);
    let _turn = site.turn.lock().expect("no target panicked before");
    let before = site.models();
    let (status, answer) = site.send(bytes);
    let after = site.models();

    let last = answer.lines().last().unwrap_or_default();
    let last: serde_json::Value = serde_json::from_str(last).expect("JSON");
    let made: Vec<_> = after.difference(&before).collect();
    if last["status"] == "success" {
        assert_eq!(status, StatusCode::OK);
        assert!(made.len() <= 1, "{made:?}");
    } else {
        let error = last["error"].as_str().expect("an error");
        assert!(!error.is_empty() && made.is_empty(), "{answer}");
        assert!(!status.is_server_error() || error.contains(NO_REGISTRY), "{status} {answer}");
        assert!(!answer.contains(site.root.to_str().expect("a plain path")), "{answer}");
    }
    for model in site.store.list().expect("a listing") {
        for layer in model.manifest.blobs() {
            site.store.verify(layer.digest).expect("every blob of a model is there and whole");
        }
    }
    for model in made {
        site.store.remove(&model.parse().expect("a name")).expect("the model can be removed");
    }
}
