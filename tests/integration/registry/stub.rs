//! A server that answers as a test wants, and remembers what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;

use super::model::Model;

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Asked {
    /// A header, empty if it was not sent.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// A parameter of the query, decoded.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let pairs = url::form_urlencoded::parse(self.uri.query().unwrap_or_default().as_bytes());
        pairs.filter(|(key, _)| key == name).map(|(_, value)| value.into_owned()).next()
    }

    /// The range that was asked for, of a blob of this length.
    pub(crate) fn range(&self, length: usize) -> Option<std::ops::Range<usize>> {
        let (start, last) = self.header("range").strip_prefix("bytes=")?.split_once('-')?;
        Some(start.parse().ok()?..last.parse::<usize>().ok()?.saturating_add(1).min(length))
    }
}

/// The server; it ends with this value.
pub(crate) struct Stub {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Stub {
    /// Starts a server that answers with what `answer` makes of a request.
    pub(crate) async fn start(answer: impl Fn(&Asked) -> Response + Clone + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        let app = axum::Router::new().fallback(move |request: Request| {
            let (answer, log) = (answer.clone(), log.clone());
            async move {
                let (parts, body) = request.into_parts();
                let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
                let asked = Asked { method: parts.method, uri: parts.uri, headers: parts.headers, body };
                log.lock().unwrap().push(asked.clone());
                answer(&asked)
            }
        });
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, asked, task }
    }

    /// `host:port`, as names of models hold it.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A registry that is honest about its manifest and answers for blobs as told.
pub(crate) async fn registry_of(
    model: Arc<Model>,
    blobs: impl Fn(&Asked, &[u8]) -> Response + Clone + Send + Sync + 'static,
) -> Stub {
    Stub::start(move |asked: &Asked| {
        if asked.uri.path().contains("/manifests/") {
            return answer(200, &[], model.manifest.clone());
        }
        blobs(asked, model.blob(asked.uri.path().rsplit('/').next().unwrap()).unwrap())
    })
    .await
}

/// An answer with a status, headers and a body.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Response {
    let mut builder = Response::builder().status(StatusCode::from_u16(status).unwrap());
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(body.into()).unwrap()
}

/// A blob, or the range of it that was asked for.
pub(crate) fn blob_answer(asked: &Asked, blob: &[u8]) -> Response {
    match asked.range(blob.len()) {
        None => answer(200, &[], blob.to_vec()),
        Some(range) => {
            let header = format!("bytes {}-{}/{}", range.start, range.end - 1, blob.len());
            answer(206, &[("content-range", &header)], blob[range].to_vec())
        }
    }
}

/// A body that never ends.
pub(crate) fn endless() -> Body {
    let piece = Bytes::from(vec![b' '; 64 * 1024]);
    Body::from_stream(futures_util::stream::repeat_with(move || Ok::<_, std::io::Error>(piece.clone())))
}
