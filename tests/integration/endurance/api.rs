//! A client of a server that may end at any instant.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use ollamake::model::Digest;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use super::material::File;

/// Uploads are sent in such pieces.
const PIECE: usize = 64 << 10;

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The server said that it is done.
    Done,
    /// The server said that it cannot, why, and whether before or after it had begun.
    Refused(String),
    /// The server said nothing any more.
    Broken(String),
}

/// A server.
#[derive(Clone)]
pub(super) struct Api {
    http: reqwest::Client,
    base: String,
}

impl Api {
    pub(super) fn new(address: &str) -> Self {
        // An error says that a provider is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { http, base: format!("http://{address}/api") }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}/{path}", self.base))
    }

    /// Uploads a file under a digest, unless the server has it, with pauses between its pieces.
    pub(super) async fn upload(&self, digest: &str, bytes: &Bytes, pause: Duration) -> Outcome {
        let path = format!("blobs/{digest}");
        match self.request(Method::HEAD, &path).send().await {
            Ok(answer) if answer.status().is_success() => return Outcome::Done,
            Ok(_) => {}
            Err(error) => return Outcome::Broken(error.to_string()),
        }
        let request = self.request(Method::POST, &path).header("content-length", bytes.len());
        ended(request.body(in_pieces(bytes, pause))).await
    }

    fn tus(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("{}{path}", self.base.trim_end_matches("/api"));
        self.http.request(method, url).header("Tus-Resumable", "1.0.0")
    }

    /// Begins an upload that can go on after a lost connection; its path.
    pub(super) async fn begin_upload(&self, length: usize) -> Result<String, Outcome> {
        let request = self.tus(Method::POST, "/ollamake/v1/uploads").header("Upload-Length", length);
        let answer = answered(request).await?;
        let location = answer.headers()["location"].to_str().unwrap();
        Ok(format!("/ollamake/v1/{location}"))
    }

    /// How far such an upload is, and the digest of the blob that it has become.
    pub(super) async fn upload_at(&self, path: &str) -> Result<(usize, Option<String>), Outcome> {
        Ok(standing(&answered(self.tus(Method::HEAD, path)).await?))
    }

    /// Adds bytes to such an upload, with pauses between pieces.
    pub(super) async fn go_on(
        &self,
        path: &str,
        offset: usize,
        bytes: &Bytes,
        pause: Duration,
    ) -> Result<(usize, Option<String>), Outcome> {
        let request = self
            .tus(Method::PATCH, path)
            .header("Upload-Offset", offset)
            .header("Content-Type", "application/offset+octet-stream")
            .header("content-length", bytes.len())
            .body(in_pieces(bytes, pause));
        Ok(standing(&answered(request).await?))
    }

