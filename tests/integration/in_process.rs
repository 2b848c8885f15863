//! A server on a store of its own, driven in process, and small models to feed it.

use std::sync::OnceLock;

use axum::Router;
use axum::body::Body;
use http_body_util::BodyExt;
use hyper::{Request, StatusCode};
use ollamake::config::Config;
use ollamake::create::{Monitor, Usage, Verdict, Workshop};
use ollamake::gguf::{Header, Metadata, TensorDescription};
use ollamake::model::Digest;
use ollamake::plan::Resources;
use ollamake::server::{Server, router};
use ollamake::store::Store;
use ollamake::tensor::{ElementType, Shape, quantize};
use serde_json::Value;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::support::files::names_in_store;
use crate::support::generator;

/// A server and the directory of its store.
pub(crate) struct InProcess {
    pub(crate) directory: TempDir,
    pub(crate) store: Store,
    router: Router,
    verifying: OnceLock<Workshop>,
}

/// What the server answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: hyper::HeaderMap,
    pub(crate) body: String,
}

impl InProcess {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    /// A server whose configuration is not the default one.
    pub(crate) fn with(configure: impl FnOnce(&mut Config)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        Self::over(store, directory, configure)
    }

    /// A server on a store in this directory.
    pub(crate) fn over(store: Store, directory: TempDir, configure: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::for_store(directory.path());
        configure(&mut config);
        let server = Server::new(config, store.clone());
        Self { router: router(&server), directory, store, verifying: OnceLock::new() }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Answer {
            status: head.status,
            headers: head.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: impl Into<Body>) -> Answer {
        self.call_with(method, path, &[], body).await
    }

    /// Sends a request with headers, `Host` among them or not.
    pub(crate) async fn call_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !headers.iter().any(|(name, _)| *name == "Host") {
            request = request.header("Host", "127.0.0.1:11434");
        }
        self.send(request.body(body.into()).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, Body::empty()).await
    }

    /// Sends JSON.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.call("POST", path, body.to_string()).await
    }

    /// Creates a model, which must succeed, and answers with the lines.
    pub(crate) async fn create(&self, request: Value) -> Vec<String> {
        let model = request["model"].as_str().map(str::to_owned);
        let answer = self.post("/api/create", request).await;
        let lines = answer.statuses();
        assert_eq!(lines.last().map(String::as_str), Some("success"), "{} {}", answer.status, answer.body);
        if let Some(model) = model {
            self.verify(&model);
        }
        lines
    }

    /// Makes a model again, which must come to the same unless it cannot be.
    fn verify(&self, model: &str) {
        let workshop = || {
            let registries = ollamake::registry::Config::default();
            Workshop::new(self.store.clone(), registries, Resources::default(), false)
        };
        let workshop = self.verifying.get_or_init(workshop);
        let model = self.store.manifest(&model.parse().unwrap()).unwrap();
        let (stop, usage) = (CancellationToken::new(), Usage::default());
        let monitor = Monitor { report: &|_| (), stop: &stop, usage: &usage };
        let verdict = workshop.verify(&model, monitor).unwrap();
        let is_as_it_should_be = matches!(verdict, Verdict::Same | Verdict::Gone(_));
        assert!(is_as_it_should_be, "{}: {verdict:?}", model.name.short());
    }

    /// Uploads a blob, which must succeed.
    pub(crate) async fn upload(&self, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        let answer = self.call("POST", &format!("/api/blobs/{digest}"), bytes.to_vec()).await;
        assert!(answer.status.is_success(), "{} {}", answer.status, answer.body);
        digest
    }

    /// The names of all files under the store's directory that hold bytes of clients.
    pub(crate) fn files(&self) -> Vec<String> {
        names_in_store(self.directory.path())
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The `error` of the answer, or of its last line.
    pub(crate) fn error(&self) -> String {
        let line = self.body.lines().last().unwrap_or_default();
        let value: Value = serde_json::from_str(line).unwrap_or_default();
        value["error"].as_str().unwrap_or_default().to_owned()
    }

    /// The `status` of each line.
    pub(crate) fn statuses(&self) -> Vec<String> {
        let lines = self.body.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter_map(|line| Some(line["status"].as_str()?.to_owned())).collect()
    }
}

/// A GGUF file with these keys, and tensors of these shapes (fastest dimension first) with generated values.
pub(crate) fn gguf(metadata: &Metadata, tensors: &[(&str, &[u64], ElementType)]) -> Vec<u8> {
    let described: Vec<_> = tensors
        .iter()
        .map(|&(name, dimensions, element_type)| TensorDescription {
            name,
            shape: Shape::new(dimensions).unwrap(),
            element_type,
        })
        .collect();
    let header = Header::new(metadata, &described).unwrap();
    let mut file = header.bytes().to_vec();
    file.resize(usize::try_from(header.file_length()).unwrap(), 0);
    for (seed, (tensor, range)) in described.iter().zip(header.data()).enumerate() {
        // Blocks of zeros are valid blocks of every type.
        if tensor.element_type.is_quantized() {
            continue;
        }
        let row = usize::try_from(tensor.shape.row_len()).unwrap();
        let rows = usize::try_from(tensor.shape.rows()).unwrap();
        let values = generator::matrix("gauss", seed as u64, rows, row);
        let data = &mut file[range.start as usize..range.end as usize];
        quantize(tensor.element_type, &values, row, None, data).unwrap();
    }
    file
}

/// A model of one tensor.
pub(crate) fn small_gguf(extra: &[(&str, &str)]) -> Vec<u8> {
    let mut metadata = Metadata::new();
    metadata.set("general.architecture", "llama");
    metadata.set("general.file_type", 1_u32);
    metadata.set("llama.block_count", 1_u32);
    for (key, value) in extra {
        metadata.set(*key, *value);
    }
    gguf(&metadata, &[("token_embd.weight", &[32, 4], ElementType::F16)])
}
