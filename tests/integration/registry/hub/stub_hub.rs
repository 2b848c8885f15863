//! A stub of the Hub: its API in pages, its files, and a storage of another origin for the large ones.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::response::Response;
use ollamake::model::Digest;
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};

use super::super::stub::{Asked, Stub, answer, blob_answer};

/// The commit of every revision.
pub(super) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
/// The token of whoever may see what is gated.
pub(super) const TOKEN: &str = "hf_who_may_see_it";
/// So many entries have room on a page.
const ENTRIES: usize = 3;
/// Longer files lie in the storage.
const LARGE: usize = 64 << 10;

/// A repository, `owner/some.repo`.
#[derive(Clone)]
pub(super) struct Repository {
    pub(super) files: Vec<(String, Vec<u8>)>,
    pub(super) is_gated: bool,
    /// What the registry says of it.
    pub(super) manifest: Option<Vec<u8>>,
}

impl Repository {
    pub(super) fn new(files: Vec<(String, Vec<u8>)>) -> Self {
        Self { files, is_gated: false, manifest: None }
    }

    /// The same for those alone who have the token.
    pub(super) fn gated(self) -> Self {
        Self { is_gated: true, ..self }
    }

    fn file(&self, path: &str) -> Option<&Vec<u8>> {
        self.files.iter().find(|(name, _)| name == path).map(|(_, bytes)| bytes)
    }

    /// The entries of the list, directories among them.
    fn entries(&self) -> Vec<Value> {
        let mut entries = vec![json!({"type": "directory", "oid": "0", "size": 0, "path": "onnx"})];
        entries.extend(self.files.iter().map(|(path, bytes)| entry(path, bytes)));
        entries
    }
}

/// An entry of the list, as the Hub writes it.
pub(super) fn entry(path: &str, bytes: &[u8]) -> Value {
    let mut hasher = Sha1::new();
    hasher.update(format!("blob {}\0", bytes.len()));
    hasher.update(bytes);
    let oid = hex::encode(hasher.finalize());
    let mut entry = json!({"type": "file", "oid": oid, "size": bytes.len(), "path": path});
    if bytes.len() > LARGE {
        entry["lfs"] = json!({"oid": Digest::of(bytes).hex(), "size": bytes.len(), "pointerSize": 134});
        entry["xetHash"] = "ab".repeat(32).into();
    }
    entry
}

/// The Hub and its storage; both end with this value.
pub(super) struct StubHub {
    hub: Stub,
    storage: Stub,
    /// Where the storage is said to be.
    location: Arc<Mutex<String>>,
}

impl StubHub {
    pub(super) async fn start(repository: Repository) -> Self {
        Self::lying(repository, |_| None).await
    }

    /// A Hub that answers some requests otherwise.
    pub(super) async fn lying(
        repository: Repository,
        lie: impl Fn(&Asked) -> Option<Response> + Clone + Send + Sync + 'static,
    ) -> Self {
        let repository = Arc::new(repository);
        let stored = repository.clone();
        let storage = Stub::start(move |asked: &Asked| {
            let path = asked.uri.path().trim_start_matches('/');
            let file = stored.files.iter().find(|(_, bytes)| Digest::of(bytes).hex() == path);
            file.map_or_else(|| answer(403, &[], "expired"), |(_, bytes)| blob_answer(asked, bytes))
        })
        .await;
        let location = Arc::new(Mutex::new(storage.host()));
        let place = location.clone();
        let hub = Stub::start(move |asked: &Asked| {
            lie(asked).unwrap_or_else(|| answered(&repository, asked, &place.lock().unwrap()))
        })
        .await;
        Self { hub, storage, location }
    }

    /// What `HF_ENDPOINT` is set to.
    pub(super) fn endpoint(&self) -> String {
        format!("http://{}", self.hub.host())
    }

    pub(super) fn storage_address(&self) -> SocketAddr {
        self.storage.host().parse().unwrap()
    }