    fn registry(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base.trim_end_matches("/api")))
    }

    /// Begins to push a blob to the registry that the server is; the path of the upload.
    pub(super) async fn begin_push(&self, repository: &str) -> Result<String, Outcome> {
        let answer =
            answered(self.registry(Method::POST, &format!("/v2/{repository}/blobs/uploads/"))).await?;
        let location = reqwest::Url::parse(answer.headers()["location"].to_str().unwrap()).unwrap();
        Ok(location.path().to_owned())
    }

    /// How far such an upload is.
    pub(super) async fn push_at(&self, path: &str) -> Result<usize, Outcome> {
        Ok(reached(&answered(self.registry(Method::GET, path)).await?))
    }

    /// Adds bytes to such an upload, with pauses between pieces.
    pub(super) async fn push_on(
        &self,
        path: &str,
        offset: usize,
        bytes: &Bytes,
        pause: Duration,
    ) -> Result<usize, Outcome> {
        let request = self
            .registry(Method::PATCH, path)
            .header("Content-Range", format!("{offset}-{}", offset + bytes.len() - 1))
            .header("content-length", bytes.len())
            .body(in_pieces(bytes, pause));
        Ok(reached(&answered(request).await?))
    }

    /// Ends such an upload.
    pub(super) async fn end_push(&self, path: &str, digest: Digest) -> Result<(), Outcome> {
        answered(self.registry(Method::PUT, &format!("{path}?digest={digest}"))).await.map(drop)
    }

    /// Pushes a short blob.
    pub(super) async fn push_blob(&self, repository: &str, bytes: &[u8]) -> Result<(), Outcome> {
        let path = format!("/v2/{repository}/blobs/uploads/?digest={}", Digest::of(bytes));
        answered(self.registry(Method::POST, &path).body(bytes.to_vec())).await.map(drop)
    }

    /// Pushes the manifest of a model.
    pub(super) async fn push_manifest(&self, repository: &str, tag: &str, bytes: Vec<u8>) -> Outcome {
        ended(self.registry(Method::PUT, &format!("/v2/{repository}/manifests/{tag}")).body(bytes)).await
    }

    /// Whether the server has a blob.
    pub(super) async fn has(&self, digest: Digest) -> Result<bool, Outcome> {
        match self.request(Method::HEAD, &format!("blobs/{digest}")).send().await {
            Ok(answer) => Ok(answer.status().is_success()),
            Err(error) => Err(Outcome::Broken(error.to_string())),
        }
    }

    /// A request that is answered once.
    pub(super) async fn call(&self, method: Method, path: &str, body: &Value) -> Outcome {
        ended(self.request(method, path).json(body)).await
    }

    /// A job, until its last line.
    pub(super) async fn job(&self, path: &str, body: &Value) -> Outcome {
        let broken = |error: reqwest::Error| Outcome::Broken(error.to_string());
        let mut answer = match self.request(Method::POST, path).json(body).send().await {
            Ok(answer) => answer,
            Err(error) => return broken(error),
        };
        let status = answer.status();
        let mut text = Vec::new();
        loop {
            match answer.chunk().await {
                Ok(Some(bytes)) => text.extend_from_slice(&bytes),
                Ok(None) => break,
                Err(error) => return broken(error),
            }
        }
        let text = String::from_utf8(text).unwrap();
        if !status.is_success() {
            return Outcome::Refused(format!("{status} {text}"));
        }
        let last: Value =
            serde_json::from_str(text.lines().last().unwrap_or_default()).unwrap_or(Value::Null);
        match (last["status"].as_str(), last["error"].as_str()) {
            (Some("success"), _) => Outcome::Done,
            (_, Some(error)) => Outcome::Refused(error.to_owned()),
            _ => Outcome::Broken("the stream ended early".to_owned()),
        }
    }

    /// Makes a model of files and waits until it is there.
    pub(super) async fn create(&self, name: &str, files: &[File], more: &Value) -> Outcome {
        let files: serde_json::Map<_, _> =
            files.iter().map(|file| (file.name.clone(), json!(file.digest.to_string()))).collect();
        let mut body = json!({"model": name, "files": files});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.job("create", &body).await
    }

    /// The names of all models.
    pub(super) async fn tags(&self) -> Result<Vec<String>, reqwest::Error> {
        let answer: Value = self.request(Method::GET, "tags").send().await?.json().await?;
        let models = answer["models"].as_array().cloned().unwrap_or_default();
        Ok(models.iter().map(|model| model["name"].as_str().unwrap().to_owned()).collect())
    }
}

/// A body that is sent with pauses.
fn in_pieces(bytes: &Bytes, pause: Duration) -> reqwest::Body {
    let pieces: Vec<_> =
        (0..bytes.len()).step_by(PIECE).map(|at| bytes.slice(at..bytes.len().min(at + PIECE))).collect();
    reqwest::Body::wrap_stream(stream::iter(pieces).then(move |piece| async move {
        tokio::time::sleep(pause).await;
        Ok::<_, std::io::Error>(piece)
    }))
}

/// The answer to a request, if it is no refusal.
async fn answered(request: RequestBuilder) -> Result<reqwest::Response, Outcome> {
    let answer = request.send().await.map_err(|error| Outcome::Broken(error.to_string()))?;
    if answer.status().is_success() {
        return Ok(answer);
    }
    let status = answer.status();
    let text = answer.text().await.map_err(|error| Outcome::Broken(error.to_string()))?;
    Err(Outcome::Refused(format!("{status} {text}")))
}

fn standing(answer: &reqwest::Response) -> (usize, Option<String>) {
    let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    (header("upload-offset").unwrap().parse().unwrap(), header("ollamake-digest"))
}

/// How many bytes a registry has of an upload; of none it says `0-0`.
fn reached(answer: &reqwest::Response) -> usize {
    let range = answer.headers()["range"].to_str().unwrap();
    let last: usize = range.strip_prefix("0-").unwrap().parse().unwrap();
    if last == 0 { 0 } else { last + 1 }
}

async fn ended(request: RequestBuilder) -> Outcome {
    let answer = match request.send().await {
        Ok(answer) => answer,
        Err(error) => return Outcome::Broken(error.to_string()),
    };
    let status = answer.status();
    match answer.text().await {
        Ok(_) if status.is_success() => Outcome::Done,
        Ok(text) => Outcome::Refused(format!("{status} {text}")),
        Err(error) => Outcome::Broken(error.to_string()),
    }
}
