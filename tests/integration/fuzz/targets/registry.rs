//! Requests to a whole server as a registry, which has a few blobs: a method and a path, headers, an empty
//! line, a body.

use std::path::PathBuf;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http_body_util::BodyExt;
use hyper::{Request, StatusCode};
use ollamake::config::Config;
use ollamake::model::Label;
use ollamake::server::{Server, router};
use ollamake::store::{Blob, PruneOptions, Store};
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

/// What the server has: `@NAME@` in a request stands for the digest of one.
const BLOBS: [(&str, &[u8]); 3] = [("config", b"{}"), ("weights", b"0123456789"), ("text", b"Be brief.")];

struct Site {
    runtime: Runtime,
    router: Router,
    store: Store,
    root: PathBuf,
    /// What stands for each blob, and the blob, which stays as long as it is held.
    blobs: Vec<(String, Blob)>,
    /// What was pushed is everybody's.
    turn: Mutex<()>,
}

impl Site {
    fn new() -> Self {
        // It stays behind at the end, since nothing drops what is static.
        let root = tempfile::Builder::new().prefix("registry").tempdir().expect("a directory").keep();
        let store = Store::open(&root).expect("a store");
        let server = Server::new(Config::for_store(&root), store.clone());
        let put = |(name, bytes): &(&str, &[u8])| {
            (format!("@{name}@"), store.put_bytes(bytes).expect("a blob").blob)
        };
        let blobs = BLOBS.iter().map(put).collect();
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { runtime, router: router(&server), store, root, blobs, turn: Mutex::default() }
    }

    /// The request in these bytes, if they are one.
    fn request(&self, bytes: &[u8]) -> Option<Request<Body>> {
        let mut bytes = bytes.to_vec();
        if let Ok(text) = std::str::from_utf8(&bytes) {
            let digests = self.blobs.iter();
            let text = digests.fold(text.to_owned(), |text, (name, blob)| {
                text.replace(name.as_str(), &blob.digest().to_string())
            });
            bytes = text.into_bytes();
        }
        let end = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap_or(bytes.len());
        let (head, body) = bytes.split_at(end);
        let mut lines = std::str::from_utf8(head).ok()?.lines();
        let (method, path) = lines.next()?.split_once(' ')?;
        let mut request =
            Request::builder().method(method).uri(format!("/v2/{path}")).header("Host", "localhost");
        for line in lines {
            let (name, value) = line.split_once(": ")?;
            request = request.header(name, value);
        }
        request.body(Body::from(body.get(2..).unwrap_or_default().to_vec())).ok()
    }
}

/// A request is answered without an error of the server's own; whatever was taken is whole, served again, and
/// lets the store be pruned.
pub(super) fn registry(bytes: &[u8]) {
    static SITE: OnceLock<Site> = OnceLock::new();
    let site = SITE.get_or_init(Site::new);
    let _turn = site.turn.lock().expect("no target panicked before");
    let Some(request) = site.request(bytes) else { return };
    let (status, answer) = site.runtime.block_on(async {
        let response = site.router.clone().oneshot(request).await.expect("an answer");
        let status = response.status();
        let body = response.into_body().collect().await.expect("a whole answer").to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    });
    // The uploads that were begun stay until they expire.
    assert!(!status.is_server_error() || status == StatusCode::SERVICE_UNAVAILABLE, "{status} {answer}");
    // A request may name it: fuzzers see what strings are compared with.
    let root = site.root.to_str().expect("a plain path");
    assert!(!answer.contains(root) || String::from_utf8_lossy(bytes).contains(root), "{answer}");
    let store = &site.store;
    assert!(store.check(true, |_| ()).expect("a store that can be read").is_clean());
    for model in store.list().expect("a listing") {
        store.remove(&model.name).expect("the model can be removed");
    }
    for repository in store.guest_repositories().expect("a listing") {
        for entry in store.guests_of(&repository).expect("a listing") {
            let guest = store.guest(&repository, &Label::Digest(entry.digest)).expect("it can be read");
            assert_eq!(guest.map(|guest| guest.digest), Some(entry.digest));
            store.dismiss_guest(&repository, &entry.label).expect("it can be removed");
        }
    }
    store.settle();
    let report = store.prune(PruneOptions { grace: Duration::ZERO, dry_run: false }).expect("a pruned store");
    assert!(report.unread.is_empty(), "{report:?}");
}
