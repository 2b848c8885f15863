//! Uploads of files: in one piece, or, of long ones, so that they go on after a lost connection.
//!
//! The server says how far it has come (tus 1.0.0, <https://tus.io/protocols/resumable-upload>). A server
//! that has no such route, as Ollama's has not, gets the file in one piece.

use std::io::SeekFrom;
use std::path::Path;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use indicatif::ProgressBar;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, LOCATION};
use reqwest::{Body, Method, RequestBuilder, StatusCode};
use tokio::fs::File;
use tokio::io::AsyncSeekExt as _;
use tokio_util::io::ReaderStream;

use super::CliError;
use super::client::Client;
use super::progress::Progress;
use super::task::Task;
use crate::model::Digest;

/// Shorter files are sent again as a whole when the connection breaks.
const LONG: u64 = 64 << 20;
/// The unit in which files are read.
const UNIT: usize = 256 << 10;
const ROUTE: &str = "/ollamake/v1/uploads";
const BYTES: &str = "application/offset+octet-stream";

/// So many attempts may fail in a row without a byte more at the server.
const ATTEMPTS: u32 = 8;
/// The wait after the first of them; it doubles with every further one,
const SHORTEST_WAIT: Duration = Duration::from_millis(250);
/// but is no longer than this.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// A file to be uploaded.
struct Source<'a> {
    path: &'a Path,
    digest: Digest,
    length: u64,
    bar: ProgressBar,
    /// Where on the bar it begins.
    before: u64,
}

/// How an upload stands at the server.
struct Standing {
    offset: u64,
    /// The blob that it has become.
    digest: Option<String>,
}

/// Why an attempt ended.
enum Stop {
    /// Another may succeed.
    Again(CliError),
    /// The server does not know the upload any more.
    Gone(CliError),
    Failed(CliError),
}

impl Client {
    /// Uploads a file of this length as a blob. The task counts its bytes after those before it.
    pub(super) async fn upload(
        &self,
        path: &Path,
        digest: Digest,
        length: u64,
        (task, before): (&Task, u64),
        progress: &Progress,
    ) -> Result<(), CliError> {
        let blob = format!("/api/blobs/{digest}");
        let source = Source { path, digest, length, bar: task.bar(), before };
        let uploaded = length > LONG && self.upload_in_attempts(&source, progress).await?;
        if !uploaded {
            let body = source.from(0).await?;
            let request = self.request(Method::POST, &blob).header(CONTENT_LENGTH, length);
            self.send(request.body(body)).await?;
        }
        Ok(())
    }

    /// Uploads a file in as many attempts as it takes. `false` if the server cannot go on with uploads.
    async fn upload_in_attempts(&self, source: &Source<'_>, progress: &Progress) -> Result<bool, CliError> {
        let Some(mut url) = self.begin(source).await? else { return Ok(false) };
        let mut patience = Patience::default();
        // How it stands, unless the server has to be asked.
        let mut standing = Some(Standing { offset: 0, digest: None });
        let digest = loop {
            let attempt = match standing.take() {
                None => self.ask(&url).await,
                Some(Standing { digest: Some(digest), .. }) => break digest,
                Some(Standing { offset, digest: None }) => {
                    patience.note(offset);
                    self.add(source, &url, offset).await
                }
            };
            match attempt {
                Ok(got) => standing = Some(got),
                Err(Stop::Failed(error)) => return Err(error),
                Err(Stop::Again(error)) => patience.after(error, progress).await?,
                Err(Stop::Gone(error)) => {
                    patience.after(error, progress).await?;
                    let Some(other) = self.begin(source).await? else { return Ok(false) };
                    url = other;
                    standing = Some(Standing { offset: 0, digest: None });
                }
            }
        };
        // Its record has served its purpose; the blob stays.
        let _ = self.tus(Method::DELETE, &url).send().await;
        match digest == source.digest.to_string() {
            true => Ok(true),
            false => Err(CliError::FileChanged(source.path.to_owned())),
        }
    }

    fn tus(&self, method: Method, path: &str) -> RequestBuilder {
        self.request(method, path).header("Tus-Resumable", "1.0.0")
    }