    /// Leads to another place for large files from now on.
    pub(super) fn keep_at(&mut self, host: &str) {
        host.clone_into(&mut self.location.lock().unwrap());
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.hub.asked()
    }

    pub(super) fn asked_of_storage(&self) -> Vec<Asked> {
        self.storage.asked()
    }

    /// How often the storage was asked.
    pub(super) fn stored(&self) -> usize {
        self.storage.asked().len()
    }
}

fn answered(repository: &Repository, asked: &Asked, storage: &str) -> Response {
    let path = asked.uri.path();
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let is_let_in = !repository.is_gated || asked.header("authorization") == format!("Bearer {TOKEN}");
    match parts[..] {
        ["v2", "owner", "some.repo", "manifests", _] => match &repository.manifest {
            Some(manifest) => answer(200, &[], manifest.clone()),
            None => {
                answer(400, &[], r#"{"error":"Repository is not GGUF or is not compatible with llama.cpp"}"#)
            }
        },
        ["v2", "owner", "some.repo", "blobs", digest] => {
            let file = repository.files.iter().find(|(_, bytes)| Digest::of(bytes).to_string() == digest);
            file.map_or_else(|| answer(404, &[], ""), |(_, bytes)| blob_answer(asked, bytes))
        }
        ["v2", ..] => answer(401, &[], r#"{"error":"Invalid username or password."}"#),
        ["api", "models", "owner", "some.repo", ..] if !is_let_in => gated(),
        ["api", "models", "owner", "some.repo", "revision", "main" | "refs%2Fpr%2F1"] => {
            answer(200, &[], json!({"id": "owner/some.repo", "sha": COMMIT, "siblings": []}).to_string())
        }
        ["api", "models", "owner", "some.repo", "tree", COMMIT] => page(repository, asked),
        ["api", "models", "owner", "some.repo", ..] => {
            answer(404, &[("x-error-code", "RevisionNotFound")], r#"{"error":"Invalid rev id"}"#)
        }
        // As for whoever has no account and must not know what there is. The challenge means nothing.
        ["api", ..] => answer(
            401,
            &[
                ("x-error-code", "RepoNotFound"),
                ("www-authenticate", "Bearer realm=\"Authentication required\""),
            ],
            r#"{"error":"Repository not found"}"#,
        ),
        ["owner", "some.repo", "resolve", ..] if !is_let_in => gated(),
        ["owner", "some.repo", "resolve", COMMIT, ..] => {
            let path = parts[4..].join("/");
            match repository.file(&path) {
                None => answer(404, &[("x-error-code", "EntryNotFound")], "Entry not found"),
                Some(bytes) if bytes.len() > LARGE => {
                    let location = format!("http://{storage}/{}", Digest::of(bytes).hex());
                    answer(302, &[("location", &location), ("x-repo-commit", COMMIT)], "Found")
                }
                Some(bytes) => answer(200, &[("x-repo-commit", COMMIT)], bytes.clone()),
            }
        }
        _ => answer(404, &[], "Sorry, we can't find the page you are looking for."),
    }
}

fn gated() -> Response {
    let words = "Access to model owner/some.repo is restricted. You must be authenticated to access it.";
    answer(
        401,
        &[("x-error-code", "GatedRepo"), ("www-authenticate", "Bearer realm=\"Authentication required\"")],
        words,
    )
}

/// A page of the list, and where the next one is.
fn page(repository: &Repository, asked: &Asked) -> Response {
    assert_eq!(asked.query("recursive").as_deref(), Some("true"));
    let start: usize = asked.query("cursor").map_or(0, |cursor| cursor.parse().unwrap());
    let entries = repository.entries();
    let end = entries.len().min(start + ENTRIES);
    let body = Value::from(entries[start..end].to_vec()).to_string();
    let path = format!("{}?recursive=true&cursor={end}", asked.uri.path());
    let next = format!("<http://{}{path}>; rel=\"next\"", asked.header("host"));
    let headers = [("link", next.as_str())];
    answer(200, if end < entries.len() { &headers } else { &[] }, body)
}