    /// Begins an upload; where it is, unless the server has no such route.
    async fn begin(&self, source: &Source<'_>) -> Result<Option<String>, CliError> {
        let request = self.tus(Method::POST, ROUTE).header("Upload-Length", source.length);
        let response = request.send().await.map_err(|error| self.connection_error(&error))?;
        if matches!(response.status(), StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED) {
            return Ok(None);
        }
        let response = self.successful(response).await?;
        let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
        // Whatever stands before the server's own paths stands in our address too.
        let id = location.and_then(|location| location.rsplit('/').next()).filter(|id| !id.is_empty());
        let missing = || CliError::Server("the server does not say where the upload is".to_owned());
        Ok(Some(format!("{ROUTE}/{}", id.ok_or_else(missing)?)))
    }

    /// Sends the file from `offset` on.
    async fn add(&self, source: &Source<'_>, url: &str, offset: u64) -> Result<Standing, Stop> {
        let body = source.from(offset).await.map_err(Stop::Failed)?;
        let request = self
            .tus(Method::PATCH, url)
            .header("Upload-Offset", offset)
            .header(CONTENT_TYPE, BYTES)
            .header(CONTENT_LENGTH, source.length - offset);
        self.standing(request.body(body)).await
    }

    async fn ask(&self, url: &str) -> Result<Standing, Stop> {
        self.standing(self.tus(Method::HEAD, url)).await
    }

    async fn standing(&self, request: RequestBuilder) -> Result<Standing, Stop> {
        let response = request.send().await.map_err(|error| Stop::Again(self.connection_error(&error)))?;
        let status = response.status();
        match self.successful(response).await {
            Ok(response) => Standing::told_by(response.headers()).map_err(Stop::Again),
            Err(error) => Err(match status {
                StatusCode::NOT_FOUND | StatusCode::GONE => Stop::Gone(error),
                // Another request is at it, or it is not where we think, or the server is busy.
                StatusCode::LOCKED
                | StatusCode::CONFLICT
                | StatusCode::REQUEST_TIMEOUT
                | StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT => Stop::Again(error),
                _ => Stop::Failed(error),
            }),
        }
    }
}

impl Standing {
    fn told_by(headers: &HeaderMap) -> Result<Self, CliError> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let missing = || CliError::Server("the server does not say how far the upload is".to_owned());
        let offset = text("Upload-Offset").and_then(|offset| offset.parse().ok()).ok_or_else(missing)?;
        Ok(Self { offset, digest: text("Ollamake-Digest").map(str::to_owned) })
    }
}

impl Source<'_> {
    /// Its bytes from `offset` on, which the bar counts.
    async fn from(&self, offset: u64) -> Result<Body, CliError> {
        let mut file = File::open(self.path).await.map_err(CliError::file(self.path))?;
        file.seek(SeekFrom::Start(offset)).await.map_err(CliError::file(self.path))?;
        self.bar.set_position(self.before + offset);
        let bar = self.bar.clone();
        let stream =
            ReaderStream::with_capacity(file, UNIT).inspect_ok(move |chunk| bar.inc(chunk.len() as u64));
        Ok(Body::wrap_stream(stream))
    }
}

/// How often attempts have failed in a row.
struct Patience {
    failures: u32,
    wait: Duration,
    reached: u64,
}

impl Default for Patience {
    fn default() -> Self {
        Self { failures: 0, wait: SHORTEST_WAIT, reached: 0 }
    }
}

impl Patience {
    /// Earlier failures do not count any more once it has got on.
    fn note(&mut self, offset: u64) {
        if offset > self.reached {
            *self = Self { reached: offset, ..Self::default() };
        }
    }

    /// Waits before the next attempt, or gives the error back if there is none.
    async fn after(&mut self, error: CliError, progress: &Progress) -> Result<(), CliError> {
        self.failures += 1;
        if self.failures == ATTEMPTS {
            return Err(error);
        }
        progress.line(&format!("{error}; trying again"));
        tokio::time::sleep(self.wait).await;
        self.wait = (self.wait * 2).min(LONGEST_WAIT);
        Ok(())
    }
}
